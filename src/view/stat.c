/* SPDX-License-Identifier: MIT */
/*
 * Grouping as tracemalloc does it, in three steps:
 *
 *     keys      every logical frame of the snapshot as a small ordered number (key.c)
 *     groups    by file or line: an array indexed by key;
 *               by traceback: a hash table of sequences of keys
 *     home      the groups, sorted, become the traces of a snapshot of their own
 *
 * Domains are not part of the key and total_nframe is not either. With `cumulative` a
 * trace counts once for every frame of it, also for one that stands in it twice. Sums
 * that do not fit stay at the largest number; a recursion can multiply a size by its
 * depth.
 *
 * What tracemalloc has no notion of: a group's frame keeps function, module and address
 * as far as all locations of that key in the snapshot agree; frames of a whole traceback
 * keep those of one of the group's stacks.
 */
#include "view/stat.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "view/frame.h"
#include "view/key.h"
#include "view/order.h"
#include "view/text.h"

struct group {
    uint64_t size;
    uint64_t count;
    uint64_t hash; /* by traceback only */
    uint32_t id;   /* the key, or the first trace of that traceback */
};

struct work {
    struct tmi_arena arena;
    struct tmi_keys keys;
    bool by_traceback;
    struct group *groups;
    uint32_t group_count;
    struct tm_snapshot *home;
    uint32_t *locations; /* of home, plus 1: by key, or by logical frame */
    uint32_t *modules;   /* of home, plus 1: by module */
    uint32_t *frames;    /* of one group's traceback */
    size_t frame_room;
};

static void add_up(uint64_t *sum, uint64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum)) {
        *sum = UINT64_MAX;
    }
}

static void add_trace(struct group *group, const struct tmi_trace *trace)
{
    add_up(&group->size, trace->values[TMI_INUSE_BYTES]);
    add_up(&group->count, trace->values[TMI_INUSE_BLOCKS]);
}

/* ---- groups ------------------------------------------------------------------------ */

static void sum_every_frame(struct work *w, const struct tmi_trace *trace)
{
    const uint32_t *frame = w->keys.from->frames + trace->traceback.first_frame;
    for (uint32_t i = 0; i < trace->traceback.nframes; i++) {
        const uint32_t *first = &w->keys.first[frame[i]];
        for (uint32_t j = first[0]; j < first[1]; j++) {
            add_trace(&w->groups[w->keys.ids[j]], trace);
        }
    }
}

/* One group a key, then only those that some trace fell into. */
static int group_by_key(struct work *w, bool cumulative)
{
    const struct tm_snapshot *s = w->keys.from;
    w->groups = tmi_arena_alloc(&w->arena, (size_t)w->keys.count * sizeof *w->groups);
    if (w->groups == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < s->live_count; i++) {
        const struct tmi_trace *trace = &s->traces[i];
        if (cumulative) {
            sum_every_frame(w, trace);
        } else {
            uint32_t newest = s->frames[trace->traceback.first_frame];
            add_trace(&w->groups[w->keys.ids[w->keys.first[newest]]], trace);
        }
    }
    for (uint32_t id = 0; id < w->keys.count; id++) {
        struct group group = w->groups[id];
        if (group.size != 0 || group.count != 0) {
            group.id = id;
            w->groups[w->group_count++] = group;
        }
    }
    return 0;
}

static uint64_t hash_frames(const struct tmi_keys *keys, const struct tm_traceback *tb)
{
    uint64_t hash = 0;
    struct tmi_key_walk walk;
    tmi_key_walk_begin(&walk, keys, tb);
    for (uint32_t id; tmi_key_walk_next(&walk, &id);) {
        hash = (hash ^ id) * TMI_HASH_ODD1;
        hash ^= hash >> 29;
    }
    return tmi_hash_u64(hash);
}

/* As tracemalloc orders tracebacks: from the oldest frame on, the shorter one first. */
static int compare_frames(const struct work *w, uint32_t a, uint32_t b)
{
    struct tmi_key_walk walk_a;
    struct tmi_key_walk walk_b;
    tmi_key_walk_begin(&walk_a, &w->keys, &w->keys.from->traces[a].traceback);
    tmi_key_walk_begin(&walk_b, &w->keys, &w->keys.from->traces[b].traceback);
    for (;;) {
        uint32_t id_a;
        uint32_t id_b;
        bool more_a = tmi_key_walk_next(&walk_a, &id_a);
        bool more_b = tmi_key_walk_next(&walk_b, &id_b);
        if (!more_a || !more_b) {
            return (int)more_a - (int)more_b;
        }
        if (id_a != id_b) {
            return id_a < id_b ? -1 : 1;
        }
    }
}

