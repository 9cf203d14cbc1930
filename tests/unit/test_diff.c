/* SPDX-License-Identifier: MIT */
/*
 * Differences. The first tables are what Python 3.11's tracemalloc says of these two sets
 * of traces: numbers, order and text. Then what they do not have: ties down to the last
 * rule, numbers at the end of their range, other keys, and running out of memory.
 */
#include "view/diff.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/literal.h"
#include "support/scarcity.h"
#include "view/service.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

struct row {
    uint64_t size;
    int64_t size_diff;
    uint64_t count;
    int64_t count_diff;
    const char *frames;
    const char *text; /* NULL: not looked at */
};

static void expect(const tm_snapshot_t *s, const tm_snapshot_t *old, tm_key_t key,
                   bool cumulative, const struct row *rows, size_t n)
{
    tm_statistic_diffs_t *diffs = tm_snapshot_compare_to(s, old, key, cumulative);
    cr_assert_not_null(diffs);
    cr_assert(tmi_snapshot_check(diffs->home));
    for (size_t i = 0; i < n; i++) {
        tm_statistic_diff_t diff;
        cr_assert_eq(tm_statistic_diffs_get(diffs, i, &diff), 0, "only %zu", i);
        cr_assert_str_eq(literal_frames(diff.traceback), rows[i].frames, "row %zu: %s", i,
                         literal_frames(diff.traceback));
        cr_assert_eq(diff.size, rows[i].size, "row %zu", i);
        cr_assert_eq(diff.size_diff, rows[i].size_diff, "row %zu", i);
        cr_assert_eq(diff.count, rows[i].count, "row %zu", i);
        cr_assert_eq(diff.count_diff, rows[i].count_diff, "row %zu", i);
        cr_assert_eq(tm_traceback_total_nframe(diff.traceback), 0);
        if (rows[i].text != NULL) {
            char text[200];
            int len = tm_statistic_diff_format(&diff, text, sizeof text);
            cr_assert_str_eq(text, rows[i].text);
            cr_assert_eq(len, (int)strlen(text));
        }
    }
    cr_assert_eq(tm_statistic_diffs_count(diffs), n);
    tm_statistic_diff_t none;
    cr_assert_eq(tm_statistic_diffs_get(diffs, n, &none), -ERANGE);
    tm_statistic_diffs_free(diffs);
}

#define EXPECT(s, old, key, cumulative, rows)                                            \
    expect(s, old, key, cumulative, rows, sizeof(rows) / sizeof *(rows))

/* ---- as tracemalloc ---------------------------------------------------------------- */

static tm_snapshot_t *old_set(void)
{
    tm_snapshot_t *s = literal_snapshot(25);
    literal_trace(s, 0, 300, 3, "1:main.c 5:a.c");
    literal_trace(s, 0, 50, 1, "1:main.c 7:b.c");
    literal_trace(s, 1, 200, 2, "1:main.c 9:gone.c");
    literal_trace(s, 0, 64, 4, "1:main.c 2:same.c");
    literal_trace(s, 0, 40, 4, "1:main.c 3:split.c");
    tmi_snapshot_finish(s);
    return s;
}

static tm_snapshot_t *new_set(void)
{
    tm_snapshot_t *s = literal_snapshot(3);
    literal_trace(s, 0, 8, 1, "3:main.c 5:a.c");
    literal_trace(s, 0, 40, 2, "1:main.c 3:split.c");
    literal_trace(s, 2, 64, 4, "1:main.c 2:same.c");
    literal_trace(s, 0, 200, 1, "1:main.c 4:new.c");
    literal_trace(s, 0, 250, 1, "1:main.c 7:b.c");
    literal_trace(s, 0, 100, 1, "1:main.c 5:a.c");
    tmi_snapshot_finish(s);
    return s;
}

static void expect_sets(tm_key_t key, bool cumulative, const struct row *rows, size_t n)
{
    tm_snapshot_t *s = new_set();
    tm_snapshot_t *old = old_set();
    expect(s, old, key, cumulative, rows, n);
    tm_snapshot_free(s);
    tm_snapshot_free(old);
}

#define EXPECT_SETS(key, cumulative, rows)                                               \
    expect_sets(key, cumulative, rows, sizeof(rows) / sizeof *(rows))

