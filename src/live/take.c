/* SPDX-License-Identifier: MIT */
/*
 * See live/take.h. The counts are those at a cut (trace/cut.h), read beside the threads
 * that go on; only a clear, and another snapshot, have to wait. Modules and locations of
 * the call tree become those of the snapshot when the first frame that needs them is
 * copied:
 *
 *     module_of[tree's module]       snapshot's module + 1, 0: not copied yet
 *     location_of[tree's location]   snapshot's location + 1
 *     depth_of[node]                 frames down to that node, 0: not known yet
 *     place_of[node]                 where the snapshot's frames have its whole stack + 1
 *     domain_told[slot]              the snapshot has the domain's name
 *
 * So each node is looked at once, however many stacks it is part of, as long as they are
 * not cut off at the limit.
 *
 * These maps live in the snapshot's own arena for the time of the copy.
 */
#include "live/take.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/lock.h"
#include "base/sys.h"
#include "trace/account.h"
#include "trace/capture.h"
#include "trace/domain.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/peak.h"
#include "trace/read.h"
#include "trace/tracer.h"
#include "trace/tree.h"

#define SITES_AT_ONCE 64

struct copy {
    struct tm_snapshot *s;
    struct tmi_arena maps;
    uint32_t *module_of;
    uint32_t *location_of;
    uint32_t *depth_of;
    uint32_t *place_of;
    uint32_t *frames; /* of the stack that is copied, the newest first */
    uint32_t *path;   /* and its nodes, as far as they are looked at */
    uint32_t nframe;
    bool *domain_told; /* by slot: the snapshot has its name */
    uint32_t domains;  /* length of domain_told */
};

static bool begin_copy(struct copy *copy, struct tm_snapshot *s, uint32_t nframe,
                       uint32_t nodes)
{
    *copy = (struct copy){.s = s, .nframe = nframe};
    uint32_t kept = nframe < TMI_TREE_DEPTH_MOST ? nframe : TMI_TREE_DEPTH_MOST;
    size_t id = sizeof(uint32_t);
    copy->module_of = tmi_arena_alloc(&copy->maps, id * ((size_t)UINT16_MAX + 1));
    copy->location_of =
        tmi_arena_alloc(&copy->maps, id * ((size_t)tmi_tree_location_count() + 1));
    copy->depth_of = tmi_arena_alloc(&copy->maps, id * ((size_t)nodes + 1));
    copy->place_of = tmi_arena_alloc(&copy->maps, id * ((size_t)nodes + 1));
    copy->frames = tmi_arena_alloc(&copy->maps, id * kept);
    copy->path = tmi_arena_alloc(&copy->maps, id * kept);
    copy->domains = tmi_domain_last() + 1;
    copy->domain_told = tmi_arena_alloc(&copy->maps, copy->domains * sizeof(bool));
    return copy->module_of != NULL && copy->location_of != NULL &&
           copy->depth_of != NULL && copy->place_of != NULL && copy->frames != NULL &&
           copy->path != NULL && copy->domain_told != NULL;
}

/* The snapshot's module for the tree's; TMI_NO_MODULE for none; < 0: no memory. */
static int64_t copy_module(struct copy *copy, uint32_t module)
{
    if (module == 0) {
        return TMI_NO_MODULE;
    }
    if (copy->module_of[module] == 0) {
        const struct tmi_module_record *r = tmi_module_get(module);
        struct tmi_module m = {
            .name = r->path,
            .build_id = r->build_id_bytes == 0 ? NULL : r->build_id,
            .build_id_bytes = r->build_id_bytes,
            .start = r->start,
            .limit = r->limit,
            .offset = r->offset,
        };
        int64_t index = tmi_snapshot_add_module(copy->s, &m);
        if (index < 0) {
            return index;
        }
        copy->module_of[module] = (uint32_t)index + 1;
    }
    return copy->module_of[module] - 1;
}

static int64_t copy_location(struct copy *copy, uint32_t location)
{
    if (copy->location_of[location] == 0) {
        int64_t module = copy_module(copy, tmi_location_module(location));
        if (module < 0) {
            return module;
        }
        int64_t index = tmi_snapshot_add_location(copy->s, tmi_location_address(location),
                                                  (uint32_t)module);
        if (index < 0) {
            return index;
        }
        copy->location_of[location] = (uint32_t)index + 1;
    }
    return copy->location_of[location] - 1;
}

/* The depth of a node: its parent has a lower id, so a chain is walked once in all. */
static uint32_t depth_of(struct copy *copy, uint32_t node)
{
    uint32_t unknown = 0;
    uint32_t at = node;
    while (at != 0 && copy->depth_of[at] == 0) {
        unknown++;
        at = tmi_tree_parent(at);
    }
    uint32_t depth = copy->depth_of[at] + unknown;
    for (uint32_t d = depth, n = node; n != at; n = tmi_tree_parent(n)) {
        copy->depth_of[n] = d--;
    }
    return depth;
}

