/* SPDX-License-Identifier: MIT */
/*
 * Two processes have one library at two addresses; its code is known by the distance from
 * where its segment begins:
 *
 *     source   start|......x......|limit          result   start|......x......|limit
 *                    address  ------------------------->   address - start + start
 *
 * At one place of a module there is one line of code, so that a location whose symbols
 * are not known is the same as one there whose symbols are, and learns them. Addresses
 * outside of any module say nothing about the code (interpreters put anything there, or
 * nothing): such locations are the same only when their lines are, too. Lines are taken
 * as readers see them, with all that is unknown spelled out.
 *
 * Items are found by a hash of what makes them the same. Where another one has that hash
 * the next one is tried, which is made from the last.
 */
#include "view/merge_place.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "view/frame.h"

int tmi_merge_place_begin(struct tmi_merge_source *source)
{
    const struct tm_snapshot *s = source->s;
    source->modules =
        tmi_arena_alloc(&source->arena, s->module_count * sizeof *source->modules);
    source->locations =
        tmi_arena_alloc(&source->arena, s->location_count * sizeof *source->locations);
    return source->modules == NULL || source->locations == NULL ? -ENOMEM : 0;
}

/* ---- modules ----------------------------------------------------------------------- */

static bool same_module(const struct tmi_module *a, const struct tmi_module *b)
{
    return a->name == b->name && a->offset == b->offset &&
           a->limit - a->start == b->limit - b->start &&
           a->build_id_bytes == b->build_id_bytes &&
           (a->build_id_bytes == 0 ||
            memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0);
}

static uint64_t hash_module(uint64_t seed, const struct tmi_module *module)
{
    uint64_t hash = tmi_hash_pair(seed, (uintptr_t)module->name);
    hash = tmi_hash_pair(hash, tmi_hash_bytes(module->build_id, module->build_id_bytes));
    return tmi_hash_pair(tmi_hash_pair(hash, module->offset),
                         module->limit - module->start);
}

/* The module of the result that is the same, made if there is none; or -ENOMEM. */
static int64_t find_module(struct tmi_merge *m, const struct tmi_module *from)
{
    struct tmi_module module = *from;
    module.name = tmi_snapshot_text(m->to, from->name, strlen(from->name));
    if (module.name == NULL) {
        return -ENOMEM;
    }
    for (uint64_t hash = hash_module(m->seed, &module);; hash = tmi_hash_u64(hash + 1)) {
        int64_t known = tmi_map_get(&m->modules, hash);
        if (known < 0) {
            known = tmi_snapshot_add_module(m->to, &module);
            return known < 0 ? known : tmi_map_put(&m->modules, hash, (uint32_t)known);
        }
        if (same_module(&m->to->modules[known], &module)) {
            return known;
        }
    }
}

static int64_t module_of(struct tmi_merge *m, struct tmi_merge_source *source,
                         uint32_t module)
{
    if (module == TMI_NO_MODULE) {
        return TMI_NO_MODULE;
    }
    if (source->modules[module] == 0) {
        int64_t found = find_module(m, &source->s->modules[module]);
        if (found < 0) {
            return found;
        }
        source->modules[module] = (uint32_t)found + 1;
    }
    return source->modules[module] - 1;
}

/* ---- locations --------------------------------------------------------------------- */

/* A location on its way into the result; strings are the result's own. */
struct place {
    uint64_t address;
    uint32_t module;
    bool in_module; /* the address is one of the module's code */
    const struct tmi_line *lines;
    uint32_t nlines; /* 0: not known */
};

/* Copies what is known of a location's lines to where place->lines will be. */
static int read_lines(struct tmi_merge *m, struct tmi_merge_source *source,
                      uint32_t location, struct place *place)
{
    uint32_t n = source->s->locations[location].nlines;
    if (tmi_frame_unknown(source->s, location)) {
        return 0;
    }
    if (n > source->line_room) {
        source->lines =
            tmi_arena_alloc(&source->arena, 2 * (size_t)n * sizeof *source->lines);
        source->line_room = source->lines == NULL ? 0 : 2 * n;
    }
    if (source->lines == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        tm_frame_t frame;
        tmi_frame_get(source->s, location, i, &frame);
        struct tmi_line *line = &source->lines[i];
        line->filename = tmi_snapshot_text(m->to, frame.filename, strlen(frame.filename));
        line->function = tmi_snapshot_text(m->to, frame.function, strlen(frame.function));
        line->lineno = frame.lineno;
        if (line->filename == NULL || line->function == NULL) {
            return -ENOMEM;
        }
    }
    place->lines = source->lines;
    place->nlines = n;
    return 0;
}

