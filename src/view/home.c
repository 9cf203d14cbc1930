/* SPDX-License-Identifier: MIT */
/*
 * A frame is copied when the first group needs it; `locations` and `modules` remember by
 * slot what the home calls them, plus one, so that 0 means not yet.
 *
 * What tracemalloc has no notion of: a group's frame keeps function, module and address
 * as far as all locations of that key in the snapshot agree; frames of a whole traceback
 * keep those of one of the group's stacks; the one frame of a domain is its name.
 */
#include "view/home.h"

#include <errno.h>
#include <string.h>

#include "view/frame.h"
#include "view/map.h"
#include "view/text.h"

struct work {
    const struct tmi_groups *groups;
    struct tmi_arena arena;
    struct tm_snapshot *home;
    uint32_t *locations;                    /* by key, or by logical frame */
    uint32_t *modules[TMI_SIDES_MOST];      /* by module */
    struct tmi_map domains[TMI_SIDES_MOST]; /* index of its name */
    uint32_t *frames;                       /* of one group's traceback */
    size_t frame_room;                      /* in bytes */
};

/* The module of home that stands for one of a snapshot, or -ENOMEM. */
static int64_t home_module(struct work *w, uint32_t side, uint32_t module)
{
    if (module == TMI_NO_MODULE) {
        return TMI_NO_MODULE;
    }
    uint32_t *slot = &w->modules[side][module];
    if (*slot == 0) {
        int64_t copy =
            tmi_snapshot_add_module(w->home, &w->groups->from[side]->modules[module]);
        if (copy < 0) {
            return copy;
        }
        *slot = (uint32_t)copy + 1;
    }
    return *slot - 1;
}

/* A new location of home, or -ENOMEM. */
static int64_t make_location(struct work *w, const struct tmi_key *key)
{
    int64_t module = home_module(w, key->side, key->module);
    if (module < 0) {
        return module;
    }
    int64_t location = tmi_snapshot_add_location(w->home, key->address, (uint32_t)module);
    if (location < 0) {
        return location;
    }
    struct tmi_line line = {key->filename, key->function, key->lineno};
    int err = tmi_snapshot_set_lines(w->home, (uint32_t)location, &line, 1);
    return err != 0 ? err : location;
}

/* ---- a whole traceback ------------------------------------------------------------- */

