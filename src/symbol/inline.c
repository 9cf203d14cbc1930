/* SPDX-License-Identifier: MIT */
/*
 * Which functions an address lies in, according to the debug info.
 *
 *     unit   a.c                [1000..1400) [2000..2080)     claims wanted addresses
 *       f                       [1000..1100) [2000..2010)       takes them as its own
 *         block                 [1010..1080)
 *           g, inlined          [1020..1060)                      takes them from f
 *             h, inlined        [1030..1040)                        takes them from g
 *
 * Every unit that has wanted addresses is walked once, from the outside in, and an
 * inlined copy takes an address only from the very function that it stands in: so a chain
 * is right even where debug info contradicts itself, as after the linker folded equal
 * functions. What has no wanted address inside is not descended into. Some functions
 * stand where one would not look (in types, in functions that lie elsewhere), so that a
 * unit that leaves addresses without a function is walked a second time, in full.
 *
 * Files may be broken or hostile: the walk goes forward only and to a bounded depth.
 */
#include "symbol/inline.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* How deep entries are nested at most; compilers stay far below. */
#define DEPTH_MAX 512

struct walk {
    struct tmi_scopes *scopes;
    Dwarf_Addr bias;
    struct tmi_wanted *wanted;
    size_t n;
    uint32_t unit; /* the one walked */
    bool full;
    int error;
    struct level {
        Dwarf_Die die;
        uint32_t scope; /* around `die` */
    } levels[DEPTH_MAX];
};

/* `array` with room for one more element; NULL when there is no memory. */
static void *grown(void *array, size_t count, size_t *room, size_t bytes)
{
    if (count < *room) {
        return array;
    }
    size_t wider = *room == 0 ? 64 : *room * 2;
    void *moved = realloc(array, wider * bytes);
    if (moved != NULL) {
        *room = wider;
    }
    return moved;
}

/* The next range of `die`'s code, in wanted addresses; false behind the last. */
static bool next_range(const struct walk *w, Dwarf_Die *die, ptrdiff_t *cursor,
                       Dwarf_Addr *base, Dwarf_Addr *low, Dwarf_Addr *high)
{
    do {
        *cursor = dwarf_ranges(die, *cursor, base, low, high);
        if (*cursor <= 0) {
            return false;
        }
        /* At 0 and 1 linkers leave what they have thrown away. */
    } while (*low <= 1);
    *low += w->bias;
    *high += w->bias;
    return true;
}

/* ---- what to do with the wanted addresses inside an entry
 * ------------------------------ */

/*
 * Takes the wanted addresses in `die` that are in scope `outer`. True if there is any.
 * TMI_NOWHERE for `scope` only asks.
 */
static bool take(struct walk *w, Dwarf_Die *die, uint32_t outer, uint32_t scope)
{
    Dwarf_Addr base, low, high;
    ptrdiff_t cursor = 0;
    bool any = false;
    while (next_range(w, die, &cursor, &base, &low, &high)) {
        size_t i = tmi_wanted_first(w->wanted, w->n, low);
        for (; i < w->n && w->wanted[i].pc < high; i++) {
            if (w->wanted[i].scope != outer) {
                continue;
            }
            any = true;
            if (scope == TMI_NOWHERE) {
                return true;
            }
            w->wanted[i].scope = scope;
            w->wanted[i].unit = w->unit;
        }
    }
    return any;
}

/* A scope of its own for `die` if it gets any address; the scope inside it in *inner. */
static bool open_scope(struct walk *w, Dwarf_Die *die, uint32_t outer, uint32_t *inner)
{
    struct tmi_scopes *all = w->scopes;
    struct tmi_scope *scopes =
        grown(all->scopes, all->scope_count, &all->scope_room, sizeof(*scopes));
    if (scopes == NULL || all->scope_count >= TMI_NOWHERE) {
        w->error = -ENOMEM;
        return false;
    }
    all->scopes = scopes;
    uint32_t scope = (uint32_t)all->scope_count;
    if (!take(w, die, outer, scope)) {
        return false;
    }
    scopes[scope] = (struct tmi_scope){
        .die = *die,
        .parent = outer,
        .depth = outer == TMI_NOWHERE ? 1 : scopes[outer].depth + 1,
    };
    all->scope_count++;
    *inner = scope;
    return true;
}

static bool has_ranges(Dwarf_Die *die)
{
    return dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges);
}

/* ---- the walk
 * -------------------------------------------------------------------------- */

