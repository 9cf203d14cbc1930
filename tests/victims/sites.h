/* SPDX-License-Identifier: MIT */
/*
 * What the victims of the symbol tests tell about themselves: return addresses, and what
 * has to be found for them, in the compiler's own words (__LINE__, __FILE__) or in plain
 * literals. Shared by C and C++.
 */
#ifndef TMI_VICTIM_SITES_H
#define TMI_VICTIM_SITES_H

#define SITE_DEPTH 4
#define SITE_MAX   8

struct site {
    const void *address; /* return address of a call */
    int depth;           /* lines that have to be found for it, innermost first */
    struct {
        const char *function;
        int line;
    } chain[SITE_DEPTH];
};

/* Exported by every victim under the name "victim". */
struct victim {
    const char *file;            /* __FILE__ */
    int (*run)(struct site *to); /* fills sites, returns how many */
};

#define NOINLINE __attribute__((noinline))

#ifdef __cplusplus
#define VICTIM_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define VICTIM_EXPORT __attribute__((visibility("default")))
#endif

/* What has to be found at depth `i` of the chain; belongs on the line of the call. */
static inline struct site *expect(struct site *s, int i, const char *function, int line)
{
    s->chain[i].function = function;
    s->chain[i].line = line;
    s->depth = s->depth > i ? s->depth : i + 1;
    return s;
}

/* Behind a call, so that it is no tail call either. */
#define STAY() __asm__ volatile("" ::: "memory")

#endif
