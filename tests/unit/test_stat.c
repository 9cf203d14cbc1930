/* SPDX-License-Identifier: MIT */
/*
 * Statistics. The first table of traces was grouped by Python 3.11's own tracemalloc, and
 * its answers stand here as it gave them (sizes, order, ties, repeated frames, text).
 * What it does not know, inlined calls and addresses, follows with answers by hand; a
 * random set is held against grouping by brute force.
 */
#include "view/stat.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/literal.h"
#include "view/service.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

struct row {
    uint64_t size;
    uint64_t count;
    const char *frames;
    const char *text; /* NULL: not looked at */
};

static void expect(const struct tm_snapshot *s, tm_key_t key, bool cumulative,
                   const struct row *rows, size_t n)
{
    tm_statistics_t *st = tm_snapshot_statistics(s, key, cumulative);
    cr_assert_not_null(st);
    cr_assert(tmi_snapshot_check(st->home));
    for (size_t i = 0; i < n; i++) {
        tm_statistic_t stat;
        cr_assert_eq(tm_statistics_get(st, i, &stat), 0, "only %zu groups", i);
        cr_assert_str_eq(literal_frames(stat.traceback), rows[i].frames, "row %zu: %s", i,
                         literal_frames(stat.traceback));
        cr_assert_eq(stat.size, rows[i].size, "row %zu", i);
        cr_assert_eq(stat.count, rows[i].count, "row %zu", i);
        cr_assert_eq(tm_traceback_total_nframe(stat.traceback), 0);
        if (rows[i].text != NULL) {
            char text[200];
            int len = tm_statistic_format(&stat, text, sizeof text);
            cr_assert_str_eq(text, rows[i].text);
            cr_assert_eq(len, (int)strlen(text));
        }
    }
    cr_assert_eq(tm_statistics_count(st), n);
    tm_statistic_t none;
    cr_assert_eq(tm_statistics_get(st, n, &none), -ERANGE);
    tm_statistics_free(st);
}

#define EXPECT(s, key, cumulative, rows)                                                 \
    expect(s, key, cumulative, rows, sizeof(rows) / sizeof *(rows))

/* ---- as tracemalloc ---------------------------------------------------------------- */

static struct tm_snapshot *python_set(void)
{
    struct tm_snapshot *s = literal_snapshot(25);
    literal_trace(s, 0, 300, 3, "1:main.c 5:a.c 7:b.c");
    literal_trace(s, 1, 100, 1, "1:main.c 5:a.c 7:b.c");
    literal_trace(s, 0, 200, 1, "1:main.c 9:a.c");
    literal_trace(s, 0, 200, 1, "1:main.c 10:a.c");
    literal_trace(s, 0, 50, 2, "1:main.c 5:a.c 5:a.c 5:a.c");
    literal_trace(s, 0, 0, 4, "2:main.c");
    literal_trace(s, 0, 200, 1, "1:main.c");
    literal_trace(s, 0, 200, 1, "1:Zoo.c 10:a.c");
    literal_trace(s, 0, 0, 0, "1:nothing-lives-here.c");
    literal_trace(s, 0, 200, 2, "1:\xC3\xA9.c");
    literal_trace(s, 2, 50, 2, "7:b.c 5:a.c");
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_check(s));
    return s;
}

Test(stat, by_filename)
{
    static const struct row ROWS[] = {
        {700, 7, "0:a.c", "a.c:0: size=700 B, count=7, average=100 B"},
        {400, 4, "0:b.c", "b.c:0: size=400 B, count=4, average=100 B"},
        {200, 5, "0:main.c", "main.c:0: size=200 B, count=5, average=40 B"},
        {200, 2, "0:\xC3\xA9.c", "\xC3\xA9.c:0: size=200 B, count=2, average=100 B"},
    };
    struct tm_snapshot *s = python_set();
    EXPECT(s, TM_KEY_FILENAME, false, ROWS);
    tm_snapshot_free(s);
}

