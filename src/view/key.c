/* SPDX-License-Identifier: MIT */
/*
 * Built in two rounds. First the file names: each pointer once (they are interned),
 * ranked by their bytes, which for UTF-8 is the order of code points. Then (rank, line)
 * as one 64-bit number: distinct ones get provisional ids in order of appearance, are
 * sorted as integers, and renumbered. Only as many names are compared as there are files.
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
    bool by_line;
    uint32_t frames;     /* logical ones, of all locations */
    const char **files;  /* at first in order of appearance */
    uint32_t file_count; /* of those */
    uint32_t *ranks;     /* of files */
    uint64_t *codes;     /* by provisional id: rank of the file << 32 | line */
};

static int compare_files(const void *context, uint32_t a, uint32_t b)
{
    const char *const *files = context;
    return strcmp(files[a], files[b]);
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

static int lay_out(struct build *b)
{
    const struct tm_snapshot *s = b->keys->from;
    uint32_t *first = tmi_arena_alloc(b->arena, (s->location_count + 1) * sizeof *first);
    if (first == NULL) {
        return -ENOMEM;
    }
    uint64_t total = 0;
    for (uint32_t l = 0; l < s->location_count; l++) {
        first[l] = (uint32_t)total;
        total += tmi_frame_count(&s->locations[l]);
        if (total >= UINT32_MAX) {
            return -ENOMEM;
        }
    }
    first[s->location_count] = (uint32_t)total;
    b->frames = (uint32_t)total;
    b->keys->first = first;
    b->keys->ids = tmi_arena_alloc(b->arena, total * sizeof *b->keys->ids);
    b->files = tmi_arena_alloc(b->arena, total * sizeof *b->files);
    b->codes = tmi_arena_alloc(b->arena, total * sizeof *b->codes);
    return b->keys->ids == NULL || b->files == NULL || b->codes == NULL ? -ENOMEM : 0;
}

/* Leaves in ids[] the number of each logical frame's file, by appearance. */
static int number_files(struct build *b)
{
    struct tmi_map known;
    tmi_map_init(&known, b->arena);
    const struct tmi_keys *keys = b->keys;
    for (uint32_t l = 0; l < keys->from->location_count; l++) {
        for (uint32_t j = keys->first[l]; j < keys->first[l + 1]; j++) {
            tm_frame_t frame;
            tmi_frame_get(keys->from, l, j - keys->first[l], &frame);
            int64_t file = tmi_map_put(&known, (uintptr_t)frame.filename, b->file_count);
            if (file < 0) {
                return -ENOMEM;
            }
            if (file == b->file_count) {
                b->files[b->file_count++] = frame.filename;
            }
            keys->ids[j] = (uint32_t)file;
        }
    }
    return 0;
}

/* Equal names share a rank: "<unknown>" may be a constant here and a text of the file. */
static int rank_files(struct build *b)
{
    uint32_t *order = sorted(b->arena, b->file_count, compare_files, b->files);
    b->ranks = tmi_arena_alloc(b->arena, b->file_count * sizeof *b->ranks);
    if (order == NULL || b->ranks == NULL) {
        return -ENOMEM;
    }
    uint32_t rank = 0;
    for (uint32_t i = 0; i < b->file_count; i++) {
        if (i > 0 && strcmp(b->files[order[i - 1]], b->files[order[i]]) != 0) {
            rank++;
        }
        b->ranks[order[i]] = rank;
    }
    return 0;
}

/* Forgets of a key what this other member does not share. */
static void agree(struct tmi_key *key, const struct tmi_key *member)
{
    if (strcmp(key->function, member->function) != 0) {
        key->function = "";
    }
    if (key->module != member->module) {
        key->module = TMI_NO_MODULE;
    }
    if (key->address != member->address) {
        key->address = 0;
    }
}

static int add_member(struct build *b, struct tmi_map *known, uint32_t location,
                      uint32_t j)
{
    struct tmi_keys *keys = b->keys;
    tm_frame_t frame;
    tmi_frame_get(keys->from, location, j - keys->first[location], &frame);
    struct tmi_key member = {.filename = frame.filename,
                             .function = frame.function,
                             .lineno = b->by_line ? frame.lineno : 0,
                             .module = keys->from->locations[location].module,
                             .address = frame.address};
    uint64_t code = (uint64_t)b->ranks[keys->ids[j]] << 32 | member.lineno;
    int64_t id = tmi_map_put(known, code, keys->count);
    if (id < 0) {
        return -ENOMEM;
    }
    if (id == keys->count) {
        b->codes[id] = code;
        keys->keys[id] = member;
        keys->count++;
    } else {
        agree(&keys->keys[id], &member);
    }
    keys->ids[j] = (uint32_t)id;
    return 0;
}

static int number_keys(struct build *b)
{
    struct tmi_map known;
    tmi_map_init(&known, b->arena);
    struct tmi_keys *keys = b->keys;
    keys->keys = tmi_arena_alloc(b->arena, (size_t)b->frames * sizeof *keys->keys);
    if (keys->keys == NULL) {
        return -ENOMEM;
    }
    for (uint32_t l = 0; l < keys->from->location_count; l++) {
        for (uint32_t j = keys->first[l]; j < keys->first[l + 1]; j++) {
            if (add_member(b, &known, l, j) != 0) {
                return -ENOMEM;
            }
        }
    }
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
    for (uint32_t j = 0; j < b->frames; j++) {
        keys->ids[j] = rank[keys->ids[j]];
    }
    keys->keys = in_order;
    return 0;
}

int tmi_keys_build(struct tmi_keys *keys, const struct tm_snapshot *from, tm_key_t by,
                   struct tmi_arena *arena)
{
    *keys = (struct tmi_keys){.from = from};
    struct build b = {.keys = keys, .arena = arena, .by_line = by != TM_KEY_FILENAME};
    int err = lay_out(&b);
    if (err == 0) {
        err = number_files(&b);
    }
    if (err == 0) {
        err = rank_files(&b);
    }
    if (err == 0) {
        err = number_keys(&b);
    }
    return err == 0 ? renumber(&b) : err;
}

void tmi_key_walk_begin(struct tmi_key_walk *walk, const struct tmi_keys *keys,
                        const struct tm_traceback *tb)
{
    const uint32_t *newest = keys->from->frames + tb->first_frame;
    *walk = (struct tmi_key_walk){
        .keys = keys, .newest = newest, .frame = newest + tb->nframes};
}
