/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of a caller's own numbers. The internal builder (view/snapshot.h) works with
 * modules and locations by number; here a frame comes with all it has to say, again and
 * again, and the number is found by it:
 *
 *     frame -> file, function, line, module, address -> slot -> location
 *
 * Each location has one line, so that no symbols are ever looked up for it. What a caller
 * does not know is spelled out in it as readers show it, and so an empty file name can be
 * one. Every trace is live, thus readable as soon as it is added.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "tmalloc/snapshot.h"
#include "view/frame.h"
#include "view/map.h"
#include "view/snapshot.h"

#define NFRAME_MOST 65535
#define FIRST_ROOM  64
#define LAST_ROOM   (UINT32_C(1) << 31)

/* Lies in the snapshot's arena. Slots: open addressing, at most half full. */
struct tmi_places {
    struct tmi_map modules; /* interned name -> module */
    uint32_t *slots;        /* location plus one, or 0 */
    uint32_t room;          /* a power of two */
    uint32_t *frames;       /* of the trace in work */
    size_t frame_room;      /* in bytes */
};

tm_snapshot_t *tm_snapshot_new(int traceback_limit)
{
    if (traceback_limit < 1 || traceback_limit > NFRAME_MOST) {
        errno = EINVAL;
        return NULL;
    }
    struct tm_snapshot *s = tmi_snapshot_create(traceback_limit);
    if (s != NULL) {
        s->places = tmi_arena_alloc(&s->arena, sizeof *s->places);
    }
    if (s == NULL || s->places == NULL) {
        tm_snapshot_free(s);
        errno = ENOMEM;
        return NULL;
    }
    tmi_map_init(&s->places->modules, &s->arena);
    s->empty_is_name = true;
    tmi_snapshot_release_symbols(s, true);
    return s;
}

/* ---- places ------------------------------------------------------------------------ */

/* A frame whose strings are the snapshot's own, so that equal ones are one pointer. */
struct place {
    struct tmi_line line;
    uint64_t address;
    uint32_t module;
};

static uint64_t hash_place(const struct place *place)
{
    uint64_t texts =
        tmi_hash_pair((uintptr_t)place->line.filename, (uintptr_t)place->line.function);
    uint64_t numbers = (uint64_t)place->line.lineno << 32 | place->module;
    return tmi_hash_pair(tmi_hash_pair(texts, numbers), place->address);
}

static struct place place_of(const struct tm_snapshot *s, uint32_t location)
{
    const struct tmi_location *l = &s->locations[location];
    return (struct place){s->lines[l->first_line], l->address, l->module};
}

static bool same_place(const struct place *a, const struct place *b)
{
    return a->line.filename == b->line.filename && a->line.function == b->line.function &&
           a->line.lineno == b->line.lineno && a->address == b->address &&
           a->module == b->module;
}

/* The slot that has the place, or the free one where it belongs. */
static uint32_t *find_slot(const struct tm_snapshot *s, const struct place *place)
{
    const struct tmi_places *places = s->places;
    uint32_t mask = places->room - 1;
    for (uint32_t i = (uint32_t)hash_place(place) & mask;; i = (i + 1) & mask) {
        if (places->slots[i] == 0) {
            return &places->slots[i];
        }
        struct place there = place_of(s, places->slots[i] - 1);
        if (same_place(&there, place)) {
            return &places->slots[i];
        }
    }
}

static int make_slot(struct tm_snapshot *s)
{
    struct tmi_places *places = s->places;
    if (2 * ((uint64_t)s->location_count + 1) <= places->room) {
        return 0;
    }
    if (places->room == LAST_ROOM) {
        return -ENOMEM;
    }
    uint32_t room = places->room == 0 ? FIRST_ROOM : 2 * places->room;
    uint32_t *slots = tmi_arena_alloc(&s->arena, room * sizeof *slots);
    if (slots == NULL) {
        return -ENOMEM;
    }
    uint32_t *old = places->slots;
    uint32_t old_room = places->room;
    places->slots = slots;
    places->room = room;
    for (uint32_t i = 0; i < old_room; i++) {
        if (old[i] != 0) {
            struct place place = place_of(s, old[i] - 1);
            *find_slot(s, &place) = old[i];
        }
    }
    return 0;
}