Test(stat, by_line)
{
    static const struct row ROWS[] = {
        {400, 4, "7:b.c", "b.c:7: size=400 B, count=4, average=100 B"},
        {400, 2, "10:a.c", "a.c:10: size=400 B, count=2, average=200 B"},
        {200, 2, "1:\xC3\xA9.c", NULL},
        {200, 1, "1:main.c", NULL},
        {200, 1, "9:a.c", NULL},
        {100, 4, "5:a.c", "a.c:5: size=100 B, count=4, average=25 B"},
        {0, 4, "2:main.c", "main.c:2: size=0 B, count=4, average=0 B"},
    };
    struct tm_snapshot *s = python_set();
    EXPECT(s, TM_KEY_LINENO, false, ROWS);
    tm_snapshot_free(s);
}

Test(stat, by_traceback)
{
    static const struct row ROWS[] = {
        {400, 4, "1:main.c 5:a.c 7:b.c", "main.c:1: size=400 B, count=4, average=100 B"},
        {200, 2, "1:\xC3\xA9.c", NULL},
        {200, 1, "1:main.c 10:a.c", NULL},
        {200, 1, "1:main.c 9:a.c", NULL},
        {200, 1, "1:main.c", NULL},
        {200, 1, "1:Zoo.c 10:a.c", NULL},
        {50, 2, "1:main.c 5:a.c 5:a.c 5:a.c", NULL},
        {50, 2, "7:b.c 5:a.c", "b.c:7: size=50 B, count=2, average=25 B"},
        {0, 4, "2:main.c", NULL},
    };
    struct tm_snapshot *s = python_set();
    EXPECT(s, TM_KEY_TRACEBACK, false, ROWS);
    tm_snapshot_free(s);
}

Test(stat, by_filename_cumulative)
{
    static const struct row ROWS[] = {
        {1200, 15, "0:a.c", "a.c:0: size=1200 B, count=15, average=80 B"},
        {1050, 13, "0:main.c", "main.c:0: size=1050 B, count=13, average=81 B"},
        {450, 6, "0:b.c", NULL},
        {200, 2, "0:\xC3\xA9.c", NULL},
        {200, 1, "0:Zoo.c", NULL},
    };
    struct tm_snapshot *s = python_set();
    EXPECT(s, TM_KEY_FILENAME, true, ROWS);
    tm_snapshot_free(s);
}

Test(stat, by_line_cumulative)
{
    static const struct row ROWS[] = {
        {1050, 9, "1:main.c", "main.c:1: size=1050 B, count=9, average=117 B"},
        {600, 12, "5:a.c", NULL},
        {450, 6, "7:b.c", NULL},
        {400, 2, "10:a.c", NULL},
        {200, 2, "1:\xC3\xA9.c", NULL},
        {200, 1, "9:a.c", NULL},
        {200, 1, "1:Zoo.c", NULL},
        {0, 4, "2:main.c", NULL},
    };
    struct tm_snapshot *s = python_set();
    EXPECT(s, TM_KEY_LINENO, true, ROWS);
    tm_snapshot_free(s);
}

Test(stat, no_traces_no_groups)
{
    struct tm_snapshot *s = literal_snapshot(1);
    tmi_snapshot_finish(s);
    expect(s, TM_KEY_FILENAME, false, NULL, 0);
    expect(s, TM_KEY_LINENO, true, NULL, 0);
    expect(s, TM_KEY_TRACEBACK, false, NULL, 0);
    tm_snapshot_free(s);
    tm_statistics_free(NULL);
}

Test(stat, what_cannot_be_asked_for)
{
    struct tm_snapshot *s = python_set();
    errno = 0;
    cr_assert_null(tm_snapshot_statistics(s, TM_KEY_TRACEBACK, true));
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_null(tm_snapshot_statistics(s, (tm_key_t)6, false));
    cr_assert_eq(errno, EINVAL);
    tm_snapshot_free(s);
}

/* ---- what tracemalloc does not have ------------------------------------------------ */

