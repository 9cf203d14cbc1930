/* SPDX-License-Identifier: MIT */
/*
 * One pass over the traces with the keys of view/key.h:
 *
 *     trace, newest frame first    malloc_it  parse  parse  main
 *                                  flat, cum  cum    -      cum
 *
 * A key that stands twice in a stack, as in a recursion, is credited once: `last` has by
 * key the number of the trace that had it last.
 */
#include "cli/profile.h"

#include <errno.h>

#include "base/bits.h"
#include "view/order.h"

static void add_values(uint64_t sum[TMI_VALUE_COUNT], const struct tmi_trace *trace)
{
    for (int v = 0; v < TMI_VALUE_COUNT; v++) {
        tmi_add_up(&sum[v], trace->values[v]);
    }
}

static void add_trace(struct tmi_profile *profile, const struct tmi_trace *trace,
                      size_t *last, size_t number)
{
    const struct tm_traceback *tb = &trace->traceback;
    const uint32_t *frame = tb->home->frames + tb->first_frame;
    uint32_t inlined;
    add_values(profile->total, trace);
    add_values(
        profile->rows[*tmi_keys_at(&profile->keys, TMI_NOW, *frame, &inlined)].flat,
        trace);
    for (uint32_t i = 0; i < tb->nframes; i++) {
        const uint32_t *ids = tmi_keys_at(&profile->keys, TMI_NOW, frame[i], &inlined);
        for (uint32_t k = 0; k < inlined; k++) {
            if (last[ids[k]] != number) {
                last[ids[k]] = number;
                add_values(profile->rows[ids[k]].cum, trace);
            }
        }
    }
}

static void drop_empty(struct tmi_profile *profile)
{
    for (uint32_t id = 0; id < profile->keys.count; id++) {
        struct tmi_profile_row row = profile->rows[id];
        uint64_t any = 0;
        for (int v = 0; v < TMI_VALUE_COUNT; v++) {
            any |= row.cum[v];
        }
        if (any != 0) {
            row.key = &profile->keys.keys[id];
            profile->rows[profile->count++] = row;
        }
    }
}

int tmi_profile_make(struct tmi_profile *profile, const struct tm_snapshot *s,
                     tm_key_t by)
{
    *profile = (struct tmi_profile){0};
    int err = tmi_snapshot_resolve(s);
    if (err == 0) {
        err = tmi_keys_build(&profile->keys, &s, 1, by, &profile->arena);
    }
    if (err != 0) {
        return err;
    }
    size_t keys = profile->keys.count;
    profile->rows = tmi_arena_alloc(&profile->arena, keys * sizeof *profile->rows);
    size_t *last = tmi_arena_alloc(&profile->arena, keys * sizeof *last);
    if (profile->rows == NULL || last == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < s->trace_count; i++) {
        add_trace(profile, &s->traces[i], last, i + 1);
    }
    drop_empty(profile);
    return 0;
}

void tmi_profile_release(struct tmi_profile *profile)
{
    tmi_arena_release(&profile->arena);
}

/* ---- order --------------------------------------------------------------------------
 */

struct order {
    const struct tmi_profile_row *rows;
    enum tmi_value value;
    bool by_cum;
};

static int descending(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int compare_rows(const void *context, uint32_t x, uint32_t y)
{
    const struct order *by = context;
    const struct tmi_profile_row *a = &by->rows[x];
    const struct tmi_profile_row *b = &by->rows[y];
    int flat = descending(a->flat[by->value], b->flat[by->value]);
    int cum = descending(a->cum[by->value], b->cum[by->value]);
    if (by->by_cum) {
        return cum != 0 ? cum : flat;
    }
    return flat != 0 ? flat : cum;
}

int tmi_profile_sort(struct tmi_profile *profile, enum tmi_value value, bool by_cum)
{
    uint32_t n = profile->count;
    uint32_t *order = tmi_arena_alloc(&profile->arena, n * sizeof *order);
    uint32_t *scratch = tmi_arena_alloc(&profile->arena, n * sizeof *scratch);
    struct tmi_profile_row *sorted = tmi_arena_alloc(&profile->arena, n * sizeof *sorted);
    if (order == NULL || scratch == NULL || sorted == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    const struct order by = {profile->rows, value, by_cum};
    tmi_order_sort(order, scratch, n, compare_rows, &by);
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = profile->rows[order[i]];
    }
    profile->rows = sorted;
    return 0;
}
