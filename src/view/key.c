/* SPDX-License-Identifier: MIT */
/*
 * Built in two rounds. First the names: each pointer once (they are interned), ranked by
 * their bytes, which for UTF-8 is the order of code points. Then (rank, detail) as one
 * 64-bit number: distinct ones get provisional ids in order of appearance, are sorted as
 * integers, and renumbered. Only as many names are compared as there are files.
 *
 *     by                     name                          detail
 *     filename               file                          0
 *     lineno, traceback      file                          line
 *     function               function; file if not known   1; 0 if not known
 *     module                 module                        0
 */
#include "view/key.h"

#include <errno.h>
#include <string.h>

#include "view/frame.h"
#include "view/map.h"
#include "view/order.h"

struct build {
    struct tmi_keys *keys;
    struct tmi_arena *arena;
    tm_key_t by;
    const char **names;  /* at first in order of appearance */
    uint32_t name_count; /* of those */
    uint32_t *ranks;     /* of names */
    uint64_t *codes;     /* by provisional id: rank of the name << 32 | detail */
};

/* A visit of each logical frame: the j-th of all, the k-th of that location. */
struct visit {
    uint32_t side;
    uint32_t location;
    uint32_t k;
    uint32_t j;
};

typedef int visit_frame(struct build *b, const struct visit *at, struct tmi_map *known);

static int visit_all(struct build *b, visit_frame *visitor, struct tmi_map *known)
{
    const struct tmi_keys *keys = b->keys;
    struct visit at = {0};
    for (at.side = 0; at.side < keys->sides; at.side++) {
        const uint32_t *first = keys->first[at.side];
        for (at.location = 0; at.location < keys->from[at.side]->location_count;
             at.location++) {
            at.k = 0;
            for (at.j = first[at.location]; at.j < first[at.location + 1]; at.j++) {
                int err = visitor(b, &at, known);
                if (err != 0) {
                    return err;
                }
                at.k++;
            }
        }
    }
    return 0;
}

static int compare_names(const void *context, uint32_t a, uint32_t b)
{
    const char *const *names = context;
    return strcmp(names[a], names[b]);
}

static int compare_codes(const void *context, uint32_t a, uint32_t b)
{
    const uint64_t *codes = context;
    return (codes[a] > codes[b]) - (codes[a] < codes[b]);
}

