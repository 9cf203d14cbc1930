/* SPDX-License-Identifier: MIT */
/*
 * What options select of a snapshot file. Files and lines are tried in
 * integration/cli_reports.sh; here is what a file of text cannot have: domains with
 * names, and every value of a trace.
 *
 *     domain 1 "gpu"    a.c:1    live: 100 bytes in 2     all: 300 in 6
 *     domain 2 "7"      b.c:2          10 bytes in 1            10 in 1
 *     domain 7          c.c:3           0                        5 in 5
 */
#include "cli/selection.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/literal.h"
#include "view/service.h"

static char path[] = "/tmp/tmalloc-selection-XXXXXX";

static void add(struct tm_snapshot *s, tm_domain_t domain, uint64_t bytes,
                uint64_t blocks, uint64_t all_bytes, uint64_t all_blocks,
                const char *frame)
{
    uint64_t values[TMI_VALUE_COUNT] = {
        [TMI_INUSE_BYTES] = bytes,
        [TMI_INUSE_BLOCKS] = blocks,
        [TMI_ALLOC_BYTES] = all_bytes,
        [TMI_ALLOC_BLOCKS] = all_blocks,
    };
    uint32_t location = literal_location(s, frame);
    cr_assert_eq(tmi_snapshot_add_trace(s, domain, values, &location, 1, 1), 0);
}

static void write_file(void)
{
    struct tm_snapshot *s = literal_snapshot(5);
    cr_assert_eq(tmi_snapshot_add_domain(s, 1, "gpu"), 0);
    cr_assert_eq(tmi_snapshot_add_domain(s, 2, "7"), 0);
    add(s, 1, 100, 2, 300, 6, "1:a.c");
    add(s, 2, 10, 1, 10, 1, "2:b.c");
    add(s, 7, 0, 0, 5, 5, "3:c.c");
    tmi_snapshot_finish(s);
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
    cr_assert_eq(tmi_service()->dump(s, path, NULL), 0);
    tm_snapshot_free(s);
}

static void remove_file(void)
{
    unlink(path);
}

TestSuite(selection, .init = write_file, .fini = remove_file);

/* One trace is left, with this size and count. */
static void expect_one(struct tmi_selection selection, uint64_t size, uint64_t count)
{
    tm_snapshot_t *s = tmi_selection_open(&selection, path);
    cr_assert_not_null(s);
    tm_trace_t trace;
    cr_expect_eq(tm_snapshot_trace_count(s), 1);
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    cr_expect_eq(trace.size, size);
    cr_expect_eq(trace.count, count);
    tm_snapshot_free(s);
}

enum { INUSE = 0, ALLOC = 2 };

Test(selection, a_domain_goes_by_its_name_or_number)
{
    const char *name[] = {"gpu"};
    const char *number[] = {"1"};
    const char *both[] = {"7"};
    expect_one((struct tmi_selection){.domain = {name, 1}}, 100, 2);
    expect_one((struct tmi_selection){.domain = {number, 1}}, 100, 2);
    expect_one((struct tmi_selection){.domain = {both, 1}}, 10, 1);
}

Test(selection, what_is_not_live_any_more_is_there_for_other_metrics)
{
    const char *line[] = {"c.c:3"};
    struct tmi_selection third = {.include = {line, 1}, .metric = ALLOC};
    expect_one(third, 5, 5);
    const char *other[] = {"c.c", "b.c"};
    struct tmi_selection first = {.exclude = {other, 2}, .metric = ALLOC};
    expect_one(first, 300, 6);
}

Test(selection, all_numbers_stay_where_all_are_wanted)
{
    const char *name[] = {"gpu"};
    struct tmi_selection gpu = {.domain = {name, 1}, .metric = ALLOC};
    struct tm_snapshot *s = tmi_selection_open_all(&gpu, path);
    cr_assert_not_null(s);
    cr_assert_eq(s->trace_count, 1);
    cr_expect_eq(s->traces[0].values[TMI_INUSE_BYTES], 100);
    cr_expect_eq(s->traces[0].values[TMI_ALLOC_BYTES], 300);
    tm_snapshot_free(s);
}
