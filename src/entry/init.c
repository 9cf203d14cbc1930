/* SPDX-License-Identifier: MIT */
/*
 * See entry/init.h. Steps, each once: the headers' secret; then, as soon as libc has set
 * `environ`, or at the latest in our constructor, the options, the tracer, the handlers
 * for fork, and tracing itself when TMALLOC asks for it.
 *
 * fork: prepare takes all locks of the runtime, parent and child release them. The
 * handlers are registered early, so libc calls ours last before and first after the fork.
 * A signal handler that forks meanwhile finds all done.
 */
#include "entry/init.h"

#include <pthread.h>
#include <unistd.h>

#include "base/errno.h"
#include "base/lock.h"
#include "base/option.h"
#include "base/sys.h"
#include "heap/block.h"
#include "tmalloc.h"
#include "trace/memory.h"

static uint32_t begun; /* atomic: somebody runs or ran init_once */
static TMI_THREAD_LOCAL uint32_t forks_begun;
static TMI_THREAD_LOCAL struct tmi_shard *entered_at_fork;

static void before_fork(void)
{
    if (forks_begun++ == 0) {
        entered_at_fork = tmi_guard_enter();
        tmi_lock_all();
    }
}

/* A handler that forks before this is done leaves all to this: so the count is last. */
static void after_fork_in_parent(void)
{
    if (forks_begun == 1) {
        tmi_unlock_all();
        tmi_guard_leave(entered_at_fork);
    }
    tmi_signal_fence();
    forks_begun--;
}

static void after_fork_in_child(void)
{
    tmi_lock_forked();
    tmi_thread_forked();
    after_fork_in_parent();
}

static bool may_trace_here(void)
{
    int64_t only = tmi_option_number(TMI_OPTION_RUN_PID);
    return only == 0 || only == tmi_sys_getpid();
}

static void init_once(void)
{
    if (environ != NULL && !tmi_sys_is_secure()) {
        tmi_option_read(environ);
    }
    int64_t most = tmi_option_number(TMI_OPTION_MAX_MEMORY);
    tmi_memory_set_limit(most == 0 ? SIZE_MAX : (size_t)most);
    tmi_tracer_init(tmi_option_number(TMI_OPTION_LEASE),
                    (enum tmi_capture_way)tmi_option_number(TMI_OPTION_UNWIND),
                    tmi_option_number(TMI_OPTION_SAMPLE));
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    tmi_tracer_set_mode(TMI_MODE_OFF);
    int64_t nframe = tmi_option_number(TMI_OPTION_TRACE);
    if (nframe > 0 && may_trace_here()) {
        tm_start((int)nframe);
    }
}

static void init(bool last_chance)
{
    tmi_errno_init();
    tmi_block_init();
    if (environ == NULL && !last_chance) {
        return;
    }
    uint32_t no = 0;
    if (tmi_cas_acq_rel(&begun, &no, 1)) {
        struct tmi_shard *entered = tmi_guard_enter();
        init_once();
        tmi_guard_leave(entered);
    }
}

TMI_COLD void tmi_init_try(void)
{
    init(false);
}

__attribute__((constructor)) static void construct(void)
{
    init(true);
}
