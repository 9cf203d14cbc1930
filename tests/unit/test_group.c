/* SPDX-License-Identifier: MIT */
/*
 * Groups by function, module and domain, which tracemalloc does not have: answers by
 * hand, after the rules in tmalloc/snapshot.h. Groups by its own keys are in test_stat.c.
 */
#include "view/group.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tmalloc/snapshot.h"
#include "view/service.h"
#include "view/stat.h"

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

struct row {
    uint64_t size;
    uint64_t count;
    const char *filename;
    const char *function;
    const char *module;
    const char *text;
};

static void expect(const tm_snapshot_t *s, tm_key_t key, bool cumulative,
                   const struct row *rows, size_t n)
{
    tm_statistics_t *st = tm_snapshot_statistics(s, key, cumulative);
    cr_assert_not_null(st);
    cr_assert(tmi_snapshot_check(st->home));
    cr_assert_eq(tm_statistics_count(st), n);
    for (size_t i = 0; i < n; i++) {
        tm_statistic_t stat;
        tm_frame_t frame;
        char text[200];
        cr_assert_eq(tm_statistics_get(st, i, &stat), 0);
        cr_assert_eq(tm_traceback_len(stat.traceback), 1);
        cr_assert_eq(tm_traceback_frame(stat.traceback, 0, &frame), 0);
        tm_statistic_format(&stat, text, sizeof text);
        cr_expect_eq(stat.size, rows[i].size, "row %zu: %s", i, text);
        cr_expect_eq(stat.count, rows[i].count, "row %zu: %s", i, text);
        cr_expect_str_eq(frame.filename, rows[i].filename, "row %zu", i);
        cr_expect_str_eq(frame.function, rows[i].function, "row %zu", i);
        cr_expect_str_eq(frame.module, rows[i].module, "row %zu", i);
        cr_expect_str_eq(text, rows[i].text, "row %zu", i);
        cr_expect_eq(frame.lineno, 0);
    }
    tm_statistics_free(st);
}

#define EXPECT(s, key, cumulative, rows)                                                 \
    expect(s, key, cumulative, rows, sizeof(rows) / sizeof *(rows))

static const tm_frame_t MAIN = {"main.c", 1, "main", "prog", 0};
static const tm_frame_t RUN_A = {"a.c", 5, "run", "prog", 0};
static const tm_frame_t RUN_A6 = {"a.c", 6, "run", "prog", 0};
static const tm_frame_t RUN_B = {"b.c", 7, "run", "libb.so", 0};
static const tm_frame_t NAMELESS = {"b.c", 9, "", "libb.so", 0};
static const tm_frame_t CODE = {NULL, 0, NULL, "libz.so", 77};
static const tm_frame_t NOWHERE = {NULL, 0, NULL, NULL, 0};

static tm_snapshot_t *traces(void)
{
    tm_snapshot_t *s = tm_snapshot_new(25);
    const tm_frame_t a[] = {MAIN, RUN_A};
    const tm_frame_t deep[] = {MAIN, RUN_A, RUN_A6, RUN_A};
    const tm_frame_t b[] = {MAIN, RUN_A, RUN_B};
    const tm_frame_t unnamed[] = {MAIN, NAMELESS};
    const tm_frame_t code[] = {MAIN, CODE};
    const tm_frame_t nowhere[] = {NOWHERE};
    tm_snapshot_add(s, 0, 1, 1, a, 2, 2);
    tm_snapshot_add(s, 3, 20, 2, deep, 4, 4);
    tm_snapshot_add(s, 0, 300, 3, b, 3, 3);
    tm_snapshot_add(s, 3, 4000, 4, unnamed, 2, 2);
    tm_snapshot_add(s, 5, 50000, 5, code, 2, 2);
    tm_snapshot_add(s, 0, 600000, 6, nowhere, 1, 1);
    return s;
}

