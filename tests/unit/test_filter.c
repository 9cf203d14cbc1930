/* SPDX-License-Identifier: MIT */
/*
 * Filters. The table of traces and what is left of it by each list of filters is what
 * Python 3.11's tracemalloc said; traces are told by their size. Then what tracemalloc
 * does not have: inlined calls, symbols that may not be looked up, and that the copy
 * stands alone.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/literal.h"
#include "support/scarcity.h"
#include "tmalloc/snapshot.h"
#include "view/match.h"
#include "view/service.h"
#include "view/snapshot.h"

static int resolve_calls;
static int resolve_result;

static int resolve(struct tm_snapshot *s)
{
    resolve_calls++;
    for (uint32_t i = 0; i < s->location_count && resolve_result == 0; i++) {
        struct tmi_line line = {"found.c", "found", 100 + i};
        if (s->locations[i].nlines == 0) {
            cr_assert_eq(tmi_snapshot_set_lines(s, i, &line, 1), 0);
        }
    }
    return resolve_result;
}

const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.resolve = resolve};
    return &service;
}

/* The sizes of all traces, in their order. */
static const char *sizes(const tm_snapshot_t *s)
{
    static char text[400];
    size_t at = 0;
    text[0] = '\0';
    tm_trace_t trace;
    for (size_t i = 0; tm_snapshot_trace(s, i, &trace) == 0; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", i == 0 ? "" : " ",
                               (int)trace.size);
    }
    return text;
}

static void expect(const tm_snapshot_t *s, const tm_filter_t *filters, size_t n,
                   const char *left)
{
    tm_snapshot_t *filtered = tm_snapshot_filter_traces(s, filters, n);
    cr_assert_not_null(filtered);
    cr_expect_str_eq(sizes(filtered), left);
    cr_assert(tmi_snapshot_check(filtered));
    tm_snapshot_free(filtered);
}

#define EXPECT(s, left, ...)                                                             \
    do {                                                                                 \
        const tm_filter_t filters[] = {__VA_ARGS__};                                     \
        expect(s, filters, sizeof filters / sizeof *filters, left);                      \
    } while (0)

static tm_snapshot_t *python_set(void)
{
    tm_snapshot_t *s = literal_snapshot(25);
    literal_trace(s, 0, 1, 1, "1:main.c 5:a.c");
    literal_trace(s, 3, 2, 1, "1:main.c 5:a.c");
    literal_trace(s, 0, 3, 1, "1:main.c 5:a.c 7:b.c");
    literal_trace(s, 3, 4, 1, "1:main.c 7:b.c");
    literal_trace(s, 0, 5, 1, "2:main.c 9:a.c");
    literal_trace(s, 5, 6, 1, "0:lib.pyc");
    literal_trace(s, 0, 7, 1, "5:b.c 7:main.c");
    tmi_snapshot_finish(s);
    return s;
}

/* ---- one filter -------------------------------------------------------------------- */

Test(filter, by_name_of_the_newest_frame)
{
    tm_snapshot_t *s = python_set();
    EXPECT(s, "1 2 5", {.inclusive = true, .filename_pattern = "a.c"});
    EXPECT(s, "3 4 6 7", {.filename_pattern = "a.c"});
    EXPECT(s, "1 2 3 4 5", {.inclusive = true, .filename_pattern = "?.c"});
    EXPECT(s, "6", {.inclusive = true, .filename_pattern = "*.py"});
    EXPECT(s, "", {.inclusive = true, .filename_pattern = ""});
    EXPECT(s, "1 2 3 4 5 6 7", {.filename_pattern = ""});
    tm_snapshot_free(s);
}

Test(filter, by_any_frame)
{
    tm_snapshot_t *s = python_set();
    EXPECT(s, "1 2 3 5",
           {.inclusive = true, .filename_pattern = "a.c", .all_frames = true});
    EXPECT(s, "4 6 7", {.filename_pattern = "a.c", .all_frames = true});
    EXPECT(s, "6", {.filename_pattern = "main.c", .all_frames = true});
    tm_snapshot_free(s);
}