/* Whether to go on inside `die`, which stands in `outer`; *inner is the scope there. */
static bool enter(struct walk *w, Dwarf_Die *die, uint32_t outer, uint32_t *inner)
{
    *inner = outer;
    switch (dwarf_tag(die)) {
    case DW_TAG_subprogram:
        *inner = TMI_NOWHERE;
        return open_scope(w, die, TMI_NOWHERE, inner) || w->full;
    case DW_TAG_inlined_subroutine:
        return outer != TMI_NOWHERE && open_scope(w, die, outer, inner);
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        return w->full || !has_ranges(die) ||
               (outer != TMI_NOWHERE && take(w, die, outer, TMI_NOWHERE));
    case DW_TAG_namespace:
    case DW_TAG_module:
        return true;
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
        return w->full;
    default:
        return false;
    }
}

/* Moves to the next entry of the same level; false behind the last. */
static bool advance(Dwarf_Die *die)
{
    Dwarf_Die next;
    if (dwarf_siblingof(die, &next) != 0 ||
        dwarf_dieoffset(&next) <= dwarf_dieoffset(die)) {
        return false;
    }
    *die = next;
    return true;
}

static void walk_unit(struct walk *w, Dwarf_Die *unit)
{
    size_t depth = 0;
    w->levels[0].scope = TMI_NOWHERE;
    if (dwarf_child(unit, &w->levels[0].die) != 0) {
        return;
    }
    while (w->error == 0) {
        struct level *here = &w->levels[depth];
        uint32_t inner;
        bool inside = enter(w, &here->die, here->scope, &inner) &&
                      depth + 1 < DEPTH_MAX &&
                      dwarf_child(&here->die, &w->levels[depth + 1].die) == 0;
        if (inside) {
            depth++;
            w->levels[depth].scope = inner;
            continue;
        }
        while (!advance(&w->levels[depth].die)) {
            if (depth == 0) {
                return;
            }
            depth--;
        }
    }
}

/* ---- units
 * ----------------------------------------------------------------------------- */

/* The wanted addresses in `unit` that no other has claimed are its own, for their lines.
 */
static bool claim(struct walk *w, Dwarf_Die *unit)
{
    Dwarf_Addr base, low, high;
    ptrdiff_t cursor = 0;
    bool any = false;
    while (next_range(w, unit, &cursor, &base, &low, &high)) {
        size_t i = tmi_wanted_first(w->wanted, w->n, low);
        for (; i < w->n && w->wanted[i].pc < high; i++) {
            any = any || w->wanted[i].scope == TMI_NOWHERE;
            if (w->wanted[i].unit == TMI_NOWHERE) {
                w->wanted[i].unit = w->unit;
            }
        }
    }
    return any;
}

/* `code`: where the functions are; with split debug info that is another file's unit. */
static void find_in_unit(struct walk *w, Dwarf_Die *unit, Dwarf_Die *code)
{
    struct tmi_scopes *all = w->scopes;
    Dwarf_Die *units =
        grown(all->units, all->unit_count, &all->unit_room, sizeof(*units));
    if (units == NULL || all->unit_count >= TMI_NOWHERE) {
        w->error = -ENOMEM;
        return;
    }
    all->units = units;
    w->unit = (uint32_t)all->unit_count;
    if (!claim(w, unit)) {
        return;
    }
    units[all->unit_count++] = *unit;
    w->full = false;
    walk_unit(w, code);
    if (take(w, unit, TMI_NOWHERE, TMI_NOWHERE)) {
        w->full = true;
        walk_unit(w, code);
    }
}

int tmi_inline_find(struct tmi_scopes *scopes, Dwarf *dwarf, Dwarf_Addr bias,
                    struct tmi_wanted *wanted, size_t n)
{
    struct walk *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return -ENOMEM;
    }
    w->scopes = scopes;
    w->bias = bias;
    w->wanted = wanted;
    w->n = n;
    Dwarf_CU *at = NULL, *next = NULL;
    Dwarf_Die unit, split;
    uint8_t type;
    while (w->error == 0 &&
           dwarf_get_units(dwarf, at, &next, NULL, &type, &unit, &split) == 0) {
        if (type == DW_UT_compile) {
            find_in_unit(w, &unit, &unit);
        } else if (type == DW_UT_skeleton) {
            find_in_unit(w, &unit, split.addr != NULL ? &split : &unit);
        }
        at = next;
    }
    int error = w->error;
    free(w);
    return error;
}

void tmi_inline_release(struct tmi_scopes *scopes)
{
    free(scopes->scopes);
    free(scopes->units);
    *scopes = (struct tmi_scopes){.scopes = NULL};
}