/* Look at nodes from `at` outwards until one's stack is known; *n of them, or < 0. */
static int walk_out(struct copy *copy, uint32_t *at, uint32_t *n)
{
    uint32_t walked = 0;
    while (*at != 0 && copy->place_of[*at] == 0 && walked < copy->nframe) {
        struct tmi_node node = tmi_tree_node(*at);
        int64_t location = copy_location(copy, node.location);
        if (location < 0) {
            return (int)location;
        }
        copy->path[walked] = *at;
        copy->frames[walked++] = (uint32_t)location;
        *at = node.parent;
    }
    *n = walked;
    return 0;
}

/* The nodes that were walked have their whole stacks in the snapshot from now on. */
static void note_places(struct copy *copy, uint32_t walked, uint32_t depth)
{
    size_t first = copy->s->frame_count + 1;
    for (uint32_t i = 0; i < walked && first + i < UINT32_MAX; i++) {
        copy->place_of[copy->path[i]] = (uint32_t)(first + i);
        copy->depth_of[copy->path[i]] = depth - i;
    }
}

/* Of these the newest frame is one of which nothing is known; rare enough to be slow. */
static int copy_cut_stack(struct copy *copy, uint32_t node, uint32_t domain,
                          const uint64_t values[TMI_VALUE_COUNT])
{
    uint32_t n = 0;
    for (uint32_t at = node; at != 0 && n < copy->nframe; at = tmi_tree_parent(at)) {
        int64_t location = copy_location(copy, tmi_tree_location(at));
        if (location < 0) {
            return (int)location;
        }
        copy->frames[n++] = (uint32_t)location;
    }
    return tmi_snapshot_add_trace(copy->s, domain, values, copy->frames, n, 0);
}

static int copy_stack(struct copy *copy, uint32_t node, uint32_t domain,
                      const uint64_t values[TMI_VALUE_COUNT])
{
    if (node & TMI_TREE_CUT) {
        return copy_cut_stack(copy, node, domain, values);
    }
    uint32_t at = node;
    uint32_t walked = 0;
    int err = walk_out(copy, &at, &walked);
    if (err != 0) {
        return err;
    }
    uint32_t depth = walked + depth_of(copy, at);
    uint32_t n = depth < copy->nframe ? depth : copy->nframe;
    if (n > walked) {
        const uint32_t *rest = copy->s->frames + copy->place_of[at] - 1;
        memcpy(copy->frames + walked, rest, (n - walked) * sizeof *rest);
    }
    if (n == depth) {
        note_places(copy, walked, depth);
    }
    /* With one frame only the caller is looked at: how many there were is not known. */
    uint32_t total = copy->nframe == 1 ? 0 : depth;
    return tmi_snapshot_add_trace(copy->s, domain, values, copy->frames, n, total);
}

/* A domain that is newer than this copy stays without a name. */
static int copy_domain(struct copy *copy, uint32_t slot)
{
    const char *name = tmi_domain_name(slot);
    if (name == NULL || slot >= copy->domains || copy->domain_told[slot]) {
        return 0;
    }
    copy->domain_told[slot] = true;
    return tmi_snapshot_add_domain(copy->s, tmi_domain_number(slot), name);
}

static int copy_site(struct copy *copy, uint32_t id, const struct tmi_cell *sum)
{
    struct tmi_site site = tmi_tracer_site_of_id(id);
    if (sum->alloc_blocks == 0 || site.is_rest) {
        return 0;
    }
    /* A free that was seen and its allocation not: see trace/read.h. Not below zero. */
    uint64_t blocks = sum->alloc_blocks - sum->free_blocks;
    uint64_t bytes = sum->alloc_bytes - sum->free_bytes;
    bool odd = (int64_t)blocks < 0 || (int64_t)bytes < 0;
    uint64_t values[TMI_VALUE_COUNT] = {
        [TMI_INUSE_BLOCKS] = odd ? 0 : blocks,
        [TMI_INUSE_BYTES] = odd ? 0 : bytes,
        [TMI_ALLOC_BLOCKS] = sum->alloc_blocks,
        [TMI_ALLOC_BYTES] = sum->alloc_bytes,
        [TMI_TEMPORARY_BLOCKS] = sum->temporary_blocks,
    };
    for (int i = 0; tmi_sample_period != 0 && i < TMI_VALUE_COUNT; i++) {
        values[i] = tmi_sample_whole(values[i]);
    }
    copy->s->about.current += values[TMI_INUSE_BYTES];
    int err = copy_domain(copy, site.domain);
    return err != 0 ? err
                    : copy_stack(copy, site.node, tmi_domain_number(site.domain), values);
}

