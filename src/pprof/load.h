/* SPDX-License-Identifier: MIT */
/*
 * Reading a pprof profile, ours or anybody's, from a file that nobody vouches for.
 */
#ifndef TMI_PPROF_LOAD_H
#define TMI_PPROF_LOAD_H

#include "view/service.h"
#include "view/snapshot.h"

/*
 * 0 and a finished snapshot; or *out NULL and -EBADMSG for what is no sound profile,
 * -ENOMEM for what would need more memory than it may have, or an errno of open and read.
 * `error`, which may be NULL, then says in one line what is wrong and where.
 */
int tmi_pprof_load(const char *path, struct tm_snapshot **out, struct tmi_error *error);

#endif