Test(group, by_function)
{
    static const struct row ROWS[] = {
        {600000, 6, "<unknown>", "", "",
         "<unknown>: size=586 KiB, count=6, average=97.7 KiB"},
        {50000, 5, "libz.so", "", "libz.so",
         "libz.so: size=48.8 KiB, count=5, average=10000 B"},
        {4000, 4, "b.c", "", "libb.so", "b.c: size=4000 B, count=4, average=1000 B"},
        {321, 6, "<unknown>", "run", "", "run: size=321 B, count=6, average=54 B"},
    };
    tm_snapshot_t *s = traces();
    EXPECT(s, TM_KEY_FUNCTION, false, ROWS);
    tm_snapshot_free(s);
}

/* `run` stands in the second trace three times and in the third twice: once each. */
Test(group, by_function_cumulative)
{
    static const struct row ROWS[] = {
        {600000, 6, "<unknown>", "", "",
         "<unknown>: size=586 KiB, count=6, average=97.7 KiB"},
        {54321, 15, "main.c", "main", "prog",
         "main: size=53.0 KiB, count=15, average=3621 B"},
        {50000, 5, "libz.so", "", "libz.so",
         "libz.so: size=48.8 KiB, count=5, average=10000 B"},
        {4000, 4, "b.c", "", "libb.so", "b.c: size=4000 B, count=4, average=1000 B"},
        {321, 6, "<unknown>", "run", "", "run: size=321 B, count=6, average=54 B"},
    };
    tm_snapshot_t *s = traces();
    EXPECT(s, TM_KEY_FUNCTION, true, ROWS);
    tm_snapshot_free(s);
}

Test(group, by_module)
{
    static const struct row ROWS[] = {
        {600000, 6, "<unknown>", "", "",
         "<unknown>: size=586 KiB, count=6, average=97.7 KiB"},
        {50000, 5, "libz.so", "", "libz.so",
         "libz.so: size=48.8 KiB, count=5, average=10000 B"},
        {4300, 7, "libb.so", "", "libb.so",
         "libb.so: size=4300 B, count=7, average=614 B"},
        {21, 3, "prog", "", "prog", "prog: size=21 B, count=3, average=7 B"},
    };
    static const struct row CUMULATIVE[] = {
        {600000, 6, "<unknown>", "", "",
         "<unknown>: size=586 KiB, count=6, average=97.7 KiB"},
        {54321, 15, "prog", "", "prog", "prog: size=53.0 KiB, count=15, average=3621 B"},
        {50000, 5, "libz.so", "", "libz.so",
         "libz.so: size=48.8 KiB, count=5, average=10000 B"},
        {4300, 7, "libb.so", "", "libb.so",
         "libb.so: size=4300 B, count=7, average=614 B"},
    };
    tm_snapshot_t *s = traces();
    EXPECT(s, TM_KEY_MODULE, false, ROWS);
    EXPECT(s, TM_KEY_MODULE, true, CUMULATIVE);
    tm_snapshot_free(s);
}

Test(group, by_domain)
{
    static const struct row ROWS[] = {
        {600301, 10, "domain 0", "", "",
         "domain 0: size=586 KiB, count=10, average=58.6 KiB"},
        {50000, 5, "domain 5", "", "",
         "domain 5: size=48.8 KiB, count=5, average=10000 B"},
        {4020, 6, "gpu", "", "", "gpu: size=4020 B, count=6, average=670 B"},
    };
    tm_snapshot_t *s = traces();
    tmi_snapshot_add_domain(s, 3, "gpu");
    tmi_snapshot_add_domain(s, 5, "");
    EXPECT(s, TM_KEY_DOMAIN, false, ROWS);
    tm_statistics_t *st = tm_snapshot_statistics(s, TM_KEY_DOMAIN, false);
    tm_statistic_t stat;
    tm_statistics_get(st, 2, &stat);
    cr_assert_eq(stat.domain, 3);
    tm_statistics_get(st, 0, &stat);
    cr_assert_eq(stat.domain, 0);
    tm_statistics_free(st);
    st = tm_snapshot_statistics(s, TM_KEY_LINENO, false);
    for (size_t i = 0; tm_statistics_get(st, i, &stat) == 0; i++) {
        cr_assert_eq(stat.domain, 0, "of a line no domain is told");
    }
    tm_statistics_free(st);
    tm_snapshot_free(s);
}