/* The location of a place, made if there was none; or -ENOMEM. */
static int64_t location_of(struct tm_snapshot *s, const struct place *place)
{
    if (make_slot(s) != 0) {
        return -ENOMEM;
    }
    uint32_t *slot = find_slot(s, place);
    if (*slot == 0) {
        /* Without its line it would be one whose symbols are still to be looked up. */
        int64_t location = tmi_snapshot_add_location(s, place->address, place->module);
        if (location < 0) {
            return location;
        }
        if (tmi_snapshot_set_lines(s, (uint32_t)location, &place->line, 1) != 0) {
            s->location_count--;
            return -ENOMEM;
        }
        *slot = (uint32_t)location + 1;
    }
    return *slot - 1;
}

/* ---- frames ------------------------------------------------------------------------ */

static bool is_known(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static const char *intern(struct tm_snapshot *s, const char *text)
{
    return tmi_snapshot_text(s, text, strlen(text));
}

static int64_t module_of(struct tm_snapshot *s, const char *name)
{
    struct tmi_module module = {.name = intern(s, name)};
    if (module.name == NULL) {
        return -ENOMEM;
    }
    int64_t known = tmi_map_get(&s->places->modules, (uintptr_t)module.name);
    if (known >= 0) {
        return known;
    }
    int64_t added = tmi_snapshot_add_module(s, &module);
    if (added < 0) {
        return added;
    }
    return tmi_map_put(&s->places->modules, (uintptr_t)module.name, (uint32_t)added);
}

static int64_t frame_location(struct tm_snapshot *s, const tm_frame_t *frame)
{
    bool in_module = is_known(frame->module);
    const char *unknown = in_module ? frame->module : TMI_UNKNOWN_FILE;
    int64_t module = in_module ? module_of(s, frame->module) : TMI_NO_MODULE;
    if (module < 0) {
        return module;
    }
    struct place place = {
        .line = {.filename =
                     intern(s, frame->filename != NULL ? frame->filename : unknown),
                 .function = intern(s, frame->function != NULL ? frame->function : ""),
                 .lineno = frame->filename != NULL ? frame->lineno : 0},
        .address = frame->address,
        .module = (uint32_t)module};
    if (place.line.filename == NULL || place.line.function == NULL) {
        return -ENOMEM;
    }
    return location_of(s, &place);
}

/* Makes places->frames hold the locations, the newest first as a snapshot has them. */
static int find_frames(struct tm_snapshot *s, const tm_frame_t *frames, size_t n)
{
    struct tmi_places *places = s->places;
    size_t wanted = n * sizeof *places->frames;
    if (wanted > places->frame_room) {
        void *wider =
            tmi_arena_grow(&s->arena, places->frames, places->frame_room, 2 * wanted);
        if (wider == NULL) {
            return -ENOMEM;
        }
        places->frames = wider;
        places->frame_room = 2 * wanted;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t location = frame_location(s, &frames[i]);
        if (location < 0) {
            return (int)location;
        }
        places->frames[n - 1 - i] = (uint32_t)location;
    }
    return 0;
}

/* ---- traces ------------------------------------------------------------------------ */

int tm_snapshot_add(tm_snapshot_t *s, tm_domain_t domain, uint64_t size, uint64_t count,
                    const tm_frame_t *frames, size_t nframes, size_t total_nframe)
{
    if (s->places == NULL) {
        return -EPERM;
    }
    if (nframes < 1 || nframes > NFRAME_MOST || total_nframe > NFRAME_MOST ||
        (total_nframe != 0 && total_nframe < nframes)) {
        return -EINVAL;
    }
    if (size == 0 && count == 0) {
        return 0;
    }
    /* What is held was allocated; how much more there was, nobody says. */
    const uint64_t values[TMI_VALUE_COUNT] = {[TMI_INUSE_BLOCKS] = count,
                                              [TMI_INUSE_BYTES] = size,
                                              [TMI_ALLOC_BLOCKS] = count,
                                              [TMI_ALLOC_BYTES] = size};
    int err = find_frames(s, frames, nframes);
    if (err == 0) {
        err = tmi_snapshot_add_trace(s, domain, values, s->places->frames,
                                     (uint32_t)nframes, (uint32_t)total_nframe);
    }
    if (err == 0) {
        s->live_count = s->trace_count;
        tmi_add_up(&s->about.current, size);
        s->about.peak = s->about.current;
    }
    return err;
}
