/* SPDX-License-Identifier: MIT */
/*
 * Statistics are the groups of one snapshot (view/group.h) in a home of their own
 * (view/home.h): a group is a trace of it, and what a trace holds are the sums. As the
 * groups are sorted and none is empty, the home keeps them in that order.
 */
#include "view/stat.h"

#include <errno.h>

#include "view/group.h"
#include "view/home.h"

static int make_home(const struct tm_snapshot *s, tm_key_t key, bool cumulative,
                     struct tm_snapshot **home)
{
    if (!tmi_groups_possible(key, cumulative)) {
        return -EINVAL;
    }
    struct tmi_groups groups;
    int err = tmi_groups_make(&groups, &s, 1, key, cumulative);
    if (err == 0) {
        err = tmi_home_build(&groups, false, home);
    }
    tmi_groups_release(&groups);
    return err;
}

tm_statistics_t *tm_snapshot_statistics(const tm_snapshot_t *s, tm_key_t key,
                                        bool cumulative)
{
    struct tm_snapshot *home = NULL;
    tm_statistics_t *st = NULL;
    int err = make_home(s, key, cumulative, &home);
    if (err == 0) {
        st = tmi_arena_alloc(&home->arena, sizeof *st);
        err = st == NULL ? -ENOMEM : 0;
    }
    if (err != 0) {
        tm_snapshot_free(home);
        errno = -err;
        return NULL;
    }
    st->home = home;
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
        *out = (tm_statistic_t){.traceback = trace.traceback,
                                .size = trace.size,
                                .count = trace.count,
                                .domain = trace.domain};
    }
    return err;
}

void tm_statistics_free(tm_statistics_t *st)
{
    if (st != NULL) {
        tm_snapshot_free(st->home);
    }
}
