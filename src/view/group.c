/* SPDX-License-Identifier: MIT */
/*
 * Grouping as tracemalloc does it:
 *
 *     keys      every logical frame as a small ordered number (view/key.h)
 *     groups    by file, line, function or module: an array indexed by key
 *               by traceback: a hash table of sequences of keys
 *               by domain: in order of appearance
 *     order     by sums or by their changes, ties by what is grouped by
 *
 * Domains are not part of the other keys and total_nframe is of none. With `cumulative` a
 * trace counts once for every frame of it: for file and line also if that stands in it
 * twice, as in tracemalloc; for function and module not, as in pprof. Sums that do not
 * fit stay at the largest number; a recursion can multiply a size by its depth.
 *
 * Two snapshots that are compared share the keys, and each group has two sums. Memory is
 * that of the keys, plus 40 bytes a group.
 */
#include "view/group.h"

#include <errno.h>

#include "base/bits.h"
#include "base/hash.h"
#include "view/map.h"
#include "view/order.h"

static void add_trace(struct tmi_group *group, uint32_t side,
                      const struct tmi_trace *trace)
{
    tmi_add_up(&group->size[side], trace->values[TMI_INUSE_BYTES]);
    tmi_add_up(&group->count[side], trace->values[TMI_INUSE_BLOCKS]);
}

/* The live traces of both sides. */
static size_t count_traces(const struct tmi_groups *g)
{
    size_t count = 0;
    for (uint32_t side = 0; side < g->sides; side++) {
        count += g->from[side]->live_count;
    }
    return count;
}

/* ---- by key ------------------------------------------------------------------------ */

static void sum_newest_frame(struct tmi_groups *g, uint32_t side,
                             const struct tmi_trace *trace)
{
    uint32_t newest = g->from[side]->frames[trace->traceback.first_frame];
    uint32_t inlined;
    add_trace(&g->all[*tmi_keys_at(&g->keys, side, newest, &inlined)], side, trace);
}

static void sum_every_frame(struct tmi_groups *g, uint32_t side,
                            const struct tmi_trace *trace)
{
    const uint32_t *frame = g->from[side]->frames + trace->traceback.first_frame;
    for (uint32_t i = 0; i < trace->traceback.nframes; i++) {
        uint32_t inlined;
        const uint32_t *ids = tmi_keys_at(&g->keys, side, frame[i], &inlined);
        for (uint32_t k = 0; k < inlined; k++) {
            add_trace(&g->all[ids[k]], side, trace);
        }
    }
}

/* The same, each key once; `last` has by key the number of the trace that had it last. */
static void sum_every_key(struct tmi_groups *g, uint32_t side,
                          const struct tmi_trace *trace, size_t *last, size_t number)
{
    const uint32_t *frame = g->from[side]->frames + trace->traceback.first_frame;
    for (uint32_t i = 0; i < trace->traceback.nframes; i++) {
        uint32_t inlined;
        const uint32_t *ids = tmi_keys_at(&g->keys, side, frame[i], &inlined);
        for (uint32_t k = 0; k < inlined; k++) {
            if (last[ids[k]] != number) {
                last[ids[k]] = number;
                add_trace(&g->all[ids[k]], side, trace);
            }
        }
    }
}

/* Leaves the groups that some trace fell into, each with its key. */
static void drop_empty(struct tmi_groups *g)
{
    for (uint32_t id = 0; id < g->keys.count; id++) {
        struct tmi_group group = g->all[id];
        if ((group.size[TMI_NOW] | group.count[TMI_NOW] | group.size[TMI_BEFORE] |
             group.count[TMI_BEFORE]) != 0) {
            group.id = id;
            g->all[g->count++] = group;
        }
    }
}

static int group_by_key(struct tmi_groups *g, bool cumulative)
{
    bool once = g->by == TM_KEY_FUNCTION || g->by == TM_KEY_MODULE;
    g->all = tmi_arena_alloc(&g->arena, (size_t)g->keys.count * sizeof *g->all);
    size_t *last = tmi_arena_alloc(&g->arena, (size_t)g->keys.count * sizeof *last);
    if (g->all == NULL || last == NULL) {
        return -ENOMEM;
    }
    size_t number = 0;
    for (uint32_t side = 0; side < g->sides; side++) {
        const struct tm_snapshot *s = g->from[side];
        for (size_t i = 0; i < s->live_count; i++) {
            if (!cumulative) {
                sum_newest_frame(g, side, &s->traces[i]);
            } else if (!once) {
                sum_every_frame(g, side, &s->traces[i]);
            } else {
                sum_every_key(g, side, &s->traces[i], last, ++number);
            }
        }
    }
    drop_empty(g);
    return 0;
}