/* The location of home for the k-th logical frame of a location, or -ENOMEM. */
static int64_t home_frame(struct work *w, uint32_t side, uint32_t location, uint32_t k)
{
    uint32_t *slot = &w->locations[w->groups->keys.first[side][location] + k];
    if (*slot == 0) {
        const struct tm_snapshot *s = w->groups->from[side];
        tm_frame_t frame;
        tmi_frame_get(s, location, k, &frame);
        struct tmi_key key = {.filename = frame.filename,
                              .function = frame.function,
                              .lineno = frame.lineno,
                              .module = s->locations[location].module,
                              .side = (enum tmi_side)side,
                              .address = frame.address};
        int64_t copy = make_location(w, &key);
        if (copy < 0) {
            return copy;
        }
        *slot = (uint32_t)copy + 1;
    }
    return *slot - 1;
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

/* Makes w->frames hold the newest-first locations of a traceback; their number. */
static int64_t copy_traceback(struct work *w, uint32_t side,
                              const struct tm_traceback *tb)
{
    const uint32_t *frames = w->groups->from[side]->frames + tb->first_frame;
    size_t n = 0;
    for (uint32_t i = 0; i < tb->nframes; i++) {
        uint32_t inlined;
        tmi_keys_at(&w->groups->keys, side, frames[i], &inlined);
        if (make_room(w, n + inlined) != 0) {
            return -ENOMEM;
        }
        for (uint32_t k = 0; k < inlined; k++) {
            int64_t location = home_frame(w, side, frames[i], k);
            if (location < 0) {
                return location;
            }
            w->frames[n++] = (uint32_t)location;
        }
    }
    return n <= UINT32_MAX ? (int64_t)n : -ENOMEM;
}

/* ---- one frame --------------------------------------------------------------------- */

/* The name that one of the snapshots has for a domain; NULL when none has. */
static const char *registered_name(const struct work *w, tm_domain_t domain)
{
    for (uint32_t side = 0; side < w->groups->sides; side++) {
        const struct tmi_domain_name *names = w->groups->from[side]->domains;
        int64_t i = tmi_map_get(&w->domains[side], domain);
        if (i >= 0 && names[i].name[0] != '\0') {
            return names[i].name;
        }
    }
    return NULL;
}

static int number_domains(struct work *w, uint32_t side)
{
    const struct tm_snapshot *s = w->groups->from[side];
    tmi_map_init(&w->domains[side], &w->arena);
    for (uint32_t i = 0; i < s->domain_count; i++) {
        if (tmi_map_put(&w->domains[side], s->domains[i].domain, i) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int64_t domain_location(struct work *w, tm_domain_t domain)
{
    char number[32];
    struct tmi_text text = {.out = number, .room = sizeof number};
    tmi_text_add_string(&text, "domain ");
    tmi_text_add_number(&text, domain);
    tmi_text_end(&text);
    const char *name = registered_name(w, domain);
    struct tmi_key key = {.filename = name != NULL ? name : number,
                          .function = "",
                          .module = TMI_NO_MODULE};
    return make_location(w, &key);
}

/* ---- all --------------------------------------------------------------------------- */

/* Makes w->frames hold the locations of a group, and tells their number. */
static int64_t copy_frames(struct work *w, const struct tmi_group *group)
{
    const struct tmi_groups *g = w->groups;
    if (g->by == TM_KEY_TRACEBACK) {
        return copy_traceback(w, group->side,
                              &g->from[group->side]->traces[group->id].traceback);
    }
    int64_t location = g->by == TM_KEY_DOMAIN
                           ? domain_location(w, group->id)
                           : make_location(w, &g->keys.keys[group->id]);
    if (location < 0 || make_room(w, 1) != 0) {
        return -ENOMEM;
    }
    w->frames[0] = (uint32_t)location;
    return 1;
}

static int add_group(struct work *w, const struct tmi_group *group, bool without_sums)
{
    uint64_t values[TMI_VALUE_COUNT] = {0};
    if (!without_sums) {
        values[TMI_INUSE_BLOCKS] = group->count[TMI_NOW];
        values[TMI_INUSE_BYTES] = group->size[TMI_NOW];
    }
    int64_t n = copy_frames(w, group);
    tm_domain_t domain = w->groups->by == TM_KEY_DOMAIN ? group->id : 0;
    return n < 0 ? (int)n
                 : tmi_snapshot_add_trace(w->home, domain, values, w->frames, (uint32_t)n,
                                          0);
}

static int make_slots(struct work *w)
{
    const struct tmi_groups *g = w->groups;
    size_t slots = g->by == TM_KEY_TRACEBACK ? g->keys.frames : 0;
    w->locations = tmi_arena_alloc(&w->arena, slots * sizeof *w->locations);
    int err = w->locations == NULL ? -ENOMEM : 0;
    for (uint32_t side = 0; side < g->sides && err == 0; side++) {
        w->modules[side] = tmi_arena_alloc(&w->arena, g->from[side]->module_count *
                                                          sizeof *w->modules[side]);
        err = w->modules[side] == NULL ? -ENOMEM : number_domains(w, side);
    }
    return err;
}

int tmi_home_build(const struct tmi_groups *g, bool without_sums,
                   struct tm_snapshot **home)
{
    *home = tmi_snapshot_create(g->from[TMI_NOW]->about.traceback_limit);
    if (*home == NULL) {
        return -ENOMEM;
    }
    (*home)->empty_is_name = true;
    (*home)->grouped_by = g->by;
    struct work w = {.groups = g, .home = *home};
    int err = make_slots(&w);
    for (uint32_t i = 0; i < g->count && err == 0; i++) {
        err = add_group(&w, &g->all[g->order[i]], without_sums);
    }
    tmi_snapshot_finish(*home);
    tmi_snapshot_release_symbols(*home, true);
    tmi_arena_release(&w.arena);
    return err;
}
