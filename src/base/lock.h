/* SPDX-License-Identifier: MIT */
/*
 * The runtime's locks: a handful, all off the hot path, all named here in the order in
 * which they may be taken. A thread holds them only while it is guarded (trace/thread.h),
 * so a signal handler that allocates meanwhile is not traced and cannot wait for itself.
 *
 * fork: the parent takes all of them before, and both sides release all of them after, so
 * the child never inherits one that a vanished thread holds. A signal handler that forks
 * may have interrupted who holds some: these stay as they are, in both processes; of the
 * others it takes what is to be had without waiting, and what other threads hold then is
 * free in the child.
 */
#ifndef TMI_LOCK_H
#define TMI_LOCK_H

#include <stdbool.h>

/* Lower ones first. A thread that holds one may take only those below it in this list. */
enum tmi_lock {
    TMI_LOCK_TRACER,  /* start, stop, clear, snapshot: one at a time */
    TMI_LOCK_THREADS, /* the list of shards and who owns them */
    TMI_LOCK_LIVE,    /* tracebacks handed out by tm_get_object_traceback */
    TMI_LOCK_TRACKED, /* resources that are no blocks; an epoch begins */
    TMI_LOCK_SITES,   /* new sites and domains */
    TMI_LOCK_CUTS,    /* new cuts, and what is known of the peak */
    TMI_LOCK_STEPS,   /* new unwinding steps */
    TMI_LOCK_TREE,    /* new nodes and locations */
    TMI_LOCK_MODULES, /* new modules */
    TMI_LOCK_COUNT
};

void tmi_lock(enum tmi_lock which);
bool tmi_try_lock(enum tmi_lock which); /* true: it is ours */
void tmi_unlock(enum tmi_lock which);

/* For pthread_atfork: all that this thread does not hold, in order, and these back. */
void tmi_lock_all(void);
void tmi_unlock_all(void);

/* In the child, before that: no other thread holds any. */
void tmi_lock_forked(void);

#endif