Test(diff, by_filename)
{
    static const struct row ROWS[] = {
        {250, 200, 1, 0, "0:b.c",
         "b.c:0: size=250 B (+200 B), count=1 (+0), average=250 B"},
        {200, 200, 1, 1, "0:new.c",
         "new.c:0: size=200 B (+200 B), count=1 (+1), average=200 B"},
        {0, -200, 0, -2, "0:gone.c", "gone.c:0: size=0 B (-200 B), count=0 (-2)"},
        {108, -192, 2, -1, "0:a.c",
         "a.c:0: size=108 B (-192 B), count=2 (-1), average=54 B"},
        {64, 0, 4, 0, "0:same.c",
         "same.c:0: size=64 B (+0 B), count=4 (+0), average=16 B"},
        {40, 0, 2, -2, "0:split.c",
         "split.c:0: size=40 B (+0 B), count=2 (-2), average=20 B"},
    };
    EXPECT_SETS(TM_KEY_FILENAME, false, ROWS);
}

Test(diff, by_line)
{
    static const struct row ROWS[] = {
        {250, 200, 1, 0, "7:b.c", NULL},    {200, 200, 1, 1, "4:new.c", NULL},
        {0, -200, 0, -2, "9:gone.c", NULL}, {108, -192, 2, -1, "5:a.c", NULL},
        {64, 0, 4, 0, "2:same.c", NULL},    {40, 0, 2, -2, "3:split.c", NULL},
    };
    EXPECT_SETS(TM_KEY_LINENO, false, ROWS);
}

Test(diff, by_traceback)
{
    static const struct row ROWS[] = {
        {250, 200, 1, 0, "1:main.c 7:b.c",
         "main.c:1: size=250 B (+200 B), count=1 (+0), average=250 B"},
        {200, 200, 1, 1, "1:main.c 4:new.c", NULL},
        {100, -200, 1, -2, "1:main.c 5:a.c", NULL},
        {0, -200, 0, -2, "1:main.c 9:gone.c", NULL},
        {8, 8, 1, 1, "3:main.c 5:a.c",
         "main.c:3: size=8 B (+8 B), count=1 (+1), average=8 B"},
        {64, 0, 4, 0, "1:main.c 2:same.c", NULL},
        {40, 0, 2, -2, "1:main.c 3:split.c", NULL},
    };
    EXPECT_SETS(TM_KEY_TRACEBACK, false, ROWS);
}

Test(diff, by_filename_cumulative)
{
    static const struct row ROWS[] = {
        {250, 200, 1, 0, "0:b.c", NULL},
        {200, 200, 1, 1, "0:new.c", NULL},
        {0, -200, 0, -2, "0:gone.c", NULL},
        {108, -192, 2, -1, "0:a.c", NULL},
        {662, 8, 10, -4, "0:main.c",
         "main.c:0: size=662 B (+8 B), count=10 (-4), average=66 B"},
        {64, 0, 4, 0, "0:same.c", NULL},
        {40, 0, 2, -2, "0:split.c", NULL},
    };
    EXPECT_SETS(TM_KEY_FILENAME, true, ROWS);
}

Test(diff, by_line_cumulative)
{
    static const struct row ROWS[] = {
        {250, 200, 1, 0, "7:b.c", NULL},
        {200, 200, 1, 1, "4:new.c", NULL},
        {0, -200, 0, -2, "9:gone.c", NULL},
        {108, -192, 2, -1, "5:a.c", NULL},
        {8, 8, 1, 1, "3:main.c", NULL},
        {654, 0, 9, -5, "1:main.c",
         "main.c:1: size=654 B (+0 B), count=9 (-5), average=73 B"},
        {64, 0, 4, 0, "2:same.c", NULL},
        {40, 0, 2, -2, "3:split.c", NULL},
    };
    EXPECT_SETS(TM_KEY_LINENO, true, ROWS);
}

/* Same size and change of size: amount of change in count, count, then the greater name.
 */