/* ---- by traceback ------------------------------------------------------------------ */

static const struct tm_traceback *traceback_of(const struct tmi_groups *g, uint32_t side,
                                               uint32_t trace)
{
    return &g->from[side]->traces[trace].traceback;
}

static uint64_t hash_frames(const struct tmi_groups *g, uint32_t side, uint32_t trace)
{
    uint64_t hash = 0;
    struct tmi_key_walk walk;
    tmi_key_walk_begin(&walk, &g->keys, side, traceback_of(g, side, trace), 0);
    for (uint32_t id; tmi_key_walk_next(&walk, &id);) {
        hash = (hash ^ id) * TMI_HASH_ODD1;
        hash ^= hash >> 29;
    }
    return tmi_hash_u64(hash);
}

/* How many of the oldest locations two tracebacks of one snapshot have in common. */
static uint32_t common_oldest(const struct tm_traceback *a, const struct tm_traceback *b)
{
    const uint32_t *end_a = a->home->frames + a->first_frame + a->nframes;
    const uint32_t *end_b = b->home->frames + b->first_frame + b->nframes;
    uint32_t most = a->nframes < b->nframes ? a->nframes : b->nframes;
    uint32_t n = 0;
    while (n < most && end_a[-1 - (int64_t)n] == end_b[-1 - (int64_t)n]) {
        n++;
    }
    return n;
}

