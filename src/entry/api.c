/* SPDX-License-Identifier: MIT */
/*
 * The functions of tmalloc.h that ask and steer the tracer. Each holds the guard, so that
 * nothing done here is traced itself.
 */
#include "tmalloc.h"

#include <errno.h>

#include "entry/init.h"
#include "trace/account.h"
#include "trace/memory.h"
#include "trace/tracer.h"
#include "trace/tree.h"

TM_API int tm_start(int nframe)
{
    tmi_init_at_first_use();
    struct tmi_shard *entered = tmi_guard_enter();
    int err = tmi_tracer_start(nframe);
    tmi_guard_leave(entered);
    return err;
}

TM_API void tm_stop(void)
{
    struct tmi_shard *entered = tmi_guard_enter();
    tmi_tracer_stop();
    tmi_guard_leave(entered);
}

TM_API bool tm_is_tracing(void)
{
    return tmi_load_relaxed(&tmi_tracer.mode) > TMI_MODE_OFF;
}

TM_API void tm_clear_traces(void)
{
    struct tmi_shard *entered = tmi_guard_enter();
    tmi_tracer_clear();
    tmi_guard_leave(entered);
}

TM_API int tm_get_traceback_limit(void)
{
    int mode = tmi_load_relaxed(&tmi_tracer.mode);
    return mode > TMI_MODE_OFF ? mode : -ENODATA;
}

TM_API tm_traced_memory_t tm_get_traced_memory(void)
{
    struct tmi_shard *entered = tmi_guard_enter();
    int64_t current;
    int64_t peak;
    tmi_account_memory(&current, &peak);
    tmi_guard_leave(entered);
    return (tm_traced_memory_t){(size_t)current, (size_t)peak};
}

TM_API void tm_reset_peak(void)
{
    struct tmi_shard *entered = tmi_guard_enter();
    tmi_account_reset_peak();
    tmi_guard_leave(entered);
}

TM_API tm_tracing_memory_t tm_get_tracing_memory(void)
{
    struct tmi_shard *entered = tmi_guard_enter();
    tm_tracing_memory_t memory = {
        .tables = tmi_memory_bytes(),
        .headers = tmi_tracer_live_blocks() * sizeof(struct tmi_block),
        .limit = tmi_memory_limit(),
        .cuts = tmi_tree_cuts(),
    };
    tmi_guard_leave(entered);
    return memory;
}

TM_API size_t tm_get_tracemalloc_memory(void)
{
    return tmi_memory_bytes();
}
