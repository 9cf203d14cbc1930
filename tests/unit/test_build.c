/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of a caller's own numbers: what goes in comes out, what is not known is said
 * so, frames are kept once, and what cannot be added leaves the snapshot as it was.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/literal.h"
#include "support/scarcity.h"
#include "tmalloc/snapshot.h"
#include "view/service.h"
#include "view/snapshot.h"

static int asked_for_symbols;

static int resolve(struct tm_snapshot *s)
{
    (void)s;
    asked_for_symbols++;
    return 0;
}

const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.resolve = resolve};
    return &service;
}

static const tm_frame_t MAIN = {"main.c", 10, "main", "/bin/prog", 0x1010};
static const tm_frame_t WORK = {"work.c", 20, "work", "/lib/libwork.so", 0x2020};

Test(build, what_goes_in_comes_out)
{
    tm_snapshot_t *s = tm_snapshot_new(2);
    cr_assert_not_null(s);
    cr_assert_eq(tm_snapshot_trace_count(s), 0);
    cr_assert_eq(tm_snapshot_traceback_limit(s), 2);
    const tm_frame_t frames[] = {MAIN, WORK};
    cr_assert_eq(tm_snapshot_add(s, 7, 4096, 3, frames, 2, 40), 0);
    cr_assert_eq(tm_snapshot_add(s, 0, 5, 1, frames, 1, 0), 0);
    cr_assert_eq(tm_snapshot_trace_count(s), 2);
    tm_trace_t trace;
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    cr_assert_eq(trace.domain, 7);
    cr_assert_eq(trace.size, 4096, "of all blocks together");
    cr_assert_eq(trace.count, 3);
    cr_assert_eq(tm_traceback_len(trace.traceback), 2);
    cr_assert_eq(tm_traceback_total_nframe(trace.traceback), 40);
    cr_assert_eq(tm_traceback_address(trace.traceback, 1), 0x2020);
    tm_frame_t frame;
    cr_assert_eq(tm_traceback_frame(trace.traceback, 0, &frame), 0);
    cr_assert_str_eq(frame.filename, "main.c", "the oldest first");
    cr_assert_eq(frame.lineno, 10);
    cr_assert_str_eq(frame.function, "main");
    cr_assert_str_eq(frame.module, "/bin/prog");
    cr_assert_eq(frame.address, 0x1010);
    cr_assert_eq(tm_snapshot_trace(s, 1, &trace), 0);
    cr_assert_eq(tm_traceback_total_nframe(trace.traceback), 0, "not known");
    cr_assert_str_eq(literal_frames(trace.traceback), "10:main.c");
    cr_assert(tmi_snapshot_check(s));
    cr_assert_eq(asked_for_symbols, 0);
    tm_snapshot_free(s);
}

Test(build, strings_are_copied)
{
    char name[] = "a.c";
    char function[] = "f";
    char module[] = "m";
    tm_frame_t frame = {name, 1, function, module, 0};
    tm_snapshot_t *s = tm_snapshot_new(1);
    cr_assert_eq(tm_snapshot_add(s, 0, 1, 1, &frame, 1, 1), 0);
    name[0] = function[0] = module[0] = '#';
    tm_trace_t trace;
    tm_snapshot_trace(s, 0, &trace);
    tm_traceback_frame(trace.traceback, 0, &frame);
    cr_assert_str_eq(frame.filename, "a.c");
    cr_assert_str_eq(frame.function, "f");
    cr_assert_str_eq(frame.module, "m");
    tm_snapshot_free(s);
}

