/* SPDX-License-Identifier: MIT */
/*
 * The builder of snapshots, and the public functions that read one. Each column is a
 * piece of the snapshot's arena that doubles when it is full; the struct itself lies in
 * the same arena, so that releasing the arena is all there is to freeing a snapshot. A
 * full column of any size grows by mremap: building never holds two copies of much.
 *
 * Strings are found through an open-addressed table of pointers; a text is hashed again
 * when the table doubles, which costs less than keeping its hash beside it.
 *
 * An addition first makes room everywhere it needs it and then writes: when memory runs
 * out, nothing is half added. Symbols are the one thing that changes later: they belong
 * to whoever moved `resolve_once` from 0 to 1, the others wait for 2 (or for 0, when that
 * attempt failed, and try themselves).
 */
#include "view/snapshot.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/sys.h"
#include "view/service.h"

#define FIRST_ROOM 16

enum { RAW = 0, BUSY = 1, DONE = 2 };

/*
 * A column with room for `extra` more items than `count`, or NULL. Counts stay below 2^32
 * where the caller's index type says so: `most` is the largest room allowed.
 */
static void *widen(struct tm_snapshot *s, void *column, size_t item_bytes, size_t count,
                   size_t extra, size_t most, size_t *room)
{
    size_t need;
    if (tmi_add_overflows(count, extra, &need) || need > most) {
        return NULL;
    }
    if (need <= *room) {
        return column;
    }
    size_t wanted = tmi_ceil_pow2(need < FIRST_ROOM ? FIRST_ROOM : need);
    size_t new_room = wanted > most || wanted == 0 ? most : wanted;
    size_t bytes;
    if (tmi_mul_overflows(new_room, item_bytes, &bytes)) {
        return NULL;
    }
    void *grown = tmi_arena_grow(&s->arena, column, *room * item_bytes, bytes);
    if (grown != NULL) {
        *room = new_room;
    }
    return grown;
}

/* The same for columns that are counted in 32 bits. */
static void *widen32(struct tm_snapshot *s, void *column, size_t item_bytes,
                     uint32_t count, uint32_t extra, uint32_t *room)
{
    size_t wide_room = *room;
    void *grown =
        widen(s, column, item_bytes, count, extra, TMI_NO_MODULE - 1, &wide_room);
    if (grown != NULL) {
        *room = (uint32_t)wide_room;
    }
    return grown;
}

/* ---- strings ----------------------------------------------------------------------- */

static uint32_t find_slot(const struct tmi_strings *strings, const char *text, size_t len)
{
    uint32_t mask = strings->room - 1;
    uint32_t i = (uint32_t)tmi_hash_seeded(strings->seed, text, len) & mask;
    for (;; i = (i + 1) & mask) {
        const char *slot = strings->slots[i];
        if (slot == NULL || (strncmp(slot, text, len) == 0 && slot[len] == '\0')) {
            return i;
        }
    }
}

/* Keeps the table at most half full. */
static bool make_slot(struct tm_snapshot *s)
{
    struct tmi_strings *old = &s->strings;
    if (2 * (uint64_t)(old->count + 1) <= old->room) {
        return true;
    }
    struct tmi_strings wider = {.count = old->count, .seed = old->seed};
    wider.room = old->room == 0 ? 4 * FIRST_ROOM : 2 * old->room;
    if (wider.room == 0) {
        return false;
    }
    wider.slots = tmi_arena_alloc(&s->arena, wider.room * sizeof *wider.slots);
    if (wider.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < old->room; i++) {
        const char *text = old->slots[i];
        if (text != NULL) {
            wider.slots[find_slot(&wider, text, strlen(text))] = text;
        }
    }
    *old = wider;
    return true;
}

const char *tmi_snapshot_text(struct tm_snapshot *s, const char *text, size_t len)
{
    size_t shown = strnlen(text, len);
    if (!make_slot(s)) {
        return NULL;
    }
    const char **slot = &s->strings.slots[find_slot(&s->strings, text, shown)];
    if (*slot == NULL) {
        *slot = tmi_arena_text(&s->arena, text, shown);
        s->strings.count += *slot != NULL;
    }
    return *slot;
}

static const char *intern(struct tm_snapshot *s, const char *text)
{
    return tmi_snapshot_text(s, text, strlen(text));
}

/* ---- building ---------------------------------------------------------------------- */

