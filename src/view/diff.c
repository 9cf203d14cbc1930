/* SPDX-License-Identifier: MIT */
/*
 * Differences are the groups of two snapshots that share one set of keys (view/group.h),
 * in a home of their own (view/home.h). The home has their tracebacks only: a group that
 * is gone holds nothing, and so has no place among live traces. The numbers stand in an
 * array beside it.
 */
#include "view/diff.h"

#include <errno.h>

#include "base/bits.h"
#include "view/group.h"
#include "view/home.h"

/* The home, for which `groups` were made, becomes the owner of its differences. */
static tm_statistic_diffs_t *settle(struct tm_snapshot *home,
                                    const struct tmi_groups *groups)
{
    tm_statistic_diffs_t *diffs = tmi_arena_alloc(&home->arena, sizeof *diffs);
    tm_statistic_diff_t *all =
        tmi_arena_alloc(&home->arena, (size_t)groups->count * sizeof *all);
    if (diffs == NULL || all == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct tmi_group *group = &groups->all[groups->order[i]];
        const uint64_t *size = group->size;
        const uint64_t *count = group->count;
        all[i] = (tm_statistic_diff_t){
            .traceback = &home->traces[i].traceback,
            .size = size[TMI_NOW],
            .size_diff = tmi_difference(size[TMI_NOW], size[TMI_BEFORE]),
            .count = count[TMI_NOW],
            .count_diff = tmi_difference(count[TMI_NOW], count[TMI_BEFORE]),
            .domain = home->traces[i].domain};
    }
    *diffs = (tm_statistic_diffs_t){.home = home, .all = all, .count = groups->count};
    return diffs;
}

static int compare(const struct tm_snapshot *s, const struct tm_snapshot *old,
                   tm_key_t key, bool cumulative, tm_statistic_diffs_t **out)
{
    if (!tmi_groups_possible(key, cumulative)) {
        return -EINVAL;
    }
    const struct tm_snapshot *const from[TMI_SIDES_MOST] = {
        [TMI_NOW] = s, [TMI_BEFORE] = old};
    struct tm_snapshot *home = NULL;
    struct tmi_groups groups;
    int err = tmi_groups_make(&groups, from, TMI_SIDES_MOST, key, cumulative);
    if (err == 0) {
        err = tmi_home_build(&groups, true, &home);
    }
    if (err == 0) {
        *out = settle(home, &groups);
        err = *out == NULL ? -ENOMEM : 0;
    }
    tmi_groups_release(&groups);
    if (err != 0) {
        tm_snapshot_free(home);
    }
    return err;
}

tm_statistic_diffs_t *tm_snapshot_compare_to(const tm_snapshot_t *s,
                                             const tm_snapshot_t *old, tm_key_t key,
                                             bool cumulative)
{
    tm_statistic_diffs_t *diffs = NULL;
    int err = compare(s, old, key, cumulative, &diffs);
    if (err != 0) {
        errno = -err;
        return NULL;
    }
    return diffs;
}

size_t tm_statistic_diffs_count(const tm_statistic_diffs_t *diffs)
{
    return diffs->count;
}

int tm_statistic_diffs_get(const tm_statistic_diffs_t *diffs, size_t i,
                           tm_statistic_diff_t *out)
{
    if (i >= diffs->count) {
        return -ERANGE;
    }
    *out = diffs->all[i];
    return 0;
}

void tm_statistic_diffs_free(tm_statistic_diffs_t *diffs)
{
    if (diffs != NULL) {
        tm_snapshot_free(diffs->home);
    }
}
