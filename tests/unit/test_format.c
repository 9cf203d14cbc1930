/* SPDX-License-Identifier: MIT */
/*
 * Traces, statistics and differences as text. The words with units are those of Python's
 * tracemalloc for the same numbers; short buffers and symbols that fail are ours.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "support/literal.h"
#include "tmalloc/snapshot.h"
#include "view/service.h"

static int resolve_result;

static int resolve(struct tm_snapshot *s)
{
    (void)s;
    return resolve_result;
}

const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.resolve = resolve};
    return &service;
}

static tm_trace_t one_trace(const char *frames)
{
    tm_snapshot_t *s = literal_snapshot(25); /* the process's, which is the test's own */
    literal_trace(s, 0, 1, 1, frames);
    tmi_snapshot_finish(s);
    tm_trace_t trace;
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    return trace;
}

Test(format, the_oldest_frame_stands_for_all)
{
    tm_trace_t trace = one_trace("17:main.c 5:a.c 3:i.h<2:b.c");
    trace.size = 4971520;
    trace.count = 39328;
    char text[100];
    tm_trace_format(&trace, text, sizeof text);
    cr_assert_str_eq(text, "main.c:17: 4855 KiB");
    trace = one_trace("3:i.h<17:main.c");
    tm_trace_format(&trace, text, sizeof text);
    cr_assert_str_eq(text, "main.c:17: 1 B", "of inlined calls the outermost");
}

Test(format, differences)
{
    static const struct {
        tm_statistic_diff_t diff;
        const char *text;
    } ROWS[] = {
        {{NULL, 5002, 5000, 2, 1, 0},
         "a.py:5: size=5002 B (+5000 B), count=2 (+1), average=2501 B"},
        {{NULL, 0, -66, 0, -1, 0}, "a.py:5: size=0 B (-66 B), count=0 (-1)"},
        {{NULL, 5, 0, 3, 0, 0}, "a.py:5: size=5 B (+0 B), count=3 (+0), average=2 B"},
        {{NULL, 0, 0, 1, -10000000, 0},
         "a.py:5: size=0 B (+0 B), count=1 (-10000000), average=0 B"},
        {{NULL, 104857600, -10240, 1, 1, 0},
         "a.py:5: size=100 MiB (-10.0 KiB), count=1 (+1), average=100 MiB"},
        {{NULL, 1, INT64_MIN, 1, INT64_MIN, 0},
         "a.py:5: size=1 B (-8388608 TiB), count=1 (-9223372036854775808), "
         "average=1 B"},
    };
    tm_trace_t trace = one_trace("5:a.py 9:b.py");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        tm_statistic_diff_t diff = ROWS[i].diff;
        diff.traceback = trace.traceback;
        char text[200];
        int len = tm_statistic_diff_format(&diff, text, sizeof text);
        cr_expect_str_eq(text, ROWS[i].text);
        cr_expect_eq(len, (int)strlen(ROWS[i].text));
    }
}

/* A format of a trace into `room` bytes, for each kind. */
static int format_any(int kind, const tm_traceback_t *tb, char *text, size_t room)
{
    const tm_trace_t trace = {0, 12, 3, tb};
    const tm_statistic_t stat = {tb, 12, 3, 0};
    const tm_statistic_diff_t diff = {tb, 12, 12, 3, 3, 0};
    switch (kind) {
    case 0:
        return tm_trace_format(&trace, text, room);
    case 1:
        return tm_statistic_format(&stat, text, room);
    default:
        return tm_statistic_diff_format(&diff, text, room);
    }
}

Test(format, short_buffers)
{
    static const char *const WHOLE[] = {
        "a.c:1: 12 B", "a.c:1: size=12 B, count=3, average=4 B",
        "a.c:1: size=12 B (+12 B), count=3 (+3), average=4 B"};
    tm_trace_t trace = one_trace("1:a.c");
    for (int kind = 0; kind < 3; kind++) {
        size_t len = strlen(WHOLE[kind]);
        for (size_t room = 0; room <= len + 1; room++) {
            char text[100];
            memset(text, '#', sizeof text);
            cr_assert_eq(format_any(kind, trace.traceback, text, room), (int)len);
            size_t shown = room == 0 ? 0 : room - 1;
            cr_assert_eq(strncmp(text, WHOLE[kind], shown), 0);
            cr_assert_eq(text[shown], room == 0 ? '#' : '\0');
            cr_assert_eq(text[room], '#', "nothing behind the buffer");
        }
        cr_assert_eq(format_any(kind, trace.traceback, NULL, 0), (int)len);
    }
}

Test(format, symbols_that_fail_are_an_error)
{
    tm_trace_t trace = one_trace("?");
    char text[100];
    resolve_result = -ENOMEM;
    for (int kind = 0; kind < 3; kind++) {
        cr_assert_eq(format_any(kind, trace.traceback, text, sizeof text), -ENOMEM);
    }
    resolve_result = 0;
    cr_assert_gt(format_any(0, trace.traceback, text, sizeof text), 0);
    cr_assert_str_eq(text, "<unknown>:0: 12 B");
}
