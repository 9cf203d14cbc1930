/* SPDX-License-Identifier: MIT */
/*
 * See trace/step.h. A step that does not fit its word (a frame of more than 4 MiB, rbp
 * saved far away) is TMI_RULE_OTHER, like everything else that the fast way cannot do.
 */
#include "trace/step.h"

#include "base/lock.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/object.h"
#include "trace/tree.h"

#define FIRST_ENTRIES  1024
#define CFA_WORDS_MOST ((1 << 19) - 1)

struct tmi_step_table *tmi_step_table;

static tmi_step pack(const struct tmi_rule *rule, uint32_t location)
{
    int32_t cfa = rule->cfa_offset / 8;
    unsigned rbp = rule->rbp_offset == 1 ? TMI_STEP_DEREF_RBP : 0;
    bool fits =
        rule->cfa_offset % 8 == 0 && cfa <= CFA_WORDS_MOST && cfa >= -CFA_WORDS_MOST;
    if (rule->rbp_offset < 0) {
        rbp = (unsigned)(-rule->rbp_offset / 8);
        fits = fits && rule->rbp_offset % 8 == 0 && rbp < TMI_STEP_DEREF_RBP;
    }
    if (!fits) {
        return (uint64_t)location << 32 | TMI_RULE_OTHER;
    }
    return (uint64_t)location << 32 | (uint64_t)((uint32_t)cfa << 12) | rbp << 3 |
           (uint64_t)rule->kind;
}

static tmi_step decode(uintptr_t pc)
{
    struct tmi_object object;
    struct tmi_rule rule = {TMI_RULE_END, 0, 0}; /* code without a module ends a stack */
    if (tmi_object_find(pc - 1, &object)) {
        struct tmi_cfi_image image = {object.start, object.end, object.eh_frame_hdr};
        rule = tmi_cfi_rule(&image, pc);
    }
    return pack(&rule, tmi_tree_locate(pc));
}

/* The entry of `pc`, or the free one where it goes. */
static struct tmi_step_entry *probe(struct tmi_step_table *table, uintptr_t pc)
{
    size_t at = pc & table->mask;
    while (table->entries[at].pc != 0 && table->entries[at].pc != pc) {
        at = (at + 1) & table->mask;
    }
    return &table->entries[at];
}

static bool make_room_locked(void)
{
    struct tmi_step_table *old = tmi_step_table;
    if (old != NULL && 2 * (old->used + 1) <= old->mask + 1) {
        return true;
    }
    size_t entries = old == NULL ? FIRST_ENTRIES : 2 * (old->mask + 1);
    struct tmi_step_table *table =
        tmi_memory_map(sizeof *table + entries * sizeof(struct tmi_step_entry));
    if (table == NULL) {
        return false;
    }
    table->mask = entries - 1;
    for (size_t i = 0; old != NULL && i <= old->mask; i++) {
        if (old->entries[i].pc != 0) {
            *probe(table, old->entries[i].pc) = old->entries[i];
            table->used++;
        }
    }
    tmi_store_release(&tmi_step_table, table); /* pairs with the acquire in find */
    return true;
}

TMI_COLD tmi_step tmi_step_decode(uintptr_t pc)
{
    tmi_step step = decode(pc);
    tmi_lock(TMI_LOCK_STEPS);
    if (make_room_locked()) {
        struct tmi_step_entry *entry = probe(tmi_step_table, pc);
        tmi_store_relaxed(&entry->step, step);
        if (entry->pc == 0) {
            tmi_step_table->used++;
            tmi_store_release(&entry->pc, pc);
        }
    }
    tmi_unlock(TMI_LOCK_STEPS);
    return step;
}

void tmi_step_forget_gone(void)
{
    tmi_lock(TMI_LOCK_STEPS);
    struct tmi_step_table *table = tmi_step_table;
    for (size_t i = 0; table != NULL && i <= table->mask; i++) {
        struct tmi_step_entry *entry = &table->entries[i];
        uint32_t location = tmi_step_location(entry->step);
        uint32_t module = location == 0 ? 0 : tmi_location_module(location);
        if (module != 0 && tmi_load_relaxed(&tmi_module_get(module)->gone)) {
            tmi_store_relaxed(&entry->step, 0);
        }
    }
    tmi_unlock(TMI_LOCK_STEPS);
}