/* "5:i.h<6:j.c" is the call of i.h inlined into j.c: the same two frames as when not. */
Test(stat, inlined_calls_are_frames)
{
    struct tm_snapshot *s = literal_snapshot(25);
    literal_trace(s, 0, 10, 1, "1:m.c 5:i.h<6:j.c");
    literal_trace(s, 0, 20, 1, "1:m.c 6:j.c 5:i.h");
    literal_trace(s, 0, 40, 1, "5:i.h<6:j.c<1:m.c");
    literal_trace(s, 0, 100, 1, "6:j.c");
    tmi_snapshot_finish(s);
    static const struct row STACKS[] = {{100, 1, "6:j.c", NULL},
                                        {70, 3, "1:m.c 6:j.c 5:i.h", NULL}};
    static const struct row LINES[] = {{100, 1, "6:j.c", NULL}, {70, 3, "5:i.h", NULL}};
    static const struct row SUMS[] = {
        {170, 4, "6:j.c", NULL}, {70, 3, "1:m.c", NULL}, {70, 3, "5:i.h", NULL}};
    EXPECT(s, TM_KEY_TRACEBACK, false, STACKS);
    EXPECT(s, TM_KEY_LINENO, false, LINES);
    EXPECT(s, TM_KEY_LINENO, true, SUMS);
    tm_snapshot_free(s);
}

/* The constant for what is not known, and a file that is really called so. */
Test(stat, unknown_is_one_name)
{
    struct tm_snapshot *s = literal_snapshot(25);
    literal_trace(s, 0, 1, 1, "?");
    struct tmi_line line = {"<unknown>", "", 0};
    uint32_t named = (uint32_t)tmi_snapshot_add_location(s, 1, TMI_NO_MODULE);
    tmi_snapshot_set_lines(s, named, &line, 1);
    uint64_t values[TMI_VALUE_COUNT] = {[TMI_INUSE_BYTES] = 2, [TMI_INUSE_BLOCKS] = 1};
    tmi_snapshot_add_trace(s, 0, values, &named, 1, 1);
    tmi_snapshot_finish(s);
    static const struct row ROWS[] = {
        {3, 2, "0:<unknown>", "<unknown>:0: size=3 B, count=2, average=2 B"}};
    EXPECT(s, TM_KEY_LINENO, false, ROWS);
    EXPECT(s, TM_KEY_TRACEBACK, false, ROWS);
    tm_snapshot_free(s);
}

Test(stat, the_result_outlives_the_snapshot)
{
    struct tm_snapshot *s = python_set();
    tm_statistics_t *st = tm_snapshot_statistics(s, TM_KEY_TRACEBACK, false);
    tm_snapshot_free(s);
    tm_statistic_t stat;
    tm_frame_t frame;
    cr_assert_eq(tm_statistics_get(st, 0, &stat), 0);
    cr_assert_eq(tm_traceback_frame(stat.traceback, 1, &frame), 0);
    cr_assert_str_eq(frame.filename, "a.c");
    cr_assert_str_eq(frame.function, "in_a.c");
    cr_assert_eq(frame.address, 0x1002, "a whole stack keeps its addresses");
    tm_statistics_free(st);
}

static uint32_t place(struct tm_snapshot *s, uint64_t address, uint32_t module,
                      const char *function)
{
    struct tmi_line line = {"a.c", function, 5};
    uint32_t location = (uint32_t)tmi_snapshot_add_location(s, address, module);
    tmi_snapshot_set_lines(s, location, &line, 1);
    uint64_t values[TMI_VALUE_COUNT] = {1, 1};
    tmi_snapshot_add_trace(s, 0, values, &location, 1, 1);
    return location;
}

static tm_frame_t one_frame(struct tm_snapshot *s)
{
    static tm_frame_t frame;
    tm_statistics_t *st = tm_snapshot_statistics(s, TM_KEY_LINENO, false);
    cr_assert_eq(tm_statistics_count(st), 1);
    tm_statistic_t stat;
    tm_statistics_get(st, 0, &stat);
    tm_traceback_frame(stat.traceback, 0, &frame);
    return frame; /* its strings leak with st; the process is the test's own */
}

Test(stat, a_line_keeps_what_its_members_agree_on)
{
    struct tm_snapshot *s = literal_snapshot(1);
    uint32_t m = (uint32_t)tmi_snapshot_add_module(s, &(struct tmi_module){.name = "m"});
    place(s, 100, m, "f");
    tmi_snapshot_finish(s);
    tm_frame_t frame = one_frame(s);
    cr_assert_eq(frame.address, 100);
    cr_assert_str_eq(frame.module, "m");
    cr_assert_str_eq(frame.function, "f");
    place(s, 200, m, "f");
    tmi_snapshot_finish(s);
    frame = one_frame(s);
    cr_assert_eq(frame.address, 0);
    cr_assert_str_eq(frame.module, "m");
    cr_assert_str_eq(frame.function, "f");
    place(s, 300, TMI_NO_MODULE, "g");
    tmi_snapshot_finish(s);
    frame = one_frame(s);
    cr_assert_str_eq(frame.module, "");
    cr_assert_str_eq(frame.function, "");
    tm_snapshot_free(s);
}