/* As tracemalloc orders tracebacks: from the oldest frame on, the shorter one first. */
static int compare_frames(const struct tmi_groups *g, const struct tmi_group *a,
                          const struct tmi_group *b)
{
    const struct tm_traceback *tb_a = traceback_of(g, a->side, a->id);
    const struct tm_traceback *tb_b = traceback_of(g, b->side, b->id);
    uint32_t common = tb_a->home == tb_b->home ? common_oldest(tb_a, tb_b) : 0;
    struct tmi_key_walk walk_a;
    struct tmi_key_walk walk_b;
    tmi_key_walk_begin(&walk_a, &g->keys, a->side, tb_a, common);
    tmi_key_walk_begin(&walk_b, &g->keys, b->side, tb_b, common);
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

/*
 * The group of a trace, which is a new one if there was none of its traceback. A slot of
 * the table has the upper half of the hash, and the group's index plus one.
 */
static struct tmi_group *find_group(struct tmi_groups *g, uint64_t *table, size_t room,
                                    uint32_t side, uint32_t trace)
{
    struct tmi_group wanted = {.id = trace, .side = (enum tmi_side)side};
    uint64_t hash = hash_frames(g, side, trace);
    size_t at = hash & (room - 1);
    for (; table[at] != 0; at = (at + 1) & (room - 1)) {
        struct tmi_group *group = &g->all[(uint32_t)table[at] - 1];
        if (table[at] >> 32 == hash >> 32 && compare_frames(g, group, &wanted) == 0) {
            return group;
        }
    }
    g->all[g->count] = wanted;
    table[at] = hash >> 32 << 32 | ++g->count;
    return &g->all[g->count - 1];
}

static int group_by_traceback(struct tmi_groups *g)
{
    size_t most = count_traces(g);
    if (most > UINT32_MAX / 4) {
        return -ENOMEM;
    }
    size_t room = tmi_ceil_pow2(2 * most);
    uint64_t *table = tmi_arena_alloc(&g->arena, room * sizeof *table);
    g->all = tmi_arena_alloc(&g->arena, most * sizeof *g->all);
    if (table == NULL || g->all == NULL) {
        return -ENOMEM;
    }
    for (uint32_t side = 0; side < g->sides; side++) {
        const struct tm_snapshot *s = g->from[side];
        for (uint32_t i = 0; i < s->live_count; i++) {
            add_trace(find_group(g, table, room, side, i), side, &s->traces[i]);
        }
    }
    return 0;
}

/* ---- by domain --------------------------------------------------------------------- */

/* The groups' places by domain, in order of appearance. 0 or -ENOMEM. */
static int number_domains(struct tmi_groups *g, struct tmi_map *places)
{
    for (uint32_t side = 0; side < g->sides; side++) {
        const struct tm_snapshot *s = g->from[side];
        for (size_t i = 0; i < s->live_count; i++) {
            if (tmi_map_put(places, s->traces[i].domain, places->count) < 0) {
                return -ENOMEM;
            }
        }
    }
    return 0;
}

static int group_by_domain(struct tmi_groups *g)
{
    struct tmi_map places;
    tmi_map_init(&places, &g->arena);
    if (number_domains(g, &places) != 0) {
        return -ENOMEM;
    }
    g->count = places.count;
    g->all = tmi_arena_alloc(&g->arena, (size_t)g->count * sizeof *g->all);
    if (g->all == NULL) {
        return -ENOMEM;
    }
    for (uint32_t side = 0; side < g->sides; side++) {
        const struct tm_snapshot *s = g->from[side];
        for (size_t i = 0; i < s->live_count; i++) {
            struct tmi_group *group = &g->all[tmi_map_get(&places, s->traces[i].domain)];
            group->id = s->traces[i].domain;
            group->side = (enum tmi_side)side;
            add_trace(group, side, &s->traces[i]);
        }
    }
    return 0;
}

/* ---- order ------------------------------------------------------------------------- */

/* The greater one first. */
static int descending(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static uint64_t distance(const uint64_t sums[TMI_SIDES_MOST])
{
    uint64_t now = sums[TMI_NOW];
    uint64_t before = sums[TMI_BEFORE];
    return now > before ? now - before : before - now;
}

static int compare_groups(const void *context, uint32_t x, uint32_t y)
{
    const struct tmi_groups *g = context;
    const struct tmi_group *a = &g->all[x];
    const struct tmi_group *b = &g->all[y];
    bool changes = g->sides > 1;
    int order = changes ? descending(distance(a->size), distance(b->size)) : 0;
    if (order == 0) {
        order = descending(a->size[TMI_NOW], b->size[TMI_NOW]);
    }
    if (order == 0 && changes) {
        order = descending(distance(a->count), distance(b->count));
    }
    if (order == 0) {
        order = descending(a->count[TMI_NOW], b->count[TMI_NOW]);
    }
    if (order != 0) {
        return order;
    }
    return g->by == TM_KEY_TRACEBACK ? compare_frames(g, b, a) : descending(a->id, b->id);
}

static int sort_groups(struct tmi_groups *g)
{
    g->order = tmi_arena_alloc(&g->arena, g->count * sizeof *g->order);
    uint32_t *scratch = tmi_arena_alloc(&g->arena, g->count * sizeof *scratch);
    if (g->order == NULL || scratch == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < g->count; i++) {
        g->order[i] = i;
    }
    tmi_order_sort(g->order, scratch, g->count, compare_groups, g);
    return 0;
}

/* ---- all --------------------------------------------------------------------------- */

bool tmi_groups_possible(tm_key_t by, bool cumulative)
{
    switch (by) {
    case TM_KEY_FILENAME:
    case TM_KEY_LINENO:
    case TM_KEY_FUNCTION:
    case TM_KEY_MODULE:
        return true;
    case TM_KEY_TRACEBACK:
    case TM_KEY_DOMAIN:
        return !cumulative;
    }
    return false;
}

static int group(struct tmi_groups *g, bool cumulative)
{
    if (g->by == TM_KEY_DOMAIN) {
        return group_by_domain(g);
    }
    int err = 0;
    for (uint32_t side = 0; side < g->sides && err == 0; side++) {
        err = tmi_snapshot_resolve(g->from[side]);
    }
    if (err == 0) {
        err = tmi_keys_build(&g->keys, g->from, g->sides, g->by, &g->arena);
    }
    if (err != 0) {
        return err;
    }
    return g->by == TM_KEY_TRACEBACK ? group_by_traceback(g)
                                     : group_by_key(g, cumulative);
}

int tmi_groups_make(struct tmi_groups *g, const struct tm_snapshot *const *from,
                    uint32_t sides, tm_key_t by, bool cumulative)
{
    *g = (struct tmi_groups){.sides = sides, .by = by};
    for (uint32_t side = 0; side < sides; side++) {
        g->from[side] = from[side];
    }
    int err = group(g, cumulative);
    return err == 0 ? sort_groups(g) : err;
}

void tmi_groups_release(struct tmi_groups *g)
{
    tmi_arena_release(&g->arena);
}
