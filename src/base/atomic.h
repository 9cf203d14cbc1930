/* SPDX-License-Identifier: MIT */
/*
 * Atomic access with the order in the operation's name. Fields stay plain types: a field
 * that threads share says "atomic" where it is declared and is only reached through here.
 * An acquire names its release, and the other way round, where it is used.
 */
#ifndef TMI_ATOMIC_H
#define TMI_ATOMIC_H

#define tmi_load_relaxed(p)        __atomic_load_n((p), __ATOMIC_RELAXED)
#define tmi_load_acquire(p)        __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define tmi_store_relaxed(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define tmi_store_release(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define tmi_add_relaxed(p, v)      __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define tmi_add_release(p, v)      __atomic_fetch_add((p), (v), __ATOMIC_RELEASE)
#define tmi_exchange_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define tmi_exchange_release(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)

#define tmi_acquire_fence() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define tmi_release_fence() __atomic_thread_fence(__ATOMIC_RELEASE)
#define tmi_full_fence()    __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Compare and swap: true when *p was *expected; else *expected becomes what *p was. */
#define tmi_cas_relaxed(p, expected, v)                                                  \
    __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_RELAXED,               \
                                __ATOMIC_RELAXED)
#define tmi_cas_acq_rel(p, expected, v)                                                  \
    __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_ACQ_REL,               \
                                __ATOMIC_ACQUIRE)

/* Order between a thread and a signal handler that runs on it; no instruction. */
#define tmi_signal_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif
