/* SPDX-License-Identifier: MIT */
/*
 * Snapshots and files, for the public API: whoever knows the format (view/service.h) does
 * the work; here is only what its answers mean to a caller.
 */
#include <errno.h>

#include "view/service.h"
#include "view/snapshot.h"

TM_API int tm_snapshot_dump(const tm_snapshot_t *s, const char *path)
{
    const struct tmi_service *service = tmi_service();
    return service == NULL ? -ENOSYS : service->dump(s, path, NULL);
}

TM_API tm_snapshot_t *tm_snapshot_load(const char *path)
{
    const struct tmi_service *service = tmi_service();
    struct tm_snapshot *s = NULL;
    int err = service == NULL ? -ENOSYS : service->load(path, &s, NULL);
    if (err != 0) {
        errno = -err;
    }
    return s;
}