Test(group, domains_need_no_symbols)
{
    struct tm_snapshot *s = tmi_snapshot_create(1);
    uint32_t raw = (uint32_t)tmi_snapshot_add_location(s, 1, TMI_NO_MODULE);
    const uint64_t values[TMI_VALUE_COUNT] = {1, 1};
    tmi_snapshot_add_trace(s, 7, values, &raw, 1, 1);
    tmi_snapshot_finish(s);
    tm_statistics_free(tm_snapshot_statistics(s, TM_KEY_DOMAIN, false));
    cr_assert_eq(asked_for_symbols, 0);
    tm_statistics_free(tm_snapshot_statistics(s, TM_KEY_MODULE, false));
    cr_assert_eq(asked_for_symbols, 1);
    tm_snapshot_free(s);
}

/* With equal sums the greater name or number comes first. */
Test(group, ties)
{
    tm_snapshot_t *s = tm_snapshot_new(1);
    for (uint32_t i = 0; i < 3; i++) {
        const char *const names[] = {"b", "c", "a"};
        static const tm_domain_t DOMAINS[] = {9, 4294967295, 10};
        const tm_frame_t frame = {"f.c", 1, names[i], names[i], 0};
        tm_snapshot_add(s, DOMAINS[i], 8, 1, &frame, 1, 1);
    }
    static const struct row FUNCTIONS[] = {
        {8, 1, "f.c", "c", "c", "c: size=8 B, count=1, average=8 B"},
        {8, 1, "f.c", "b", "b", "b: size=8 B, count=1, average=8 B"},
        {8, 1, "f.c", "a", "a", "a: size=8 B, count=1, average=8 B"},
    };
    static const struct row DOMAINS[] = {
        {8, 1, "domain 4294967295", "", "",
         "domain 4294967295: size=8 B, count=1, average=8 B"},
        {8, 1, "domain 10", "", "", "domain 10: size=8 B, count=1, average=8 B"},
        {8, 1, "domain 9", "", "", "domain 9: size=8 B, count=1, average=8 B"},
    };
    EXPECT(s, TM_KEY_FUNCTION, false, FUNCTIONS);
    EXPECT(s, TM_KEY_DOMAIN, false, DOMAINS);
    tm_snapshot_free(s);
}

/* A function and a file of one name are two things. */
Test(group, a_function_called_as_a_file)
{
    tm_snapshot_t *s = tm_snapshot_new(1);
    const tm_frame_t function = {"a.c", 1, "b.c", "", 0};
    const tm_frame_t file = {"b.c", 1, "", "", 0};
    tm_snapshot_add(s, 0, 1, 1, &function, 1, 1);
    tm_snapshot_add(s, 0, 2, 1, &file, 1, 1);
    static const struct row ROWS[] = {
        {2, 1, "b.c", "", "", "b.c: size=2 B, count=1, average=2 B"},
        {1, 1, "a.c", "b.c", "", "b.c: size=1 B, count=1, average=1 B"},
    };
    EXPECT(s, TM_KEY_FUNCTION, false, ROWS);
    tm_snapshot_free(s);
}

Test(group, what_can_be_grouped_by)
{
    static const tm_key_t KEYS[] = {TM_KEY_FILENAME, TM_KEY_LINENO, TM_KEY_TRACEBACK,
                                    TM_KEY_FUNCTION, TM_KEY_MODULE, TM_KEY_DOMAIN};
    for (size_t i = 0; i < 6; i++) {
        bool of_frames = KEYS[i] != TM_KEY_TRACEBACK && KEYS[i] != TM_KEY_DOMAIN;
        cr_assert(tmi_groups_possible(KEYS[i], false));
        cr_assert_eq(tmi_groups_possible(KEYS[i], true), of_frames);
    }
    cr_assert_not(tmi_groups_possible((tm_key_t)6, false));
    cr_assert_not(tmi_groups_possible((tm_key_t)1000, true));
}
