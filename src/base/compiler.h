/* SPDX-License-Identifier: MIT */
/*
 * What the compiler can be told: how likely a branch is, what must stay out of line, and
 * what an address is worth. Nothing here has a cost at run time.
 */
#ifndef TMI_COMPILER_H
#define TMI_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define TMI_LIKELY(x)   __builtin_expect(!!(x), 1)
#define TMI_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* A slow body that must neither be inlined into a fast path nor sit beside one. */
#define TMI_COLD              __attribute__((noinline, cold))
#define TMI_INLINE            static inline __attribute__((always_inline))
#define TMI_NOINLINE          __attribute__((noinline))
#define TMI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Thread variables live in the static TLS block: reaching them never allocates. */
#define TMI_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

/* On an extern variable: it is of this library, and reached without the GOT. */
#define TMI_HIDDEN __attribute__((visibility("hidden")))

/*
 * On a variable that every operation reads and nobody writes for long. They lie together,
 * with nothing beside them that some thread may be writing: one cache line, or two.
 */
#define TMI_READ_MOSTLY __attribute__((section("tmi_read_mostly"), aligned(8)))

#define TMI_CACHE_LINE   64
#define TMI_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