struct tm_snapshot *tmi_snapshot_create(int traceback_limit)
{
    struct tmi_arena arena = {0};
    struct tm_snapshot *s = tmi_arena_alloc(&arena, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->arena = arena;
    s->strings.seed = tmi_sys_random();
    s->about.traceback_limit = traceback_limit;
    s->about.kind = intern(s, "");
    s->about.command = s->about.kind;
    if (s->about.kind == NULL) {
        tm_snapshot_free(s);
        return NULL;
    }
    return s;
}

int64_t tmi_snapshot_add_module(struct tm_snapshot *s, const struct tmi_module *module)
{
    void *grown =
        widen32(s, s->modules, sizeof *s->modules, s->module_count, 1, &s->module_room);
    if (grown == NULL) {
        return -ENOMEM;
    }
    s->modules = grown;
    struct tmi_module copy = *module;
    copy.name = intern(s, module->name);
    if (module->build_id_bytes != 0 && module->build_id != NULL) {
        copy.build_id = (const uint8_t *)tmi_arena_text(
            &s->arena, (const char *)module->build_id, module->build_id_bytes);
    } else {
        copy.build_id = NULL;
        copy.build_id_bytes = 0;
    }
    if (copy.name == NULL || (copy.build_id_bytes != 0 && copy.build_id == NULL)) {
        return -ENOMEM;
    }
    s->modules[s->module_count] = copy;
    return s->module_count++;
}

int64_t tmi_snapshot_add_location(struct tm_snapshot *s, uint64_t address,
                                  uint32_t module)
{
    void *grown = widen32(s, s->locations, sizeof *s->locations, s->location_count, 1,
                          &s->location_room);
    if (grown == NULL) {
        return -ENOMEM;
    }
    s->locations = grown;
    s->locations[s->location_count] =
        (struct tmi_location){.address = address, .module = module};
    return s->location_count++;
}

int tmi_snapshot_set_lines(struct tm_snapshot *s, uint32_t location,
                           const struct tmi_line *lines, uint32_t n)
{
    if (n == 0) {
        return 0;
    }
    void *grown = widen32(s, s->lines, sizeof *s->lines, s->line_count, n, &s->line_room);
    if (grown == NULL) {
        return -ENOMEM;
    }
    s->lines = grown;
    for (uint32_t i = 0; i < n; i++) {
        struct tmi_line *copy = &s->lines[s->line_count + i];
        copy->filename = intern(s, lines[i].filename);
        copy->function = intern(s, lines[i].function);
        copy->lineno = lines[i].lineno;
        if (copy->filename == NULL || copy->function == NULL) {
            return -ENOMEM;
        }
    }
    s->locations[location].first_line = s->line_count;
    s->locations[location].nlines = n;
    s->line_count += n;
    return 0;
}

int tmi_snapshot_add_trace(struct tm_snapshot *s, tm_domain_t domain,
                           const uint64_t values[TMI_VALUE_COUNT],
                           const uint32_t *locations, uint32_t n, uint32_t total_nframe)
{
    if (n == 0) {
        return -EINVAL;
    }
    void *frames = widen(s, s->frames, sizeof *s->frames, s->frame_count, n, SIZE_MAX,
                         &s->frame_room);
    if (frames == NULL) {
        return -ENOMEM;
    }
    s->frames = frames;
    void *traces = widen(s, s->traces, sizeof *s->traces, s->trace_count, 1, SIZE_MAX,
                         &s->trace_room);
    if (traces == NULL) {
        return -ENOMEM;
    }
    s->traces = traces;
    memcpy(s->frames + s->frame_count, locations, n * sizeof *locations);
    struct tmi_trace *trace = &s->traces[s->trace_count++];
    trace->traceback = (struct tm_traceback){.home = s,
                                             .first_frame = s->frame_count,
                                             .nframes = n,
                                             .total_nframe = total_nframe};
    trace->domain = domain;
    memcpy(trace->values, values, sizeof trace->values);
    s->frame_count += n;
    return 0;
}

int tmi_snapshot_add_domain(struct tm_snapshot *s, tm_domain_t domain, const char *name)
{
    void *grown =
        widen32(s, s->domains, sizeof *s->domains, s->domain_count, 1, &s->domain_room);
    const char *copy = intern(s, name);
    if (grown == NULL || copy == NULL) {
        s->domains = grown != NULL ? grown : s->domains;
        return -ENOMEM;
    }
    s->domains = grown;
    s->domains[s->domain_count++] =
        (struct tmi_domain_name){.domain = domain, .name = copy};
    return 0;
}

static bool is_live(const struct tmi_trace *trace)
{
    return trace->values[TMI_INUSE_BLOCKS] != 0 || trace->values[TMI_INUSE_BYTES] != 0;
}

void tmi_snapshot_finish(struct tm_snapshot *s)
{
    s->live_count = 0;
    for (size_t i = 0; i < s->trace_count; i++) {
        if (is_live(&s->traces[i])) {
            struct tmi_trace live = s->traces[i];
            if (i != s->live_count) {
                s->traces[i] = s->traces[s->live_count];
                s->traces[s->live_count] = live;
            }
            s->live_count++;
        }
    }
}

/* ---- symbols ----------------------------------------------------------------------- */

bool tmi_snapshot_hold_symbols(const struct tm_snapshot *s)
{
    uint32_t *once = (uint32_t *)&s->resolve_once;
    for (bool waited = false;; waited = true) {
        uint32_t seen = RAW;
        if (__atomic_compare_exchange_n(once, &seen, BUSY, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_ACQUIRE)) {
            return true;
        }
        if (seen == DONE) {
            if (waited) {
                tmi_sys_futex_wake(once);
            }
            return false;
        }
        tmi_sys_futex_wait(once, BUSY);
    }
}

void tmi_snapshot_release_symbols(const struct tm_snapshot *s, bool resolved)
{
    uint32_t *once = (uint32_t *)&s->resolve_once;
    __atomic_store_n(once, resolved ? DONE : RAW, __ATOMIC_RELEASE);
    /* Wakes one waiter, which takes its turn or sees DONE, and wakes the next on leaving.
     */
    tmi_sys_futex_wake(once);
}

static bool has_raw_location(const struct tm_snapshot *s)
{
    for (uint32_t i = 0; i < s->location_count; i++) {
        if (s->locations[i].nlines == 0) {
            return true;
        }
    }
    return false;
}

int tmi_snapshot_resolve(const struct tm_snapshot *s)
{
    if (__atomic_load_n(&s->resolve_once, __ATOMIC_ACQUIRE) == DONE) {
        return 0;
    }
    if (!tmi_snapshot_hold_symbols(s)) {
        return 0;
    }
    int err = 0;
    if (has_raw_location(s)) {
        const struct tmi_service *service = tmi_service();
        /* Without the plug-in there are no symbols to be had, which is no error. */
        err = service == NULL ? 0 : service->resolve((struct tm_snapshot *)s);
    }
    tmi_snapshot_release_symbols(s, err == 0);
    return err;
}

/* ---- reading ----------------------------------------------------------------------- */

void tm_snapshot_free(tm_snapshot_t *s)
{
    if (s != NULL) {
        struct tmi_arena arena = s->arena;
        tmi_arena_release(&arena);
    }
}

int tm_snapshot_traceback_limit(const tm_snapshot_t *s)
{
    return s->about.traceback_limit;
}

size_t tm_snapshot_trace_count(const tm_snapshot_t *s)
{
    return s->live_count;
}

int tm_snapshot_trace(const tm_snapshot_t *s, size_t i, tm_trace_t *out)
{
    if (i >= s->live_count) {
        return -ERANGE;
    }
    const struct tmi_trace *trace = &s->traces[i];
    *out = (tm_trace_t){.domain = trace->domain,
                        .size = trace->values[TMI_INUSE_BYTES],
                        .count = trace->values[TMI_INUSE_BLOCKS],
                        .traceback = &trace->traceback};
    return 0;
}

/* ---- checking ---------------------------------------------------------------------- */

static bool is_interned(const struct tm_snapshot *s, const char *text)
{
    return text != NULL && s->strings.room != 0 &&
           s->strings.slots[find_slot(&s->strings, text, strlen(text))] == text;
}

static bool check_locations(const struct tm_snapshot *s)
{
    for (uint32_t i = 0; i < s->location_count; i++) {
        const struct tmi_location *l = &s->locations[i];
        if ((l->module >= s->module_count && l->module != TMI_NO_MODULE) ||
            (uint64_t)l->first_line + l->nlines > s->line_count) {
            return false;
        }
    }
    for (uint32_t i = 0; i < s->line_count; i++) {
        if (!is_interned(s, s->lines[i].filename) ||
            !is_interned(s, s->lines[i].function)) {
            return false;
        }
    }
    return true;
}

static bool check_modules(const struct tm_snapshot *s)
{
    for (uint32_t i = 0; i < s->module_count; i++) {
        const struct tmi_module *m = &s->modules[i];
        if (!is_interned(s, m->name) || m->start > m->limit ||
            (m->build_id == NULL) != (m->build_id_bytes == 0)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < s->domain_count; i++) {
        if (!is_interned(s, s->domains[i].name)) {
            return false;
        }
    }
    return true;
}

static bool check_trace(const struct tm_snapshot *s, size_t i)
{
    const struct tmi_trace *trace = &s->traces[i];
    const struct tm_traceback *tb = &trace->traceback;
    return tb->home == s && tb->nframes >= 1 && tb->first_frame < s->frame_count &&
           tb->nframes <= s->frame_count - tb->first_frame &&
           (tb->total_nframe == 0 || tb->total_nframe >= tb->nframes) &&
           is_live(trace) == (i < s->live_count);
}

bool tmi_snapshot_check(const struct tm_snapshot *s)
{
    for (size_t i = 0; i < s->trace_count; i++) {
        if (!check_trace(s, i)) {
            return false;
        }
    }
    for (size_t i = 0; i < s->frame_count; i++) {
        if (s->frames[i] >= s->location_count) {
            return false;
        }
    }
    return s->live_count <= s->trace_count && s->trace_count <= s->trace_room &&
           s->frame_count <= s->frame_room && s->resolve_once <= DONE &&
           is_interned(s, s->about.kind) && is_interned(s, s->about.command) &&
           check_locations(s) && check_modules(s);
}
