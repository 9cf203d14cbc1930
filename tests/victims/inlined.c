/* SPDX-License-Identifier: MIT */
/*
 * A victim of the symbol tests: a chain of inlined calls, a function behind many others,
 * one that does not return, and a static one that only full symbols know.
 */
#include <setjmp.h>

#include "sites.h"

#define ALWAYS static inline __attribute__((always_inline))

static jmp_buf back;

/* Notes its own return address, and never in a tail call: they have none. */
static NOINLINE void here(struct site *s)
{
    s->address = __builtin_return_address(0);
    STAY();
}

ALWAYS void inner(struct site *s)
{
    here(expect(s, 0, "inner", __LINE__));
}

ALWAYS void middle(struct site *s)
{
    inner(expect(s, 1, "middle", __LINE__));
}

NOINLINE static void chain_outer(struct site *s)
{
    middle(expect(s, 2, "chain_outer", __LINE__));
    STAY();
}

/* Inlined twice into one function: two addresses, two places of call. */
NOINLINE static int twice(struct site *s)
{
    inner(expect(&s[0], 1, "twice", __LINE__));
    inner(expect(&s[1], 1, "twice", __LINE__));
    STAY();
    return 2;
}

/* Its return address is the first byte behind a function: only the call tells whose. */
__attribute__((noreturn, noinline)) static void leave(struct site *s)
{
    s->address = __builtin_return_address(0);
    longjmp(back, 1);
}

__attribute__((noreturn, noinline)) static void never_returns(struct site *s)
{
    leave(expect(s, 0, "never_returns", __LINE__));
}

/* Exported, so that stripping leaves it its name. */
VICTIM_EXPORT NOINLINE void victim_exported(struct site *s);
void victim_exported(struct site *s)
{
    here(expect(s, 0, "victim_exported", __LINE__));
    STAY();
}

/* The same code under a name that is not for people. */
VICTIM_EXPORT void _victim_alias(struct site *s)
    __attribute__((alias("victim_exported")));

static int run(struct site *to)
{
    int n = 0;
    chain_outer(&to[n++]);
    n += twice(&to[n]);
    if (setjmp(back) == 0) {
        never_returns(&to[n]);
    }
    n++;
    victim_exported(&to[n++]);
    return n;
}

VICTIM_EXPORT const struct victim victim;
const struct victim victim = {__FILE__, run};