Test(build, what_is_not_known)
{
    static const struct {
        tm_frame_t in, out;
    } ROWS[] = {
        {{NULL, 5, NULL, NULL, 0}, {"<unknown>", 0, "", "", 0}},
        {{NULL, 5, "f", "", 9}, {"<unknown>", 0, "f", "", 9}},
        {{NULL, 5, "f", "lib.so", 9}, {"lib.so", 0, "f", "lib.so", 9}},
        {{"", 5, NULL, NULL, 0}, {"", 5, "", "", 0}},
        {{"", 0, "", "lib.so", 0}, {"", 0, "", "lib.so", 0}},
        {{"<unknown>", 7, "", "", 0}, {"<unknown>", 7, "", "", 0}},
        {{"a.c", 4294967295, "", "", 0}, {"a.c", 4294967295, "", "", 0}},
    };
    tm_snapshot_t *s = tm_snapshot_new(1);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        cr_assert_eq(tm_snapshot_add(s, 0, 1, 1, &ROWS[i].in, 1, 0), 0);
        tm_trace_t trace;
        tm_frame_t frame;
        tm_snapshot_trace(s, i, &trace);
        tm_traceback_frame(trace.traceback, 0, &frame);
        cr_expect_str_eq(frame.filename, ROWS[i].out.filename, "row %zu", i);
        cr_expect_eq(frame.lineno, ROWS[i].out.lineno, "row %zu", i);
        cr_expect_str_eq(frame.function, ROWS[i].out.function, "row %zu", i);
        cr_expect_str_eq(frame.module, ROWS[i].out.module, "row %zu", i);
        cr_expect_eq(frame.address, ROWS[i].out.address, "row %zu", i);
    }
    cr_assert(tmi_snapshot_check(s));
    cr_assert_eq(asked_for_symbols, 0);
    tm_snapshot_free(s);
}

Test(build, limits)
{
    static const int WRONG[] = {-1, 0, 65536};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        errno = 0;
        cr_assert_null(tm_snapshot_new(WRONG[i]));
        cr_assert_eq(errno, EINVAL);
    }
    tm_snapshot_free(tm_snapshot_new(65535));
    tm_snapshot_t *s = tm_snapshot_new(1);
    static tm_frame_t frames[65536];
    cr_assert_eq(tm_snapshot_add(s, 0, 1, 1, NULL, 0, 0), -EINVAL, "no frames");
    cr_assert_eq(tm_snapshot_add(s, 0, 1, 1, frames, 2, 1), -EINVAL, "total below");
    cr_assert_eq(tm_snapshot_add(s, 0, 1, 1, frames, 1, 65536), -EINVAL);
    cr_assert_eq(tm_snapshot_add(s, 0, 1, 1, frames, 65536, 0), -EINVAL);
    cr_assert_eq(tm_snapshot_trace_count(s), 0);
    cr_assert_eq(tm_snapshot_add(s, 4294967295, 1, 1, frames, 65535, 65535), 0);
    cr_assert_eq(tm_snapshot_trace_count(s), 1, "more frames than the limit are fine");
    cr_assert(tmi_snapshot_check(s));
    tm_snapshot_free(s);
}

Test(build, nothing_is_passed_over)
{
    tm_snapshot_t *s = tm_snapshot_new(1);
    cr_assert_eq(tm_snapshot_add(s, 0, 0, 0, &MAIN, 1, 1), 0);
    cr_assert_eq(tm_snapshot_trace_count(s), 0);
    cr_assert_eq(tm_snapshot_add(s, 0, 0, 2, &MAIN, 1, 1), 0, "blocks without bytes");
    cr_assert_eq(tm_snapshot_add(s, 0, 9, 0, &MAIN, 1, 1), 0, "bytes without blocks");
    cr_assert_eq(tm_snapshot_trace_count(s), 2);
    cr_assert_eq(tm_snapshot_add(s, 0, 0, 0, NULL, 0, 0), -EINVAL, "errors come first");
    tm_snapshot_free(s);
}

Test(build, only_snapshots_from_here_take_more)
{
    tm_snapshot_t *taken = literal_snapshot(1);
    literal_trace(taken, 0, 1, 1, "1:a.c");
    tmi_snapshot_finish(taken);
    cr_assert_eq(tm_snapshot_add(taken, 0, 1, 1, &MAIN, 1, 1), -EPERM);
    tm_snapshot_t *s = tm_snapshot_new(1);
    tm_snapshot_t *copy = tm_snapshot_filter_traces(s, NULL, 0);
    cr_assert_eq(tm_snapshot_add(copy, 0, 1, 1, &MAIN, 1, 1), -EPERM);
    tm_snapshot_free(copy);
    tm_snapshot_free(s);
    tm_snapshot_free(taken);
}