Test(filter, name_and_line_in_the_same_frame)
{
    tm_snapshot_t *s = python_set();
    EXPECT(
        s, "1 2",
        {.inclusive = true, .filename_pattern = "a.c", .has_lineno = true, .lineno = 5});
    EXPECT(
        s, "",
        {.inclusive = true, .filename_pattern = "a.c", .has_lineno = true, .lineno = 0});
    EXPECT(s, "6",
           {.inclusive = true, .filename_pattern = "*", .has_lineno = true, .lineno = 0});
    EXPECT(s, "3 4 5 6 7", {.filename_pattern = "a.c", .has_lineno = true, .lineno = 5});
    /* a.c is in trace 3, and so is line 7, but not in one frame. */
    EXPECT(s, "",
           {.inclusive = true,
            .all_frames = true,
            .filename_pattern = "a.c",
            .has_lineno = true,
            .lineno = 7});
    EXPECT(s, "3 4",
           {.inclusive = true,
            .all_frames = true,
            .filename_pattern = "b.c",
            .has_lineno = true,
            .lineno = 7});
    tm_snapshot_free(s);
}

Test(filter, by_domain)
{
    tm_snapshot_t *s = python_set();
    EXPECT(s, "2 4", {.inclusive = true, .has_domain = true, .domain = 3});
    EXPECT(s, "1 3 5 6 7", {.has_domain = true, .domain = 3});
    EXPECT(s, "1 3 5 7", {.inclusive = true, .has_domain = true, .domain = 0});
    EXPECT(s, "", {.inclusive = true, .has_domain = true, .domain = 9});
    tm_snapshot_free(s);
}

/* An exclusive filter with a domain lets all of the other domains through. */
Test(filter, by_name_and_domain)
{
    tm_snapshot_t *s = python_set();
    EXPECT(
        s, "2",
        {.inclusive = true, .filename_pattern = "a.c", .has_domain = true, .domain = 3});
    EXPECT(s, "1 3 4 5 6 7",
           {.filename_pattern = "a.c", .has_domain = true, .domain = 3});
    tm_snapshot_free(s);
}

/* ---- several ----------------------------------------------------------------------- */

Test(filter, inclusive_ones_are_alternatives_of_whatever_kind)
{
    tm_snapshot_t *s = python_set();
    EXPECT(s, "1 2 4 5", {.inclusive = true, .filename_pattern = "a.c"},
           {.inclusive = true, .has_domain = true, .domain = 3});
    EXPECT(s, "1 2 4 5", {.inclusive = true, .has_domain = true, .domain = 3},
           {.inclusive = true, .filename_pattern = "a.c"});
    EXPECT(s, "1 2 3 4 5", {.inclusive = true, .filename_pattern = "a.c"},
           {.inclusive = true, .filename_pattern = "b.c"});
    tm_snapshot_free(s);
}

Test(filter, each_exclusive_one_counts)
{
    tm_snapshot_t *s = python_set();
    EXPECT(s, "6 7", {.filename_pattern = "a.c"}, {.filename_pattern = "b.c"});
    EXPECT(s, "3 7", {.filename_pattern = "a.c"}, {.has_domain = true, .domain = 3},
           {.has_domain = true, .domain = 5});
    tm_snapshot_free(s);
}

Test(filter, both_signs)
{
    tm_snapshot_t *s = python_set();
    EXPECT(s, "1 5", {.inclusive = true, .filename_pattern = "a.c"},
           {.has_domain = true, .domain = 3});
    EXPECT(s, "1 5", {.has_domain = true, .domain = 3},
           {.inclusive = true, .filename_pattern = "a.c"});
    EXPECT(s, "", {.inclusive = true, .filename_pattern = "a.c"},
           {.filename_pattern = "a.c"});
    tm_snapshot_free(s);
}

Test(filter, a_condition_without_restriction)
{
    tm_snapshot_t *s = python_set();
    EXPECT(s, "1 2 3 4 5 6 7", {.inclusive = true});
    EXPECT(s, "", {.inclusive = false});
    EXPECT(s, "3 4 7", {.inclusive = true, .has_lineno = true, .lineno = 7});
    tm_snapshot_free(s);
}

/* ---- the copy ---------------------------------------------------------------------- */

