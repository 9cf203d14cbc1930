/* SPDX-License-Identifier: MIT */
/*
 * Each filter is a condition and a sign. Its condition is settled in three rounds, so
 * that however many traces there are, a pattern is matched once a file name:
 *
 *     file names   those that match the pattern, each name once
 *     keys         file and line as a number (view/key.h): those that match both
 *     traces       those of which the newest frame, or some frame, has such a key, and
 *                  that are of the right domain
 *
 * Kept are the traces for which one inclusive condition holds, if any filter is
 * inclusive, and no exclusive one. Signs are all that two filters have to do with each
 * other; a condition on the domain alone is one of the same kind, and may be the one that
 * lets a trace through. Traces that have no live blocks any more are filtered as well.
 */
#include <errno.h>

#include "view/key.h"
#include "view/match.h"
#include "view/snapshot.h"
#include "view/subset.h"

struct work {
    const struct tm_snapshot *s;
    struct tmi_arena arena;
    struct tmi_keys keys; /* by line; not there when no filter asks for frames */
    bool *holds;          /* by key: the condition in work does */
    bool *included;       /* by trace: an inclusive condition held */
    bool *excluded;       /* by trace: an exclusive one did */
};

/* True when the condition is not one on the domain alone. */
static bool asks_for_frames(const tm_filter_t *filter)
{
    return filter->filename_pattern != NULL || filter->has_lineno;
}

static bool name_holds(const tm_filter_t *filter, const char *name)
{
    return filter->filename_pattern == NULL ||
           tmi_match_name(filter->filename_pattern, name);
}

/* Keys are in the order of their names: a new name is one that was not seen before. */
static void settle_keys(struct work *w, const tm_filter_t *filter)
{
    const char *name = NULL;
    bool matches = false;
    for (uint32_t id = 0; id < w->keys.count; id++) {
        const struct tmi_key *key = &w->keys.keys[id];
        if (key->filename != name) {
            name = key->filename;
            matches = name_holds(filter, name);
        }
        w->holds[id] = matches && (!filter->has_lineno || key->lineno == filter->lineno);
    }
}

static bool frames_hold(const struct work *w, const tm_filter_t *filter,
                        const struct tm_traceback *tb)
{
    const uint32_t *frames = w->s->frames + tb->first_frame;
    uint32_t looked_at = filter->all_frames ? tb->nframes : 1;
    for (uint32_t i = 0; i < looked_at; i++) {
        uint32_t inlined;
        const uint32_t *ids = tmi_keys_at(&w->keys, TMI_NOW, frames[i], &inlined);
        inlined = filter->all_frames ? inlined : 1;
        for (uint32_t k = 0; k < inlined; k++) {
            if (w->holds[ids[k]]) {
                return true;
            }
        }
    }
    return false;
}

static void settle_traces(struct work *w, const tm_filter_t *filter)
{
    bool *settled = filter->inclusive ? w->included : w->excluded;
    bool frames = asks_for_frames(filter);
    for (size_t i = 0; i < w->s->trace_count; i++) {
        const struct tmi_trace *trace = &w->s->traces[i];
        if (!settled[i] && (!filter->has_domain || filter->domain == trace->domain)) {
            settled[i] = !frames || frames_hold(w, filter, &trace->traceback);
        }
    }
}

static int prepare(struct work *w, const tm_filter_t *filters, size_t n)
{
    bool frames = false;
    for (size_t i = 0; i < n; i++) {
        frames = frames || asks_for_frames(&filters[i]);
    }
    int err = frames ? tmi_snapshot_resolve(w->s) : 0;
    if (err == 0 && frames) {
        err = tmi_keys_build(&w->keys, &w->s, 1, TM_KEY_LINENO, &w->arena);
    }
    if (err != 0) {
        return err;
    }
    w->holds = tmi_arena_alloc(&w->arena, w->keys.count * sizeof *w->holds);
    w->included = tmi_arena_alloc(&w->arena, w->s->trace_count * sizeof *w->included);
    w->excluded = tmi_arena_alloc(&w->arena, w->s->trace_count * sizeof *w->excluded);
    return w->holds == NULL || w->included == NULL || w->excluded == NULL ? -ENOMEM : 0;
}

/* Leaves in `included` the traces to keep. */
static void settle(struct work *w, const tm_filter_t *filters, size_t n)
{
    bool any_inclusive = false;
    for (size_t i = 0; i < n; i++) {
        any_inclusive = any_inclusive || filters[i].inclusive;
        if (asks_for_frames(&filters[i])) {
            settle_keys(w, &filters[i]);
        }
        settle_traces(w, &filters[i]);
    }
    for (size_t i = 0; i < w->s->trace_count; i++) {
        w->included[i] = (w->included[i] || !any_inclusive) && !w->excluded[i];
    }
}

tm_snapshot_t *tm_snapshot_filter_traces(const tm_snapshot_t *s,
                                         const tm_filter_t *filters, size_t n)
{
    if (n > 0 && filters == NULL) {
        errno = EINVAL;
        return NULL;
    }
    struct work w = {.s = s};
    struct tm_snapshot *filtered = NULL;
    int err = prepare(&w, filters, n);
    if (err == 0) {
        settle(&w, filters, n);
        filtered = tmi_subset_copy(s, w.included);
        err = filtered == NULL ? -ENOMEM : 0;
    }
    tmi_arena_release(&w.arena);
    if (err != 0) {
        errno = -err;
    }
    return filtered;
}