Test(diff, ties)
{
    tm_snapshot_t *s = literal_snapshot(1);
    literal_trace(s, 0, 10, 3, "1:a.c");
    literal_trace(s, 0, 10, 1, "1:b.c");
    literal_trace(s, 0, 10, 1, "1:c.c");
    literal_trace(s, 0, 10, 1, "1:d.c");
    literal_trace(s, 0, 10, 1, "10:d.c");
    tmi_snapshot_finish(s);
    tm_snapshot_t *old = literal_snapshot(1);
    literal_trace(old, 0, 10, 1, "1:a.c");
    literal_trace(old, 0, 10, 3, "1:b.c");
    literal_trace(old, 0, 10, 2, "1:c.c");
    literal_trace(old, 0, 10, 2, "10:d.c");
    literal_trace(old, 0, 10, 2, "1:d.c");
    tmi_snapshot_finish(old);
    static const struct row ROWS[] = {
        {10, 0, 3, 2, "1:a.c", NULL},   {10, 0, 1, -2, "1:b.c", NULL},
        {10, 0, 1, -1, "10:d.c", NULL}, {10, 0, 1, -1, "1:d.c", NULL},
        {10, 0, 1, -1, "1:c.c", NULL},
    };
    EXPECT(s, old, TM_KEY_LINENO, false, ROWS);
    EXPECT(s, old, TM_KEY_TRACEBACK, false, ROWS);
    tm_snapshot_free(s);
    tm_snapshot_free(old);
}

Test(diff, with_nothing_and_with_itself)
{
    tm_snapshot_t *s = new_set();
    tm_snapshot_t *empty = tm_snapshot_new(1);
    static const struct row CAME[] = {{250, 250, 1, 1, "7:b.c", NULL},
                                      {200, 200, 1, 1, "4:new.c", NULL},
                                      {108, 108, 2, 2, "5:a.c", NULL},
                                      {64, 64, 4, 4, "2:same.c", NULL},
                                      {40, 40, 2, 2, "3:split.c", NULL}};
    static const struct row WENT[] = {{0, -250, 0, -1, "7:b.c", NULL},
                                      {0, -200, 0, -1, "4:new.c", NULL},
                                      {0, -108, 0, -2, "5:a.c", NULL},
                                      {0, -64, 0, -4, "2:same.c", NULL},
                                      {0, -40, 0, -2, "3:split.c", NULL}};
    static const struct row STAYED[] = {{250, 0, 1, 0, "7:b.c", NULL},
                                        {200, 0, 1, 0, "4:new.c", NULL},
                                        {108, 0, 2, 0, "5:a.c", NULL},
                                        {64, 0, 4, 0, "2:same.c", NULL},
                                        {40, 0, 2, 0, "3:split.c", NULL}};
    EXPECT(s, empty, TM_KEY_LINENO, false, CAME);
    EXPECT(empty, s, TM_KEY_LINENO, false, WENT);
    EXPECT(s, s, TM_KEY_LINENO, false, STAYED);
    expect(empty, empty, TM_KEY_TRACEBACK, false, NULL, 0);
    tm_snapshot_free(s);
    tm_snapshot_free(empty);
}

/* ---- what tracemalloc does not have ------------------------------------------------ */

static tm_snapshot_t *one_trace(uint64_t size, uint64_t count)
{
    tm_snapshot_t *s = literal_snapshot(1);
    literal_trace(s, 0, size, count, "1:a.c");
    tmi_snapshot_finish(s);
    return s;
}

Test(diff, numbers_at_the_end_of_their_range)
{
    static const struct {
        uint64_t now, before;
        int64_t diff;
    } ROWS[] = {
        {UINT64_MAX, 1, INT64_MAX},
        {1, UINT64_MAX, INT64_MIN},
        {UINT64_C(1) << 63, 1, INT64_MAX},
        {1, UINT64_C(1) << 63, -INT64_MAX},
        {1, (UINT64_C(1) << 63) + 1, INT64_MIN},
        {UINT64_MAX, UINT64_MAX - 5, 5},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        tm_snapshot_t *s = one_trace(ROWS[i].now, 1);
        tm_snapshot_t *old = one_trace(ROWS[i].before, 1);
        const struct row row = {ROWS[i].now, ROWS[i].diff, 1, 0, "1:a.c", NULL};
        expect(s, old, TM_KEY_LINENO, false, &row, 1);
        tm_snapshot_free(s);
        tm_snapshot_free(old);
    }
}