Test(filter, none_is_a_copy)
{
    tm_snapshot_t *s = literal_snapshot(7);
    struct tmi_module module = {.name = "/lib/libx.so",
                                .build_id = (const uint8_t *)"\xAB\xCD",
                                .build_id_bytes = 2,
                                .start = 1,
                                .limit = 9,
                                .offset = 3};
    uint32_t m = (uint32_t)tmi_snapshot_add_module(s, &module);
    uint32_t l = (uint32_t)tmi_snapshot_add_location(s, 5, m);
    struct tmi_line lines[] = {{"i.h", "inner", 1}, {"o.c", "outer", 2}};
    tmi_snapshot_set_lines(s, l, lines, 2);
    const uint64_t values[TMI_VALUE_COUNT] = {1, 2, 3, 4, 5};
    const uint64_t dead[TMI_VALUE_COUNT] = {0, 0, 30, 40, 50};
    tmi_snapshot_add_trace(s, 6, dead, &l, 1, 1);
    tmi_snapshot_add_trace(s, 6, values, &l, 1, 99);
    tmi_snapshot_add_domain(s, 6, "gpu");
    s->about.kind = tmi_snapshot_text(s, "peak", 4);
    s->about.command = tmi_snapshot_text(s, "prog -x", 7);
    s->about.pid = 42;
    s->about.peak = 1000;
    tmi_snapshot_finish(s);
    tm_snapshot_t *copy = tm_snapshot_filter_traces(s, NULL, 0);
    tm_snapshot_free(s);
    cr_assert(tmi_snapshot_check(copy));
    cr_assert_eq(tm_snapshot_traceback_limit(copy), 7);
    cr_assert_str_eq(copy->about.kind, "peak");
    cr_assert_str_eq(copy->about.command, "prog -x");
    cr_assert_eq(copy->about.pid, 42);
    cr_assert_eq(copy->about.peak, 1000);
    cr_assert_str_eq(copy->domains[0].name, "gpu");
    cr_assert_eq(copy->live_count, 1);
    cr_assert_eq(copy->trace_count, 2, "also what is not live any more");
    cr_assert_eq(memcmp(copy->traces[0].values, values, sizeof values), 0);
    cr_assert_eq(memcmp(copy->traces[1].values, dead, sizeof dead), 0);
    cr_assert_eq(copy->traces[0].domain, 6);
    cr_assert_eq(copy->traces[0].traceback.total_nframe, 99);
    cr_assert_eq(copy->module_count, 1);
    cr_assert_str_eq(copy->modules[0].name, "/lib/libx.so");
    cr_assert_eq(memcmp(copy->modules[0].build_id, "\xAB\xCD", 2), 0);
    cr_assert_eq(copy->modules[0].offset, 3);
    cr_assert_eq(copy->location_count, 1);
    cr_assert_eq(copy->locations[0].nlines, 2);
    cr_assert_str_eq(copy->lines[1].function, "outer");
    tm_snapshot_free(copy);
}

Test(filter, only_what_is_needed_is_copied)
{
    tm_snapshot_t *s = literal_snapshot(1);
    for (int i = 0; i < 3; i++) {
        char name[] = "module 0";
        name[7] = (char)('0' + i);
        struct tmi_module module = {.name = name};
        struct tmi_line line = {name, "", 1};
        uint32_t m = (uint32_t)tmi_snapshot_add_module(s, &module);
        uint32_t l = (uint32_t)tmi_snapshot_add_location(s, 1, m);
        tmi_snapshot_set_lines(s, l, &line, 1);
        const uint64_t values[TMI_VALUE_COUNT] = {1, 1};
        tmi_snapshot_add_trace(s, 0, values, &l, 1, 1);
    }
    tmi_snapshot_finish(s);
    const tm_filter_t filter = {.inclusive = true, .filename_pattern = "module 1"};
    tm_snapshot_t *filtered = tm_snapshot_filter_traces(s, &filter, 1);
    cr_assert_eq(filtered->trace_count, 1);
    cr_assert_eq(filtered->module_count, 1);
    cr_assert_eq(filtered->location_count, 1);
    cr_assert_str_eq(filtered->modules[0].name, "module 1");
    cr_assert_eq(tm_snapshot_trace_count(s), 3, "the original has all");
    tm_snapshot_free(filtered);
    tm_snapshot_free(s);
}

