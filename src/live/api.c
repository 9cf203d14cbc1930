/* SPDX-License-Identifier: MIT */
/*
 * The functions of tmalloc.h that give objects: snapshots, and tracebacks of blocks.
 *
 * A traceback handed out for a block is that of a snapshot of one stack, made at the
 * first question for (node, nframe) and kept for ever:
 *
 *     tracebacks   index: nframe:32 node:32 -> number        (trace/index.h)
 *     given        number -> snapshot, an array that doubles
 *
 * Both under TMI_LOCK_LIVE.
 */
#include <errno.h>
#include <string.h>

#include "base/lock.h"
#include "heap/block.h"
#include "live/take.h"
#include "tmalloc.h"
#include "trace/index.h"
#include "trace/memory.h"
#include "trace/tracer.h"
#include "trace/tracked.h"

static struct tmi_index tracebacks;
static struct tm_snapshot **given; /* TMI_LOCK_LIVE */
static uint32_t given_room;        /* TMI_LOCK_LIVE */

static struct tm_snapshot *take_guarded(bool of_peak)
{
    struct tmi_shard *entered = tmi_guard_enter();
    struct tm_snapshot *s = tmi_take_all(of_peak);
    tmi_guard_leave(entered);
    return s;
}

TM_API tm_snapshot_t *tm_take_snapshot(void)
{
    return take_guarded(false);
}

TM_API tm_snapshot_t *tm_take_peak_snapshot(void)
{
    return take_guarded(true);
}

static bool make_room_locked(uint32_t number)
{
    if (number < given_room) {
        return true;
    }
    uint32_t room = given_room == 0 ? 512 : 2 * given_room;
    while (room <= number) { /* numbers go on when there was no memory */
        room *= 2;
    }
    struct tm_snapshot **grown = tmi_memory_map(room * sizeof(struct tm_snapshot *));
    if (grown == NULL) {
        return false;
    }
    if (given != NULL) {
        memcpy(grown, given, given_room * sizeof *grown);
        tmi_memory_unmap(given, given_room * sizeof *grown);
    }
    given = grown;
    given_room = room;
    return true;
}

static const tm_traceback_t *traceback_locked(uint32_t node, uint32_t nframe)
{
    uint32_t number = tmi_index_add(&tracebacks, (uint64_t)nframe << 32 | node);
    if (number == 0 || !make_room_locked(number)) {
        errno = ENOMEM;
        return NULL;
    }
    if (given[number] == NULL) {
        given[number] = tmi_take_stack(node, nframe);
    }
    return given[number] == NULL ? NULL : &given[number]->traces[0].traceback;
}

/* The site of the resource that is tracked at that address in domain 0; 0: there is none.
 */
static uint32_t site_of_resource(const void *ptr)
{
    uint32_t site = 0;
    if (!tmi_tracked_is_empty()) {
        tmi_lock(TMI_LOCK_TRACKED);
        site = tmi_tracked_find_locked((struct tmi_tracked_key){0, (uintptr_t)ptr}).site;
        tmi_unlock(TMI_LOCK_TRACKED);
    }
    return site;
}

/* Whether a number by which a resource is known has become a block's address since. */
static bool is_block(const void *ptr)
{
    return tmi_block_classify_any((uintptr_t)ptr) <= TMI_BLOCK_LIVE_ALIGNED;
}

/* The site in the header before `ptr`; 0 with errno when there is no traced block. */
static uint32_t site_of(const void *ptr)
{
    enum tmi_block_state state = tmi_block_classify(ptr);
    if (state > TMI_BLOCK_LIVE_ALIGNED) {
        errno = EINVAL;
        return 0;
    }
    uint32_t site = tmi_block_trace(ptr, state);
    if (site == 0 || !tmi_tracer_is_live(site) || tmi_tracer_site_of_id(site).is_rest) {
        errno = ENOENT;
        return 0;
    }
    return site;
}

TM_API const tm_traceback_t *tm_get_object_traceback(const void *ptr)
{
    struct tmi_shard *entered = tmi_guard_enter();
    const tm_traceback_t *traceback = NULL;
    int nframe = tmi_load_relaxed(&tmi_tracer.mode);
    uint32_t site = site_of_resource(ptr);
    if (site == 0 || is_block(ptr)) {
        site = site_of(ptr);
    }
    if (nframe > TMI_MODE_OFF && site != 0) {
        uint32_t node = tmi_tracer_site_of_id(site).node;
        tmi_lock(TMI_LOCK_LIVE);
        traceback = traceback_locked(node, (uint32_t)nframe);
        tmi_unlock(TMI_LOCK_LIVE);
    } else if (site != 0) {
        errno = ENOENT;
    }
    tmi_guard_leave(entered);
    return traceback;
}