static int group_by_traceback(struct work *w)
{
    const struct tm_snapshot *s = w->keys.from;
    if (s->live_count > UINT32_MAX / 4) {
        return -ENOMEM;
    }
    size_t room = tmi_ceil_pow2(2 * s->live_count);
    uint32_t *table = tmi_arena_alloc(&w->arena, room * sizeof *table);
    w->groups = tmi_arena_alloc(&w->arena, s->live_count * sizeof *w->groups);
    if (table == NULL || w->groups == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < s->live_count; i++) {
        uint64_t hash = hash_frames(&w->keys, &s->traces[i].traceback);
        size_t at = hash & (room - 1);
        while (table[at] != 0 &&
               (w->groups[table[at] - 1].hash != hash ||
                compare_frames(w, w->groups[table[at] - 1].id, i) != 0)) {
            at = (at + 1) & (room - 1);
        }
        if (table[at] == 0) {
            w->groups[w->group_count] = (struct group){.hash = hash, .id = i};
            table[at] = ++w->group_count;
        }
        add_trace(&w->groups[table[at] - 1], &s->traces[i]);
    }
    return 0;
}

/* ---- order ------------------------------------------------------------------------- */

static int compare_groups(const void *context, uint32_t a, uint32_t b)
{
    const struct work *w = context;
    const struct group *x = &w->groups[a];
    const struct group *y = &w->groups[b];
    if (x->size != y->size) {
        return x->size > y->size ? -1 : 1;
    }
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    if (w->by_traceback) {
        return compare_frames(w, y->id, x->id);
    }
    return x->id > y->id ? -1 : 1;
}

