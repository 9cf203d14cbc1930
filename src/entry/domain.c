/* SPDX-License-Identifier: MIT */
/*
 * The functions of tmalloc.h for domains. A domain's number is the program's, its slot is
 * ours (trace/domain.h).
 */
#include "trace/domain.h"

#include <errno.h>

#include "entry/init.h"
#include "tmalloc.h"
#include "trace/account.h"
#include "trace/tracer.h"

TM_API tm_domain_t tm_domain_register(const char *name)
{
    struct tmi_shard *entered = tmi_guard_enter();
    int64_t number = tmi_domain_register(name);
    tmi_guard_leave(entered);
    if (number < 0) {
        errno = (int)-number;
        return 0;
    }
    return (tm_domain_t)number;
}

TM_API tm_domain_t tm_domain_set(tm_domain_t domain)
{
    int64_t slot = tmi_domain_find(domain);
    if (slot == TMI_DOMAIN_NONE) {
        struct tmi_shard *entered = tmi_guard_enter();
        slot = tmi_domain_adopt(domain);
        tmi_guard_leave(entered);
    }
    return tmi_domain_number(tmi_tracer_set_domain(slot < 0 ? 0 : (uint32_t)slot));
}

TM_API const char *tm_domain_name(tm_domain_t domain)
{
    uint32_t slot = tmi_domain_find(domain);
    const char *name = slot == TMI_DOMAIN_NONE ? NULL : tmi_domain_name(slot);
    if (name == NULL) {
        errno = ENOENT;
    }
    return name;
}

TM_API tm_traced_memory_t tm_get_domain_memory(tm_domain_t domain)
{
    int64_t current = 0;
    int64_t peak = 0;
    uint32_t slot = tmi_domain_find(domain);
    if (slot != TMI_DOMAIN_NONE) {
        struct tmi_shard *entered = tmi_guard_enter();
        tmi_account_domain(slot, &current, &peak);
        tmi_guard_leave(entered);
    }
    return (tm_traced_memory_t){(size_t)current, (size_t)peak};
}