Test(stat, sums_do_not_wrap)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, UINT64_MAX - 1, UINT64_MAX, "1:a.c 1:a.c");
    tmi_snapshot_finish(s);
    static const struct row ROWS[] = {{UINT64_MAX, UINT64_MAX, "1:a.c", NULL}};
    EXPECT(s, TM_KEY_LINENO, true, ROWS);
    tm_snapshot_free(s);
}

Test(stat, text_without_blocks_and_in_a_short_buffer)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, 4971520, 39328, "71:a.c");
    tmi_snapshot_finish(s);
    static const char WHOLE[] = "a.c:71: size=4855 KiB, count=39328, average=126 B";
    tm_trace_t trace;
    tm_snapshot_trace(s, 0, &trace);
    tm_statistic_t stat = {trace.traceback, trace.size, trace.count, 0};
    for (size_t room = 0; room <= sizeof WHOLE; room++) {
        char text[100] = "#";
        cr_assert_eq(tm_statistic_format(&stat, text, room), (int)sizeof WHOLE - 1);
        size_t shown = room == 0 ? 0 : room - 1;
        cr_assert_eq(strncmp(text, room == 0 ? "#" : WHOLE, room == 0 ? 1 : shown), 0);
    }
    char text[100];
    stat.count = 0;
    tm_statistic_format(&stat, text, sizeof text);
    cr_assert_str_eq(text, "a.c:71: size=4855 KiB, count=0");
    tm_snapshot_free(s);
}

/* ---- against brute force ----------------------------------------------------------- */

enum { RANDOM_TRACES = 3000, RANDOM_STACKS = 700 };

static struct {
    char frames[80];
    uint64_t size, count;
} brute[RANDOM_STACKS];
static size_t brute_count;

static void add_brute(const char *frames, uint64_t size, uint64_t count)
{
    size_t i = 0;
    while (i < brute_count && strcmp(brute[i].frames, frames) != 0) {
        i++;
    }
    if (i == brute_count) {
        strcpy(brute[brute_count++].frames, frames);
    }
    brute[i].size += size;
    brute[i].count += count;
}

Test(stat, random_stacks)
{
    struct tm_snapshot *s = literal_snapshot(25);
    uint32_t random = 99;
    for (int i = 0; i < RANDOM_TRACES; i++) {
        char frames[80] = "1:main.c";
        random = random * 1664525 + 1013904223;
        uint32_t stack = (random >> 8) % RANDOM_STACKS;
        for (uint32_t k = 0; k < stack % 5; k++) {
            char word[16];
            sprintf(word, " %u:f%u.c", 1 + (stack >> k) % 9, (stack >> k) % 4);
            strcat(frames, word);
        }
        uint64_t count = 1 + (random >> 4) % 5;
        literal_trace(s, random % 3, count * (random >> 20), count, frames);
        add_brute(frames, count * (random >> 20), count);
    }
    tmi_snapshot_finish(s);
    tm_statistics_t *st = tm_snapshot_statistics(s, TM_KEY_TRACEBACK, false);
    cr_assert_eq(tm_statistics_count(st), brute_count);
    tm_statistic_t before = {NULL, UINT64_MAX, 0, 0};
    for (size_t i = 0; i < brute_count; i++) {
        tm_statistic_t stat;
        tm_statistics_get(st, i, &stat);
        const char *frames = literal_frames(stat.traceback);
        size_t k = 0;
        while (strcmp(brute[k].frames, frames) != 0) {
            k++;
            cr_assert_lt(k, brute_count, "%s is not among them", frames);
        }
        cr_assert_eq(stat.size, brute[k].size, "%s", frames);
        cr_assert_eq(stat.count, brute[k].count, "%s", frames);
        cr_assert(stat.size < before.size ||
                  (stat.size == before.size && stat.count <= before.count));
        before = stat;
        brute[k].frames[0] = '\0'; /* each once */
    }
    tm_statistics_free(st);
    tm_snapshot_free(s);
}
