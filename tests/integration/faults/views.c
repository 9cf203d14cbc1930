/* SPDX-License-Identifier: MIT */
/*
 * All that can be asked of a snapshot, while calls fail: an answer, or no memory.
 */
#include <errno.h>
#include <limits.h>

#include "faults.h"
#include "inject.h"

static bool is_answer(int result)
{
    return result >= 0 || (result == -ENOMEM && faults_hit() > 0);
}

static void look_at_trace(const tm_trace_t *trace)
{
    char text[500];
    tm_frame_t frame;
    const tm_traceback_t *tb = trace->traceback;
    size_t len = tm_traceback_len(tb);
    size_t total = tm_traceback_total_nframe(tb);
    EXPECT(len >= 1 && (total == 0 || total >= len));
    EXPECT(tm_traceback_address(tb, len) == 0);
    EXPECT(is_answer(tm_traceback_frame(tb, len - 1, &frame)));
    EXPECT(tm_traceback_frame(tb, len, &frame) == -ERANGE);
    EXPECT(is_answer(tm_traceback_format(tb, INT_MAX, true, text, sizeof text)));
    EXPECT(is_answer(tm_trace_format(trace, text, sizeof text)));
}

static void look_at_statistics(const tm_snapshot_t *s, tm_key_t key, bool cumulative)
{
    char text[200];
    tm_statistic_t group;
    tm_statistics_t *groups = tm_snapshot_statistics(s, key, cumulative);
    EXPECT(groups != NULL || (errno == ENOMEM && faults_hit() > 0));
    if (groups != NULL && tm_statistics_count(groups) > 0) {
        EXPECT(tm_statistics_get(groups, 0, &group) == 0);
        EXPECT(is_answer(tm_statistic_format(&group, text, sizeof text)));
    }
    tm_statistics_free(groups);
}

static void look_at_changes(const tm_snapshot_t *s, const tm_snapshot_t *old)
{
    char text[200];
    tm_statistic_diff_t change;
    tm_statistic_diffs_t *diffs = tm_snapshot_compare_to(s, old, TM_KEY_TRACEBACK, false);
    EXPECT(diffs != NULL || (errno == ENOMEM && faults_hit() > 0));
    if (diffs != NULL && tm_statistic_diffs_count(diffs) > 0) {
        EXPECT(tm_statistic_diffs_get(diffs, 0, &change) == 0);
        EXPECT(is_answer(tm_statistic_diff_format(&change, text, sizeof text)));
    }
    tm_statistic_diffs_free(diffs);
}

void look_at_views(const tm_snapshot_t *s)
{
    EXPECT(tm_snapshot_traceback_limit(s) == tm_get_traceback_limit() ||
           !tm_is_tracing());
    for (size_t i = 0; i < tm_snapshot_trace_count(s) && i < 20; i++) {
        tm_trace_t trace;
        EXPECT(tm_snapshot_trace(s, i, &trace) == 0);
        look_at_trace(&trace);
    }
    for (int key = TM_KEY_FILENAME; key <= TM_KEY_DOMAIN; key++) {
        look_at_statistics(s, (tm_key_t)key, false);
    }
    look_at_statistics(s, TM_KEY_LINENO, true);
    const tm_filter_t filter = {.inclusive = true, .filename_pattern = "*faults*"};
    tm_snapshot_t *ours = tm_snapshot_filter_traces(s, &filter, 1);
    EXPECT(ours != NULL || (errno == ENOMEM && faults_hit() > 0));
    if (ours != NULL) {
        look_at_changes(s, ours);
    }
    tm_snapshot_free(ours);
}