/* Sites are read a few at a time: their sums stay in the cache. */
static int copy_sites(struct tm_snapshot *s, uint32_t nframe, enum tmi_cut cut)
{
    struct copy copy;
    uint32_t last = tmi_tracer_site_count();
    uint32_t first = tmi_stamp_first(tmi_tracer.stamp);
    int err = begin_copy(&copy, s, nframe, tmi_tree_node_count()) ? 0 : -ENOMEM;
    while (first <= last && err == 0) {
        struct tmi_cell sums[SITES_AT_ONCE] = {{0}};
        uint32_t n = last - first + 1 < SITES_AT_ONCE ? last - first + 1 : SITES_AT_ONCE;
        err = tmi_read_sites(cut, first, sums, n) ? 0 : -ENOMEM;
        for (uint32_t i = 0; i < n && err == 0; i++) {
            err = copy_site(&copy, first + i, &sums[i]);
        }
        first += n;
    }
    tmi_arena_release(&copy.maps);
    return err;
}

static void describe(struct tm_snapshot *s, const char *kind, int64_t peak)
{
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    s->about.kind = kind;
    s->about.pid = tmi_sys_getpid();
    s->about.peak = (uint64_t)peak;
    s->about.overhead = tmi_memory_bytes();
    struct tmi_capture_counts counts = tmi_capture_counts();
    s->about.by_libgcc = counts.by_libgcc;
    s->about.guessed = counts.guessed;
    s->about.period = (uint64_t)tmi_sample_period;
    s->about.time_nanos = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    char command[1024];
    size_t n = tmi_sys_command_line(command, sizeof command);
    const char *text = tmi_snapshot_text(s, command, n);
    s->about.command = text == NULL ? "" : text;
}

static struct tm_snapshot *done(struct tm_snapshot *s, int err)
{
    if (err != 0) {
        tm_snapshot_free(s);
        errno = -err;
        return NULL;
    }
    tmi_snapshot_finish(s);
    return s;
}

/* The cut to read: the peak's, or one made now, which is the peak's if nothing was more.
 */
static enum tmi_cut begin_cut(bool of_peak, int64_t current)
{
    enum tmi_cut cut = TMI_CUT_NOW;
    if (!of_peak || !tmi_peak_hold(current, &cut)) {
        tmi_lock(TMI_LOCK_CUTS);
        tmi_cut_make_locked(TMI_CUT_NOW);
        tmi_unlock(TMI_LOCK_CUTS);
    }
    return cut;
}

static void end_cut(enum tmi_cut cut)
{
    if (cut == TMI_CUT_NOW) {
        tmi_lock(TMI_LOCK_CUTS);
        tmi_cut_end_locked(TMI_CUT_NOW);
        tmi_unlock(TMI_LOCK_CUTS);
    } else {
        tmi_peak_let_go();
    }
}

static int take_locked(struct tm_snapshot *s, bool of_peak, int nframe)
{
    int64_t current;
    int64_t peak;
    tmi_account_memory(&current, &peak);
    describe(s, of_peak ? "peak" : "live", peak);
    enum tmi_cut cut = begin_cut(of_peak, current);
    tmi_read_settle(cut);
    int err = copy_sites(s, (uint32_t)nframe, cut);
    end_cut(cut);
    if (tmi_sample_period != 0) { /* what was added up is an estimate */
        s->about.current = (uint64_t)(of_peak ? peak : current);
    }
    if (s->about.peak < s->about.current) {
        s->about.peak = s->about.current; /* what others have not flushed */
    }
    return err;
}

struct tm_snapshot *tmi_take_all(bool of_peak)
{
    tmi_lock(TMI_LOCK_TRACER);
    int nframe = tmi_tracer.mode;
    struct tm_snapshot *s = NULL;
    int err = -ENODATA;
    if (nframe > TMI_MODE_OFF) {
        s = tmi_snapshot_create(nframe);
        err = s == NULL ? -ENOMEM : take_locked(s, of_peak, nframe);
    }
    tmi_unlock(TMI_LOCK_TRACER);
    return done(s, err);
}

struct tm_snapshot *tmi_take_stack(uint32_t node, uint32_t nframe)
{
    struct tm_snapshot *s = tmi_snapshot_create((int)nframe);
    int err = -ENOMEM;
    if (s != NULL) {
        struct copy copy;
        const uint64_t values[TMI_VALUE_COUNT] = {[TMI_INUSE_BLOCKS] = 1};
        err = begin_copy(&copy, s, nframe, tmi_tree_node_count())
                  ? copy_stack(&copy, node, 0, values)
                  : -ENOMEM;
        tmi_arena_release(&copy.maps);
    }
    return done(s, err);
}
