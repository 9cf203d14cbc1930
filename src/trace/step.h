/* SPDX-License-Identifier: MIT */
/*
 * Unwinding steps: what trace/cfi.h decodes, kept for every return address in a module
 * that was ever met, in one word beside the address, so that a step costs one look-up in
 * a line of cache:
 *
 *     table    pc & bits -> { pc, step }     open addressing, 16 bytes an entry
 *     step     location:32 | rbp:7 | fast:2 | cfa:20 | kind:3     from the top bit down
 *
 * Offsets are signed and in words of 8 bytes, so the cfa's is one of bytes where it
 * stands; rbp's is from the CFA, and negative. `fast` marks what a capture does in line:
 * TMI_RULE_RSP and TMI_RULE_RBP with an offset above 0 and a location that fits a route
 * (trace/route.h), in code that is not tmalloc's own. 0, which stands for "not known", is
 * not fast.
 *
 * Reading takes no lock. An entry's step is written before its pc; a table that is full
 * is replaced by one of twice the size and stays mapped, for readers still in it, but its
 * pages are given back: who finds nothing there finds the step when he wants to add it.
 * When modules were unloaded the steps of their code become 0: "decode again".
 * Locking: changes under TMI_LOCK_STEPS.
 */
#ifndef TMI_STEP_H
#define TMI_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "trace/cfi.h"

typedef uint64_t tmi_step;

struct tmi_step_entry {
    uintptr_t pc;  /* atomic; 0: free */
    tmi_step step; /* atomic; 0: not known */
};

/* So many bytes of code have an entry: calls that are near each other share a line. */
#define TMI_STEP_CODE_BYTES 8u

/*
 * `bits` of a return address say where a probe begins: from that of TMI_STEP_CODE_BYTES
 * up, so that a multiple of them is the distance in bytes, without a shift. A probe may
 * end behind those entries. Nobody's is the first: it never is free, so a pc of 0, which
 * ends a stack, is looked for further on, and not found. (In a table whose pages were
 * given back it is found, with no step.)
 */
struct tmi_step_table {
    size_t bits;
    size_t used;
    struct tmi_step_entry entries[];
};

extern TMI_HIDDEN struct tmi_step_table *tmi_step_table; /* atomic; never NULL */

#define TMI_STEP_CFA       0x7ffff8u /* bytes to add in a fast step */
#define TMI_STEP_FAST_RSP  0x800000u
#define TMI_STEP_FAST_RBP  0x1000000u
#define TMI_STEP_RBP_SHIFT 25

#define TMI_STEP_CFA_WORDS_MOST ((1 << 19) - 1)
#define TMI_STEP_RBP_WORDS_MOST 64
#define TMI_STEP_DEREF_RBP      1 /* rbp was saved at *rbp */

TMI_INLINE enum tmi_rule_kind tmi_step_kind(tmi_step step)
{
    return (enum tmi_rule_kind)(step & 7);
}

/* Is it one that trace/walk.h does? */
TMI_INLINE bool tmi_step_is_fast(tmi_step step)
{
    return step & (TMI_STEP_FAST_RSP | TMI_STEP_FAST_RBP);
}

/* Words from the CFA to where rbp was saved; 0: it was not. */
TMI_INLINE int tmi_step_rbp(tmi_step step)
{
    return (int32_t)(uint32_t)step >> TMI_STEP_RBP_SHIFT;
}

/* Bytes to add to rsp or rbp. */
TMI_INLINE intptr_t tmi_step_cfa(tmi_step step)
{
    return ((int32_t)((uint32_t)step << 9) >> 12) * 8;
}

TMI_INLINE uint32_t tmi_step_location(tmi_step step)
{
    return (uint32_t)(step >> 32);
}

/* The step of a return address that is not in the table, decoded now; never 0. */
tmi_step tmi_step_decode(uintptr_t pc);

/* Forget the steps of code in modules that are gone. */
void tmi_step_forget_gone(void);

/*
 * From now on code without a table, or in no module, has the kind TMI_RULE_NO_TABLE; else
 * it has TMI_RULE_END, as for the other unwinders that know no better. Before the first
 * step.
 */
void tmi_step_tell_no_table(void);

TMI_INLINE const struct tmi_step_entry *tmi_step_place(const struct tmi_step_table *table,
                                                       uintptr_t pc)
{
    size_t times = sizeof *table->entries / TMI_STEP_CODE_BYTES;
    const char *entries = (const char *)table->entries;
    return (const struct tmi_step_entry *)(entries + times * (pc & table->bits));
}

/* Of a pc that is not at its place: what is further on. */
TMI_INLINE tmi_step tmi_step_further(const struct tmi_step_entry *entry, uintptr_t pc)
{
    uintptr_t found;
    do {
        entry++;
        found = tmi_load_acquire(&entry->pc);
    } while (found != pc && found != 0);
    return found == 0 ? 0 : tmi_load_relaxed(&entry->step);
}

/* The step of `pc` in a table; 0: it has none yet, or pc is 0. */
TMI_INLINE tmi_step tmi_step_look_up(const struct tmi_step_table *table, uintptr_t pc)
{
    const struct tmi_step_entry *entry = tmi_step_place(table, pc);
    return TMI_LIKELY(tmi_load_acquire(&entry->pc) == pc) ? tmi_load_relaxed(&entry->step)
                                                          : tmi_step_further(entry, pc);
}

/* 0: it was not met yet, or is none of a module. */
TMI_INLINE tmi_step tmi_step_known(uintptr_t pc)
{
    return tmi_step_look_up(tmi_load_acquire(&tmi_step_table), pc);
}

TMI_INLINE tmi_step tmi_step_find(uintptr_t pc)
{
    tmi_step step = tmi_step_known(pc);
    return TMI_LIKELY(step != 0) ? step : tmi_step_decode(pc);
}

#endif
