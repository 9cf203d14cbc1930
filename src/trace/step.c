/* SPDX-License-Identifier: MIT */
/*
 * See trace/step.h. A step that does not fit its word (a frame of more than 4 MiB, rbp
 * saved far away) is TMI_RULE_OTHER, like everything else that the fast way cannot do.
 * What is kept is forgotten when its module is unloaded, so what has no module is not
 * kept: nobody tells when code that a program mapped itself makes way for other code.
 */
#include "trace/step.h"

#include "base/lock.h"
#include "base/sys.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/object.h"
#include "trace/route.h"
#include "trace/tree.h"

#define FIRST_PLACES 1024

/* The first entry's: no return address. */
#define NOBODY ((struct tmi_step_entry){.pc = 1})

/* One in so many entries is used at most: then one look-up in twelve goes on to a second
 * entry, which takes more than its instructions as it cannot be foreseen. */
#define ROOM_FOR_ONE 4

/* The table before there is one: nothing is in it. */
static struct tmi_step_table none = {.entries = {{.pc = 1}, {.pc = 0}}};

struct tmi_step_table *tmi_step_table = &none;

/* What code without a table is to be. */
static enum tmi_rule_kind no_table = TMI_RULE_END;

void tmi_step_tell_no_table(void)
{
    no_table = TMI_RULE_NO_TABLE;
}

/* What a capture does in line; tmalloc's own frames are skipped out of line. */
static uint32_t fast_flag(const struct tmi_rule *rule, uint32_t location, uintptr_t pc)
{
    if (rule->cfa_offset <= 0 || location >> TMI_ROUTE_LOCATION_BITS != 0 ||
        tmi_module_is_own(pc)) {
        return 0;
    }
    return rule->kind == TMI_RULE_RSP   ? TMI_STEP_FAST_RSP
           : rule->kind == TMI_RULE_RBP ? TMI_STEP_FAST_RBP
                                        : 0;
}

static tmi_step pack(const struct tmi_rule *rule, uint32_t location, uintptr_t pc)
{
    int32_t cfa = rule->cfa_offset / 8;
    int32_t rbp = rule->rbp_offset == 1 ? TMI_STEP_DEREF_RBP : 0;
    bool fits = rule->cfa_offset % 8 == 0 && cfa <= TMI_STEP_CFA_WORDS_MOST &&
                cfa >= -TMI_STEP_CFA_WORDS_MOST;
    if (rule->rbp_offset < 0) {
        rbp = rule->rbp_offset / 8;
        fits = fits && rule->rbp_offset % 8 == 0 && rbp >= -TMI_STEP_RBP_WORDS_MOST;
    }
    if (!fits) {
        return (uint64_t)location << 32 | TMI_RULE_OTHER;
    }
    return (uint64_t)location << 32 | (uint32_t)rbp << TMI_STEP_RBP_SHIFT |
           fast_flag(rule, location, pc) | ((uint32_t)(cfa * 8) & TMI_STEP_CFA) |
           (uint32_t)(rule->kind == TMI_RULE_NO_TABLE ? no_table : rule->kind);
}

/* The entry of `pc`, or the free one where it goes. */
static struct tmi_step_entry *probe(struct tmi_step_table *table, uintptr_t pc)
{
    struct tmi_step_entry *entry = (struct tmi_step_entry *)tmi_step_place(table, pc);
    while (entry->pc != 0 && entry->pc != pc) {
        entry++;
    }
    return entry;
}

/* How many entries probes begin at. */
static size_t places_of(const struct tmi_step_table *table)
{
    return table->bits / TMI_STEP_CODE_BYTES + 1;
}

/* How many there are: as many more as are used at most, for the last to go on. */
static size_t entries_of(const struct tmi_step_table *table)
{
    return places_of(table) + places_of(table) / ROOM_FOR_ONE + 2;
}

static size_t bytes_of(const struct tmi_step_table *table)
{
    return sizeof *table + entries_of(table) * sizeof(struct tmi_step_entry);
}

static bool make_room_locked(void)
{
    struct tmi_step_table *old = tmi_step_table;
    if (ROOM_FOR_ONE * (old->used + 1) <= places_of(old)) {
        return true;
    }
    size_t places = old == &none ? FIRST_PLACES : 2 * places_of(old);
    struct tmi_step_table head = {.bits = TMI_STEP_CODE_BYTES * (places - 1)};
    struct tmi_step_table *table = tmi_memory_map(bytes_of(&head));
    if (table == NULL) {
        return false;
    }
    if (old != &none) { /* else it may remain nearly empty */
        tmi_sys_touch(table, sizeof head + places * sizeof *table->entries);
    }
    *table = head;
    table->entries[0] = NOBODY;
    for (size_t i = 0; old != &none && i < entries_of(old); i++) {
        if (old->entries[i].step != 0) {
            *probe(table, old->entries[i].pc) = old->entries[i];
            table->used++;
        }
    }
    tmi_store_release(&tmi_step_table, table); /* pairs with the acquire in find */
    if (old != &none) {
        tmi_memory_discard(old, bytes_of(old));
    }
    return true;
}

static void keep_locked(uintptr_t pc, tmi_step step)
{
    if (make_room_locked()) {
        struct tmi_step_entry *entry = probe(tmi_step_table, pc);
        tmi_store_relaxed(&entry->step, step);
        if (entry->pc == 0) {
            tmi_step_table->used++;
            tmi_store_release(&entry->pc, pc);
        }
    }
}

/* Code that is in no object has no table; what could not be noted as a module may. */
static tmi_step without_module(uint32_t location, uintptr_t pc)
{
    struct tmi_object object;
    bool is_bare = !tmi_object_find(pc - 1, &object);
    return (tmi_step)location << 32 | (uint32_t)(is_bare ? no_table : TMI_RULE_OTHER);
}

TMI_COLD tmi_step tmi_step_decode(uintptr_t pc)
{
    uint32_t location = tmi_tree_locate(pc); /* which looks for the module */
    uint32_t module =
        location == 0 ? tmi_module_find(pc - 1) : tmi_location_module(location);
    if (module == 0) {
        return without_module(location, pc);
    }
    tmi_lock(TMI_LOCK_STEPS);
    struct tmi_rule rule =
        tmi_cfi_rule(tmi_module_reader(module), &tmi_module_get(module)->tables, pc);
    tmi_step step = pack(&rule, location, pc);
    if (location != 0) {
        keep_locked(pc, step);
    } else {
        step = tmi_step_kind(step) == TMI_RULE_END ? TMI_RULE_END : TMI_RULE_OTHER;
    }
    tmi_unlock(TMI_LOCK_STEPS);
    return step;
}

void tmi_step_forget_gone(void)
{
    tmi_lock(TMI_LOCK_STEPS);
    for (uint32_t id = 1; id <= tmi_module_count(); id++) {
        if (tmi_load_relaxed(&tmi_module_get(id)->gone)) {
            *tmi_module_reader(id) = (struct tmi_cfi_reader){0};
        }
    }
    struct tmi_step_table *table = tmi_step_table;
    for (size_t i = 0; table != &none && i < entries_of(table); i++) {
        struct tmi_step_entry *entry = &table->entries[i];
        if (entry->step == 0) {
            continue;
        }
        uint32_t module = tmi_location_module(tmi_step_location(entry->step));
        if (tmi_load_relaxed(&tmi_module_get(module)->gone)) {
            tmi_store_relaxed(&entry->step, 0);
        }
    }
    tmi_unlock(TMI_LOCK_STEPS);
}