Test(build, equal_frames_are_one_location)
{
    tm_snapshot_t *s = tm_snapshot_new(1);
    const tm_frame_t frames[] = {
        MAIN,
        WORK,
        MAIN,
        {"main.c", 11, "main", "/bin/prog", 0x1010},
        {"main.c", 10, "main2", "/bin/prog", 0x1010},
        {"main.c", 10, "main", "/bin/prog2", 0x1010},
        {"main.c", 10, "main", "/bin/prog", 0x1011},
        {"main2.c", 10, "main", "/bin/prog", 0x1010},
        {"main.c", 10, "main", "/lib/libwork.so", 0x1010},
    };
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(tm_snapshot_add(s, 0, 1, 1, frames, 9, 9), 0);
    }
    cr_assert_eq(s->location_count, 8);
    cr_assert_eq(s->module_count, 3);
    cr_assert_eq(tm_snapshot_trace_count(s), 3, "traces stay apart");
    for (uint32_t i = 0; i < 20000; i++) {
        tm_frame_t frame = {"many.c", i / 2, "", "", 0};
        cr_assert_eq(tm_snapshot_add(s, 0, i + 1, 1, &frame, 1, 1), 0);
    }
    cr_assert_eq(s->location_count, 10008);
    cr_assert(tmi_snapshot_check(s));
    tm_trace_t trace;
    tm_snapshot_trace(s, 2, &trace);
    cr_assert_str_eq(literal_frames(trace.traceback),
                     "10:main.c 20:work.c 10:main.c 11:main.c 10:main.c 10:main.c "
                     "10:main.c 10:main2.c 10:main.c");
    tm_snapshot_trace(s, 20002, &trace);
    cr_assert_eq(trace.size, 20000);
    cr_assert_str_eq(literal_frames(trace.traceback), "9999:many.c");
    tm_snapshot_free(s);
}

Test(build, current_is_the_sum)
{
    tm_snapshot_t *s = tm_snapshot_new(1);
    tm_snapshot_add(s, 0, 100, 1, &MAIN, 1, 1);
    tm_snapshot_add(s, 1, 11, 1, &WORK, 1, 1);
    cr_assert_eq(s->about.current, 111);
    cr_assert_eq(s->about.peak, 111);
    tm_snapshot_add(s, 1, UINT64_MAX, 1, &WORK, 1, 1);
    cr_assert_eq(s->about.current, UINT64_MAX, "does not wrap");
    tm_snapshot_free(s);
}

/* ---- memory ------------------------------------------------------------------------ */

static int add_one(tm_snapshot_t *s, uint32_t i)
{
    char text[32];
    sprintf(text, "file %u", i);
    const tm_frame_t frames[] = {{text, i, text, text, i}, {text, i + 1, "f", "m", i}};
    return tm_snapshot_add(s, i, i + 1, 1, frames, 2, 2);
}

/* Wherever memory ends, all that was added is there, and more can be added later. */
Test(build, no_memory_adds_nothing)
{
    for (size_t spare = 1; spare < 30; spare++) {
        tm_snapshot_t *s = tm_snapshot_new(1);
        scarcity_begin(spare * 300 * 1024);
        int err = 0;
        uint32_t added = 0;
        while ((err = add_one(s, added)) == 0) {
            added++;
        }
        scarcity_end();
        cr_assert_eq(err, -ENOMEM);
        cr_assert_eq(tm_snapshot_trace_count(s), added);
        cr_assert_eq(add_one(s, added), 0);
        cr_assert(tmi_snapshot_check(s));
        tm_trace_t trace;
        char wanted[80];
        sprintf(wanted, "%u:file %u %u:file %u", added, added, added + 1, added);
        cr_assert_eq(tm_snapshot_trace(s, added, &trace), 0);
        cr_assert_str_eq(literal_frames(trace.traceback), wanted);
        tm_snapshot_free(s);
    }
}