/* The numbers 0 to n - 1 in the order that `compare` wants; NULL without memory. */
static uint32_t *sorted(struct tmi_arena *arena, uint32_t n, tmi_order_compare *compare,
                        const void *context)
{
    uint32_t *order = tmi_arena_alloc(arena, n * sizeof *order);
    uint32_t *scratch = tmi_arena_alloc(arena, n * sizeof *scratch);
    if (order == NULL || scratch == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    tmi_order_sort(order, scratch, n, compare, context);
    return order;
}

/* Where the frames of each location of a side begin, from *total on. */
static int lay_out_side(struct build *b, uint32_t side, uint64_t *total)
{
    const struct tm_snapshot *s = b->keys->from[side];
    uint32_t *first =
        tmi_arena_alloc(b->arena, ((size_t)s->location_count + 1) * sizeof *first);
    if (first == NULL) {
        return -ENOMEM;
    }
    for (uint32_t l = 0; l < s->location_count; l++) {
        first[l] = (uint32_t)*total;
        *total += tmi_frame_count(&s->locations[l]);
        if (*total >= UINT32_MAX) {
            return -ENOMEM;
        }
    }
    first[s->location_count] = (uint32_t)*total;
    b->keys->first[side] = first;
    return 0;
}

static int lay_out(struct build *b)
{
    struct tmi_keys *keys = b->keys;
    uint64_t total = 0;
    for (uint32_t side = 0; side < keys->sides; side++) {
        if (lay_out_side(b, side, &total) != 0) {
            return -ENOMEM;
        }
    }
    keys->frames = (uint32_t)total;
    keys->ids = tmi_arena_alloc(b->arena, total * sizeof *keys->ids);
    b->names = tmi_arena_alloc(b->arena, total * sizeof *b->names);
    b->codes = tmi_arena_alloc(b->arena, total * sizeof *b->codes);
    return keys->ids == NULL || b->names == NULL || b->codes == NULL ? -ENOMEM : 0;
}

/* ---- names ------------------------------------------------------------------------- */

static const char *name_of(const tm_frame_t *frame, tm_key_t by)
{
    if (by == TM_KEY_FUNCTION && frame->function[0] != '\0') {
        return frame->function;
    }
    if (by == TM_KEY_MODULE) {
        return frame->module[0] != '\0' ? frame->module : TMI_UNKNOWN_FILE;
    }
    return frame->filename;
}

static uint32_t detail_of(const tm_frame_t *frame, tm_key_t by)
{
    if (by == TM_KEY_LINENO || by == TM_KEY_TRACEBACK) {
        return frame->lineno;
    }
    return by == TM_KEY_FUNCTION && frame->function[0] != '\0';
}

/* Leaves in ids[] the number of the frame's name, by appearance. */
static int number_name(struct build *b, const struct visit *at, struct tmi_map *known)
{
    tm_frame_t frame;
    tmi_frame_get(b->keys->from[at->side], at->location, at->k, &frame);
    const char *name = name_of(&frame, b->by);
    int64_t number = tmi_map_put(known, (uintptr_t)name, b->name_count);
    if (number < 0) {
        return -ENOMEM;
    }
    if (number == b->name_count) {
        b->names[b->name_count++] = name;
    }
    b->keys->ids[at->j] = (uint32_t)number;
    return 0;
}

/* Equal names share a rank: they are one pointer within a snapshot, not between two, and
 * "<unknown>" may be a constant here and a text of the file. */
static int rank_names(struct build *b)
{
    uint32_t *order = sorted(b->arena, b->name_count, compare_names, b->names);
    b->ranks = tmi_arena_alloc(b->arena, b->name_count * sizeof *b->ranks);
    if (order == NULL || b->ranks == NULL) {
        return -ENOMEM;
    }
    uint32_t rank = 0;
    for (uint32_t i = 0; i < b->name_count; i++) {
        if (i > 0 && strcmp(b->names[order[i - 1]], b->names[order[i]]) != 0) {
            rank++;
        }
        b->ranks[order[i]] = rank;
    }
    return 0;
}

/* ---- keys -------------------------------------------------------------------------- */

static bool same_module(const struct tmi_keys *keys, const struct tmi_key *a,
                        const struct tmi_key *b)
{
    if (a->module == TMI_NO_MODULE || b->module == TMI_NO_MODULE) {
        return a->module == b->module;
    }
    return strcmp(keys->from[a->side]->modules[a->module].name,
                  keys->from[b->side]->modules[b->module].name) == 0;
}

/* Forgets of a key what this other member does not share. */
static void agree(const struct tmi_keys *keys, struct tmi_key *key,
                  const struct tmi_key *member)
{
    if (strcmp(key->filename, member->filename) != 0) {
        key->filename = TMI_UNKNOWN_FILE;
    }
    if (strcmp(key->function, member->function) != 0) {
        key->function = "";
    }
    if (!same_module(keys, key, member)) {
        key->module = TMI_NO_MODULE;
    }
    if (key->address != member->address) {
        key->address = 0;
    }
}

static int number_key(struct build *b, const struct visit *at, struct tmi_map *known)
{
    struct tmi_keys *keys = b->keys;
    const struct tm_snapshot *s = keys->from[at->side];
    tm_frame_t frame;
    tmi_frame_get(s, at->location, at->k, &frame);
    uint32_t detail = detail_of(&frame, b->by);
    struct tmi_key member = {.filename = b->by == TM_KEY_MODULE ? name_of(&frame, b->by)
                                                                : frame.filename,
                             .function = frame.function,
                             .lineno = b->by == TM_KEY_FUNCTION ? 0 : detail,
                             .module = s->locations[at->location].module,
                             .side = (enum tmi_side)at->side,
                             .address = frame.address};
    uint64_t code = (uint64_t)b->ranks[keys->ids[at->j]] << 32 | detail;
    int64_t id = tmi_map_put(known, code, keys->count);
    if (id < 0) {
        return -ENOMEM;
    }
    if (id == keys->count) {
        b->codes[id] = code;
        keys->keys[id] = member;
        keys->count++;
    } else {
        agree(keys, &keys->keys[id], &member);
    }
    keys->ids[at->j] = (uint32_t)id;
    return 0;
}

/* Provisional ids become the ranks of their codes. */
static int renumber(struct build *b)
{
    struct tmi_keys *keys = b->keys;
    uint32_t *order = sorted(b->arena, keys->count, compare_codes, b->codes);
    uint32_t *rank = tmi_arena_alloc(b->arena, keys->count * sizeof *rank);
    struct tmi_key *in_order =
        tmi_arena_alloc(b->arena, (size_t)keys->count * sizeof *in_order);
    if (order == NULL || rank == NULL || in_order == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < keys->count; i++) {
        rank[order[i]] = i;
        in_order[i] = keys->keys[order[i]];
    }
    for (uint32_t j = 0; j < keys->frames; j++) {
        keys->ids[j] = rank[keys->ids[j]];
    }
    keys->keys = in_order;
    return 0;
}

static int number_keys(struct build *b)
{
    struct tmi_keys *keys = b->keys;
    keys->keys = tmi_arena_alloc(b->arena, (size_t)keys->frames * sizeof *keys->keys);
    if (keys->keys == NULL) {
        return -ENOMEM;
    }
    struct tmi_map known;
    tmi_map_init(&known, b->arena);
    int err = visit_all(b, number_key, &known);
    return err == 0 ? renumber(b) : err;
}

int tmi_keys_build(struct tmi_keys *keys, const struct tm_snapshot *const *from,
                   uint32_t sides, tm_key_t by, struct tmi_arena *arena)
{
    *keys = (struct tmi_keys){.sides = sides};
    memcpy(keys->from, from, sides * sizeof *from);
    struct build b = {.keys = keys, .arena = arena, .by = by};
    struct tmi_map known;
    tmi_map_init(&known, arena);
    int err = lay_out(&b);
    if (err == 0) {
        err = visit_all(&b, number_name, &known);
    }
    if (err == 0) {
        err = rank_names(&b);
    }
    return err == 0 ? number_keys(&b) : err;
}