Test(diff, by_domain_and_function)
{
    tm_snapshot_t *s = new_set();
    tm_snapshot_t *old = old_set();
    tmi_snapshot_add_domain(old, 1, "gpu");
    tm_statistic_diffs_t *diffs = tm_snapshot_compare_to(s, old, TM_KEY_DOMAIN, false);
    static const struct row DOMAINS[] = {
        {0, -200, 0, -2, "0:gpu", "gpu: size=0 B (-200 B), count=0 (-2)"},
        {598, 144, 6, -6, "0:domain 0",
         "domain 0: size=598 B (+144 B), count=6 (-6), average=100 B"},
        {64, 64, 4, 4, "0:domain 2",
         "domain 2: size=64 B (+64 B), count=4 (+4), average=16 B"},
    };
    static const tm_domain_t NUMBERS[] = {1, 0, 2};
    for (size_t i = 0; i < 3; i++) {
        tm_statistic_diff_t diff;
        cr_assert_eq(tm_statistic_diffs_get(diffs, i, &diff), 0);
        cr_assert_eq(diff.domain, NUMBERS[i]);
    }
    tm_statistic_diffs_free(diffs);
    EXPECT(s, old, TM_KEY_DOMAIN, false, DOMAINS);
    diffs = tm_snapshot_compare_to(s, old, TM_KEY_FUNCTION, true);
    tm_statistic_diff_t diff;
    char text[100];
    tm_statistic_diffs_get(diffs, 4, &diff);
    tm_statistic_diff_format(&diff, text, sizeof text);
    cr_assert_str_eq(text, "in_main.c: size=662 B (+8 B), count=10 (-4), average=66 B");
    tm_statistic_diffs_free(diffs);
    tm_snapshot_free(s);
    tm_snapshot_free(old);
}

Test(diff, the_result_outlives_both)
{
    tm_snapshot_t *s = new_set();
    tm_snapshot_t *old = old_set();
    tm_statistic_diffs_t *diffs = tm_snapshot_compare_to(s, old, TM_KEY_TRACEBACK, false);
    tm_snapshot_free(s);
    tm_snapshot_free(old);
    tm_statistic_diff_t diff;
    cr_assert_eq(tm_statistic_diffs_get(diffs, 3, &diff), 0);
    cr_assert_str_eq(literal_frames(diff.traceback), "1:main.c 9:gone.c");
    tm_statistic_diffs_free(diffs);
    tm_statistic_diffs_free(NULL);
}

Test(diff, what_cannot_be_asked_for)
{
    static const struct {
        tm_key_t key;
        bool cumulative;
    } WRONG[] = {{TM_KEY_TRACEBACK, true}, {TM_KEY_DOMAIN, true}, {(tm_key_t)6, false}};
    tm_snapshot_t *s = one_trace(1, 1);
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        errno = 0;
        cr_assert_null(tm_snapshot_compare_to(s, s, WRONG[i].key, WRONG[i].cumulative));
        cr_assert_eq(errno, EINVAL);
    }
    tm_snapshot_free(s);
}

static tm_snapshot_t *many_traces(uint32_t from)
{
    tm_snapshot_t *s = tm_snapshot_new(3);
    for (uint32_t i = from; i < from + 20000; i++) {
        char name[32];
        sprintf(name, "file %u", i % 3000);
        const tm_frame_t frames[] = {{name, i, name, name, i}, {name, 1, "", "", 0}};
        cr_assert_eq(tm_snapshot_add(s, 0, i + 1, 1, frames, 2, 2), 0);
    }
    return s;
}

/* From too little to enough in small steps: an error, or all of it. */
Test(diff, no_memory)
{
    tm_snapshot_t *s = many_traces(0);
    tm_snapshot_t *old = many_traces(10000);
    size_t failures = 0;
    tm_statistic_diffs_t *diffs = NULL;
    for (size_t spare = 0; diffs == NULL && spare < 1000; spare++) {
        scarcity_begin(spare * 256 * 1024);
        errno = 0;
        diffs = tm_snapshot_compare_to(s, old, TM_KEY_TRACEBACK, false);
        int error = errno;
        scarcity_end();
        failures += diffs == NULL;
        cr_assert(diffs != NULL || error == ENOMEM);
    }
    cr_assert_gt(failures, 10);
    cr_assert_eq(tm_statistic_diffs_count(diffs), 30000);
    tm_statistic_diffs_free(diffs);
    tm_snapshot_free(s);
    tm_snapshot_free(old);
}