static int read_place(struct tmi_merge *m, struct tmi_merge_source *source,
                      uint32_t location, struct place *place)
{
    const struct tmi_location *from = &source->s->locations[location];
    int64_t module = module_of(m, source, from->module);
    if (module < 0) {
        return (int)module;
    }
    *place = (struct place){.address = from->address, .module = (uint32_t)module};
    if (place->module != TMI_NO_MODULE) {
        const struct tmi_module *old = &source->s->modules[from->module];
        /* A return address may be that behind the last byte. */
        place->in_module = from->address > old->start && from->address <= old->limit;
        if (place->in_module) {
            place->address += m->to->modules[module].start - old->start;
        }
    }
    return read_lines(m, source, location, place);
}

static bool same_lines(const struct tm_snapshot *s, const struct tmi_location *l,
                       const struct place *place)
{
    bool same = l->nlines == place->nlines;
    for (uint32_t i = 0; i < place->nlines && same; i++) {
        const struct tmi_line *a = &s->lines[l->first_line + i];
        const struct tmi_line *b = &place->lines[i];
        same = a->filename == b->filename && a->function == b->function &&
               a->lineno == b->lineno;
    }
    return same;
}

static bool is_at(const struct tm_snapshot *s, uint32_t location,
                  const struct place *place)
{
    const struct tmi_location *l = &s->locations[location];
    return l->module == place->module && l->address == place->address &&
           ((place->in_module && (l->nlines == 0 || place->nlines == 0)) ||
            same_lines(s, l, place));
}

static uint64_t hash_place(uint64_t seed, const struct place *place)
{
    uint64_t hash = tmi_hash_pair(tmi_hash_pair(seed, place->module), place->address);
    for (uint32_t i = 0; i < place->nlines && !place->in_module; i++) {
        const struct tmi_line *line = &place->lines[i];
        hash = tmi_hash_pair(hash, (uintptr_t)line->filename);
        hash = tmi_hash_pair(hash, (uintptr_t)line->function);
        hash = tmi_hash_pair(hash, line->lineno);
    }
    return hash;
}

static int64_t add_place(struct tmi_merge *m, uint64_t hash, const struct place *place)
{
    int64_t location = tmi_snapshot_add_location(m->to, place->address, place->module);
    if (location < 0 || tmi_map_put(&m->locations, hash, (uint32_t)location) < 0) {
        return -ENOMEM;
    }
    int err =
        tmi_snapshot_set_lines(m->to, (uint32_t)location, place->lines, place->nlines);
    return err == 0 ? location : err;
}

static int64_t find_place(struct tmi_merge *m, const struct place *place)
{
    for (uint64_t hash = hash_place(m->seed, place);; hash = tmi_hash_u64(hash + 1)) {
        int64_t known = tmi_map_get(&m->locations, hash);
        if (known < 0) {
            return add_place(m, hash, place);
        }
        if (is_at(m->to, (uint32_t)known, place)) {
            bool learns = m->to->locations[known].nlines == 0;
            int err = !learns ? 0
                              : tmi_snapshot_set_lines(m->to, (uint32_t)known,
                                                       place->lines, place->nlines);
            return err == 0 ? known : err;
        }
    }
}

int64_t tmi_merge_place(struct tmi_merge *m, struct tmi_merge_source *source,
                        uint32_t location)
{
    if (source->locations[location] == 0) {
        struct place place = {.module = TMI_NO_MODULE};
        int err = read_place(m, source, location, &place);
        int64_t found = err == 0 ? find_place(m, &place) : err;
        if (found < 0) {
            return found;
        }
        source->locations[location] = (uint32_t)found + 1;
    }
    return source->locations[location] - 1;
}