static uint32_t *sort_groups(struct work *w)
{
    uint32_t n = w->group_count;
    uint32_t *order = tmi_arena_alloc(&w->arena, n * sizeof *order);
    uint32_t *scratch = tmi_arena_alloc(&w->arena, n * sizeof *scratch);
    if (order == NULL || scratch == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    tmi_order_sort(order, scratch, n, compare_groups, w);
    return order;
}

/* ---- home -------------------------------------------------------------------------- */

/* The module of home that stands for one of the snapshot, or -ENOMEM. */
static int64_t home_module(struct work *w, uint32_t module)
{
    if (module == TMI_NO_MODULE) {
        return TMI_NO_MODULE;
    }
    if (w->modules[module] == 0) {
        int64_t copy = tmi_snapshot_add_module(w->home, &w->keys.from->modules[module]);
        if (copy < 0) {
            return copy;
        }
        w->modules[module] = (uint32_t)copy + 1;
    }
    return w->modules[module] - 1;
}

/* Makes the location of home that stands at `slot`; 0 or -ENOMEM. */
static int make_location(struct work *w, uint32_t slot, const struct tmi_key *key)
{
    int64_t module = home_module(w, key->module);
    int64_t location = -ENOMEM;
    if (module >= 0) {
        location = tmi_snapshot_add_location(w->home, key->address, (uint32_t)module);
    }
    struct tmi_line line = {key->filename, key->function, key->lineno};
    if (location < 0 ||
        tmi_snapshot_set_lines(w->home, (uint32_t)location, &line, 1) != 0) {
        return -ENOMEM;
    }
    w->locations[slot] = (uint32_t)location + 1;
    return 0;
}

/* The same for the k-th logical frame of a location, as it stands in the snapshot. */
static int make_frame(struct work *w, uint32_t location, uint32_t k)
{
    const struct tm_snapshot *s = w->keys.from;
    tm_frame_t frame;
    tmi_frame_get(s, location, k, &frame);
    struct tmi_key key = {.filename = frame.filename,
                          .function = frame.function,
                          .lineno = frame.lineno,
                          .module = s->locations[location].module,
                          .address = frame.address};
    return make_location(w, w->keys.first[location] + k, &key);
}

static int make_room(struct work *w, size_t frames)
{
    size_t wanted = frames * sizeof *w->frames;
    if (wanted > w->frame_room) {
        void *wider = tmi_arena_grow(&w->arena, w->frames, w->frame_room, 2 * wanted);
        if (wider == NULL) {
            return -ENOMEM;
        }
        w->frames = wider;
        w->frame_room = 2 * wanted;
    }
    return 0;
}

/* Makes w->frames hold the newest-first locations of a whole traceback; their number. */
static int64_t copy_traceback(struct work *w, const struct tm_traceback *tb)
{
    const uint32_t *frames = w->keys.from->frames + tb->first_frame;
    size_t n = 0;
    for (uint32_t i = 0; i < tb->nframes; i++) {
        uint32_t first = w->keys.first[frames[i]];
        uint32_t inlined = w->keys.first[frames[i] + 1] - first;
        if (make_room(w, n + inlined) != 0) {
            return -ENOMEM;
        }
        for (uint32_t k = 0; k < inlined; k++) {
            if (w->locations[first + k] == 0 && make_frame(w, frames[i], k) != 0) {
                return -ENOMEM;
            }
            w->frames[n++] = w->locations[first + k] - 1;
        }
    }
    return n <= UINT32_MAX ? (int64_t)n : -ENOMEM;
}

static int add_group(struct work *w, const struct group *group)
{
    uint64_t values[TMI_VALUE_COUNT] = {0};
    values[TMI_INUSE_BLOCKS] = group->count;
    values[TMI_INUSE_BYTES] = group->size;
    if (w->by_traceback) {
        int64_t n = copy_traceback(w, &w->keys.from->traces[group->id].traceback);
        return n < 0 ? (int)n
                     : tmi_snapshot_add_trace(w->home, 0, values, w->frames, (uint32_t)n,
                                              0);
    }
    if (make_location(w, group->id, &w->keys.keys[group->id]) != 0) {
        return -ENOMEM;
    }
    uint32_t frame = w->locations[group->id] - 1;
    return tmi_snapshot_add_trace(w->home, 0, values, &frame, 1, 0);
}

static int settle(struct work *w)
{
    const struct tm_snapshot *s = w->keys.from;
    const uint32_t *order = sort_groups(w);
    size_t slots = w->by_traceback ? w->keys.first[s->location_count] : w->keys.count;
    w->locations = tmi_arena_alloc(&w->arena, slots * sizeof *w->locations);
    w->modules = tmi_arena_alloc(&w->arena, s->module_count * sizeof *w->modules);
    if (order == NULL || w->locations == NULL || w->modules == NULL) {
        return -ENOMEM;
    }
    int err = 0;
    for (uint32_t i = 0; i < w->group_count && err == 0; i++) {
        err = add_group(w, &w->groups[order[i]]);
    }
    tmi_snapshot_finish(w->home);
    tmi_snapshot_release_symbols(w->home, true);
    return err;
}

static int group_and_settle(struct work *w, const struct tm_snapshot *s, tm_key_t key,
                            bool cumulative)
{
    w->by_traceback = key == TM_KEY_TRACEBACK;
    int err = tmi_snapshot_resolve(s);
    if (err == 0) {
        err = tmi_keys_build(&w->keys, s, key, &w->arena);
    }
    if (err == 0) {
        err = w->by_traceback ? group_by_traceback(w) : group_by_key(w, cumulative);
    }
    return err == 0 ? settle(w) : err;
}

/* ---- public ------------------------------------------------------------------------ */

tm_statistics_t *tm_snapshot_statistics(const tm_snapshot_t *s, tm_key_t key,
                                        bool cumulative)
{
    bool known =
        key == TM_KEY_FILENAME || key == TM_KEY_LINENO || key == TM_KEY_TRACEBACK;
    if (!known || (cumulative && key == TM_KEY_TRACEBACK)) {
        errno = EINVAL;
        return NULL;
    }
    struct work w = {.home = tmi_snapshot_create(s->about.traceback_limit)};
    tm_statistics_t *st = NULL;
    int err = -ENOMEM;
    if (w.home != NULL) {
        st = tmi_arena_alloc(&w.home->arena, sizeof *st);
        err = st == NULL ? -ENOMEM : group_and_settle(&w, s, key, cumulative);
    }
    tmi_arena_release(&w.arena);
    if (err != 0) {
        tm_snapshot_free(w.home);
        errno = -err;
        return NULL;
    }
    st->home = w.home;
    return st;
}

size_t tm_statistics_count(const tm_statistics_t *st)
{
    return st->home->live_count;
}

int tm_statistics_get(const tm_statistics_t *st, size_t i, tm_statistic_t *out)
{
    tm_trace_t trace;
    int err = tm_snapshot_trace(st->home, i, &trace);
    if (err == 0) {
        *out = (tm_statistic_t){
            .traceback = trace.traceback, .size = trace.size, .count = trace.count};
    }
    return err;
}

void tm_statistics_free(tm_statistics_t *st)
{
    if (st != NULL) {
        tm_snapshot_free(st->home);
    }
}

int tm_statistic_format(const tm_statistic_t *stat, char *text, size_t len)
{
    const struct tm_traceback *tb = stat->traceback;
    int err = tmi_snapshot_resolve(tb->home);
    if (err != 0) {
        return err;
    }
    uint32_t oldest = tb->home->frames[tb->first_frame + tb->nframes - 1];
    tm_frame_t frame;
    tmi_frame_get(tb->home, oldest, tmi_frame_count(&tb->home->locations[oldest]) - 1,
                  &frame);
    struct tmi_text out = {.out = text, .room = len};
    tmi_text_add_string(&out, frame.filename);
    tmi_text_add_string(&out, ":");
    tmi_text_add_number(&out, frame.lineno);
    tmi_text_add_string(&out, ": size=");
    tmi_text_add_size(&out, (double)stat->size, false);
    tmi_text_add_string(&out, ", count=");
    tmi_text_add_number(&out, stat->count);
    if (stat->count != 0) {
        long double average = (long double)stat->size / (long double)stat->count;
        tmi_text_add_string(&out, ", average=");
        tmi_text_add_size(&out, (double)average, false);
    }
    return tmi_text_end(&out);
}