/* "5:i.h<6:j.c" is the call of i.h inlined into j.c: i.h is newer. */
Test(filter, inlined_calls_are_frames)
{
    tm_snapshot_t *s = literal_snapshot(25);
    literal_trace(s, 0, 1, 1, "1:m.c 5:i.h<6:j.c");
    literal_trace(s, 0, 2, 1, "1:m.c 6:j.c");
    tmi_snapshot_finish(s);
    EXPECT(s, "1", {.inclusive = true, .filename_pattern = "i.h"});
    EXPECT(s, "2", {.inclusive = true, .filename_pattern = "j.c"});
    EXPECT(s, "1 2", {.inclusive = true, .filename_pattern = "j.c", .all_frames = true});
    tm_snapshot_free(s);
}

/* ---- symbols ----------------------------------------------------------------------- */

Test(filter, domains_alone_need_no_symbols)
{
    tm_snapshot_t *s = literal_snapshot(1);
    literal_trace(s, 1, 10, 1, "?");
    literal_trace(s, 2, 20, 1, "?");
    tmi_snapshot_finish(s);
    const tm_filter_t filter = {.inclusive = true, .has_domain = true, .domain = 2};
    tm_snapshot_t *filtered = tm_snapshot_filter_traces(s, &filter, 1);
    cr_assert_eq(resolve_calls, 0);
    cr_assert_str_eq(sizes(filtered), "20");
    tm_trace_t trace;
    tm_snapshot_trace(filtered, 0, &trace);
    cr_assert_str_eq(literal_frames(trace.traceback), "100:found.c", "asked for now");
    cr_assert_eq(resolve_calls, 1);
    tm_snapshot_free(filtered);
    EXPECT(s, "10 20", {.inclusive = true, .filename_pattern = "found.c"});
    cr_assert_eq(resolve_calls, 2, "once for the original, never for its copy");
    tm_snapshot_free(s);
}

Test(filter, symbols_that_fail_are_an_error)
{
    tm_snapshot_t *s = literal_snapshot(1);
    literal_trace(s, 1, 10, 1, "?");
    tmi_snapshot_finish(s);
    resolve_result = -ENOMEM;
    const tm_filter_t filter = {.inclusive = true, .filename_pattern = "*"};
    errno = 0;
    cr_assert_null(tm_snapshot_filter_traces(s, &filter, 1));
    cr_assert_eq(errno, ENOMEM);
    tm_snapshot_free(s);
}

/* ---- errors ------------------------------------------------------------------------ */

Test(filter, filters_have_to_be_there)
{
    tm_snapshot_t *s = python_set();
    errno = 0;
    cr_assert_null(tm_snapshot_filter_traces(s, NULL, 1));
    cr_assert_eq(errno, EINVAL);
    tm_snapshot_free(s);
}

/* From too little to enough in small steps: an error, or all of it. */
Test(filter, no_memory)
{
    tm_snapshot_t *s = tm_snapshot_new(3);
    for (uint32_t i = 0; i < 20000; i++) {
        char name[32];
        sprintf(name, "file %u", i % 3000);
        const tm_frame_t frames[] = {{name, i, name, name, i}, {name, 1, "", "", 0}};
        cr_assert_eq(tm_snapshot_add(s, 0, i + 1, 1, frames, 2, 2), 0);
    }
    const tm_filter_t filter = {.inclusive = true, .filename_pattern = "file *"};
    size_t failures = 0;
    tm_snapshot_t *filtered = NULL;
    for (size_t spare = 0; filtered == NULL && spare < 1000; spare++) {
        scarcity_begin(spare * 128 * 1024);
        errno = 0;
        filtered = tm_snapshot_filter_traces(s, &filter, 1);
        int error = errno;
        scarcity_end();
        failures += filtered == NULL;
        cr_assert(filtered != NULL || error == ENOMEM);
    }
    cr_assert_gt(failures, 10);
    cr_assert_eq(tm_snapshot_trace_count(filtered), 20000);
    cr_assert(tmi_snapshot_check(filtered));
    tm_snapshot_free(filtered);
    tm_snapshot_free(s);
}
