/* SPDX-License-Identifier: MIT */
/*
 * Unwinding steps: what trace/cfi.h decodes, kept for every return address in a module
 * that was ever met, in one word beside the address, so that a step costs one look-up in
 * a line of cache:
 *
 *     table    pc & mask -> { pc, step }           open addressing, 16 bytes an entry
 *     step     kind:3 rbp:9 cfa:20 location:32     offsets in words of 8 bytes
 *
 * Reading takes no lock. An entry's step is written before its pc; a table that is full
 * is replaced by one of twice the size and stays mapped, for readers still in it. When
 * modules were unloaded the steps of their code become 0, which means "decode again".
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

struct tmi_step_table {
    size_t mask;
    size_t used;
    struct tmi_step_entry entries[];
};

extern TMI_HIDDEN struct tmi_step_table *tmi_step_table; /* atomic; NULL: none yet */

#define TMI_STEP_DEREF_RBP 511u /* rbp was saved at *rbp */

TMI_INLINE enum tmi_rule_kind tmi_step_kind(tmi_step step)
{
    return (enum tmi_rule_kind)(step & 7);
}

/* Words below the CFA at which rbp was saved; 0: it was not. */
TMI_INLINE unsigned tmi_step_rbp(tmi_step step)
{
    return (step >> 3) & 511;
}

/* Bytes to add to rsp or rbp. */
TMI_INLINE intptr_t tmi_step_cfa(tmi_step step)
{
    return ((int32_t)(uint32_t)step >> 12) * 8;
}

TMI_INLINE uint32_t tmi_step_location(tmi_step step)
{
    return (uint32_t)(step >> 32);
}

/* The step of a return address that is not in the table, decoded now; never 0. */
tmi_step tmi_step_decode(uintptr_t pc);

/* Forget the steps of code in modules that are gone. */
void tmi_step_forget_gone(void);

TMI_INLINE tmi_step tmi_step_find(uintptr_t pc)
{
    const struct tmi_step_table *table = tmi_load_acquire(&tmi_step_table);
    if (TMI_LIKELY(table != NULL)) {
        for (size_t at = pc & table->mask;; at = (at + 1) & table->mask) {
            const struct tmi_step_entry *entry = &table->entries[at];
            uintptr_t found = tmi_load_acquire(&entry->pc);
            if (TMI_LIKELY(found == pc)) {
                tmi_step step = tmi_load_relaxed(&entry->step);
                return TMI_LIKELY(step != 0) ? step : tmi_step_decode(pc);
            }
            if (found == 0) {
                break;
            }
        }
    }
    return tmi_step_decode(pc);
}

#endif
