/* SPDX-License-Identifier: MIT */
/*
 * Copies trace by trace; what a trace points to is copied when the first one needs it.
 * `locations` and `modules` remember by index what the copy calls them, plus one, so that
 * 0 means not yet.
 *
 * Locking: symbols of the original are kept still meanwhile, so that each location is
 * copied with all of its lines or none.
 */
#include "view/subset.h"

#include <errno.h>
#include <string.h>

struct copy {
    const struct tm_snapshot *from;
    struct tm_snapshot *to;
    struct tmi_arena arena;
    uint32_t *locations;
    uint32_t *modules;
    uint32_t *frames; /* of one trace; as many as the longest has */
};

static int64_t copy_module(struct copy *c, uint32_t module)
{
    if (module == TMI_NO_MODULE) {
        return TMI_NO_MODULE;
    }
    if (c->modules[module] == 0) {
        int64_t copied = tmi_snapshot_add_module(c->to, &c->from->modules[module]);
        if (copied < 0) {
            return copied;
        }
        c->modules[module] = (uint32_t)copied + 1;
    }
    return c->modules[module] - 1;
}

static int64_t copy_location(struct copy *c, uint32_t location)
{
    if (c->locations[location] == 0) {
        const struct tmi_location *l = &c->from->locations[location];
        int64_t module = copy_module(c, l->module);
        if (module < 0) {
            return module;
        }
        int64_t copied = tmi_snapshot_add_location(c->to, l->address, (uint32_t)module);
        const struct tmi_line *lines =
            l->nlines == 0 ? NULL : &c->from->lines[l->first_line];
        if (copied < 0 ||
            tmi_snapshot_set_lines(c->to, (uint32_t)copied, lines, l->nlines) != 0) {
            return -ENOMEM;
        }
        c->locations[location] = (uint32_t)copied + 1;
    }
    return c->locations[location] - 1;
}

static int copy_trace(struct copy *c, const struct tmi_trace *trace)
{
    const struct tm_traceback *tb = &trace->traceback;
    const uint32_t *frames = c->from->frames + tb->first_frame;
    for (uint32_t i = 0; i < tb->nframes; i++) {
        int64_t location = copy_location(c, frames[i]);
        if (location < 0) {
            return (int)location;
        }
        c->frames[i] = (uint32_t)location;
    }
    return tmi_snapshot_add_trace(c->to, trace->domain, trace->values, c->frames,
                                  tb->nframes, tb->total_nframe);
}

static int copy_about(struct copy *c)
{
    const struct tmi_snapshot_about *from = &c->from->about;
    struct tmi_snapshot_about *to = &c->to->about;
    *to = *from;
    to->kind = tmi_snapshot_text(c->to, from->kind, strlen(from->kind));
    to->command = tmi_snapshot_text(c->to, from->command, strlen(from->command));
    int err = to->kind == NULL || to->command == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; i < c->from->domain_count && err == 0; i++) {
        err = tmi_snapshot_add_domain(c->to, c->from->domains[i].domain,
                                      c->from->domains[i].name);
    }
    c->to->empty_is_name = c->from->empty_is_name;
    return err;
}

static int make_slots(struct copy *c)
{
    const struct tm_snapshot *s = c->from;
    uint32_t longest = 0;
    for (size_t i = 0; i < s->trace_count; i++) {
        uint32_t nframes = s->traces[i].traceback.nframes;
        longest = nframes > longest ? nframes : longest;
    }
    c->locations = tmi_arena_alloc(&c->arena, s->location_count * sizeof *c->locations);
    c->modules = tmi_arena_alloc(&c->arena, s->module_count * sizeof *c->modules);
    c->frames = tmi_arena_alloc(&c->arena, longest * sizeof *c->frames);
    return c->locations == NULL || c->modules == NULL || c->frames == NULL ? -ENOMEM : 0;
}

static int copy_traces(struct copy *c, const bool *keep)
{
    int err = make_slots(c);
    bool held = tmi_snapshot_hold_symbols(c->from);
    for (size_t i = 0; i < c->from->trace_count && err == 0; i++) {
        err = keep[i] ? copy_trace(c, &c->from->traces[i]) : 0;
    }
    if (held) {
        tmi_snapshot_release_symbols(c->from, false);
    } else {
        tmi_snapshot_release_symbols(c->to, true);
    }
    tmi_snapshot_finish(c->to);
    return err;
}

struct tm_snapshot *tmi_subset_copy(const struct tm_snapshot *s, const bool *keep)
{
    struct copy c = {.from = s, .to = tmi_snapshot_create(s->about.traceback_limit)};
    if (c.to == NULL) {
        return NULL;
    }
    int err = copy_about(&c);
    if (err == 0) {
        err = copy_traces(&c, keep);
    }
    tmi_arena_release(&c.arena);
    if (err != 0) {
        tm_snapshot_free(c.to);
        return NULL;
    }
    return c.to;
}
