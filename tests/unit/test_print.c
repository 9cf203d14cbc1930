/* SPDX-License-Identifier: MIT */
/*
 * Snapshots built by hand and the exact text that they must give. The words are those of
 * tracemalloc's documentation and its size rules; the sums are small enough to check by
 * head:
 *
 *     main.c:10 -> a.c:71        4,971,520 bytes in 39,328 blocks
 *               -> b.c:5             1,000 bytes in 3
 *               -> libz (inflate)      500 bytes in 1      no debug info
 *               -> libz (deflate)      300 bytes in 2      no debug info
 */
#include "cli/print.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "view/service.h"
#include "view/snapshot.h"

/* Every symbol here is literal: nobody may be asked for more. */
const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static tm_snapshot_t *snapshot;
static uint32_t module;

static uint32_t add_location(const char *filename, uint32_t lineno, const char *function)
{
    struct tmi_line line = {filename, function, lineno};
    int64_t location = tmi_snapshot_add_location(
        snapshot, 0x1000 + snapshot->location_count, *filename ? TMI_NO_MODULE : module);
    cr_assert_geq(location, 0);
    cr_assert_eq(tmi_snapshot_set_lines(snapshot, (uint32_t)location, &line, 1), 0);
    return (uint32_t)location;
}

static void add_trace(uint64_t size, uint64_t count, uint32_t newest, uint32_t oldest)
{
    uint64_t numbers[TMI_VALUE_COUNT] = {
        [TMI_INUSE_BYTES] = size, [TMI_INUSE_BLOCKS] = count};
    uint32_t frames[] = {newest, oldest};
    cr_assert_eq(tmi_snapshot_add_trace(snapshot, 0, numbers, frames, 2, 2), 0);
}

static void begin(void)
{
    struct tmi_module libz = {
        .name = "/usr/lib/libz.so.1", .start = 0, .limit = 0x100000};
    snapshot = tmi_snapshot_create(25);
    cr_assert_not_null(snapshot);
    module = (uint32_t)tmi_snapshot_add_module(snapshot, &libz);
}

static void begin_example(void)
{
    begin();
    uint32_t caller = add_location("/nowhere/main.c", 10, "main");
    add_trace(1000, 3, add_location("/nowhere/b.c", 5, "load"), caller);
    add_trace(300, 2, add_location("", 0, "deflate"), caller);
    add_trace(4971520, 39328, add_location("/nowhere/a.c", 71, "parse"), caller);
    add_trace(500, 1, add_location("", 0, "inflate"), caller);
    tmi_snapshot_finish(snapshot);
}

typedef void print_function(FILE *out, const struct tmi_listing *list);

static void expect(print_function *print, struct tmi_listing list, const char *expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    list.snapshot = snapshot;
    list.indent = list.indent == NULL ? "" : list.indent;
    list.metric = list.metric == NULL ? tmi_metric_at(0) : list.metric;
    cr_assert_eq(tmi_listing_make(&list), 0);
    print(out, &list);
    fclose(out);
    cr_expect_str_eq(text, expected, "got:\n%s", text);
    tmi_listing_release(&list);
    free(text);
}

#define LIST(...) ((struct tmi_listing){__VA_ARGS__})

Test(print, lines_in_the_words_of_tracemalloc)
{
    begin_example();
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO),
           "/nowhere/a.c:71: size=4855 KiB, count=39328, average=126 B\n"
           "/nowhere/b.c:5: size=1000 B, count=3, average=333 B\n"
           "/usr/lib/libz.so.1:0 (inflate and 1 other function): size=800 B, count=3, "
           "average=267 B\n"
           "Total: size=4857 KiB, count=39334\n");
}

Test(print, the_limit_leaves_a_rest)
{
    begin_example();
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO, .limit = 1, .indent = "  "),
           "  /nowhere/a.c:71: size=4855 KiB, count=39328, average=126 B\n"
           "  2 other: size=1800 B, count=6\n"
           "  Total: size=4857 KiB, count=39334\n");
    expect(tmi_print_tsv, LIST(.key = TM_KEY_LINENO, .limit = 2),
           "4971520\t39328\t71:/nowhere/a.c\n"
           "1000\t3\t5:/nowhere/b.c\n");
}

Test(print, a_limit_beyond_the_end_leaves_none)
{
    begin_example();
    expect(tmi_print_tsv, LIST(.key = TM_KEY_LINENO, .limit = 4),
           "4971520\t39328\t71:/nowhere/a.c\n"
           "1000\t3\t5:/nowhere/b.c\n"
           "800\t3\t0:/usr/lib/libz.so.1\n");
    expect(tmi_print_text, LIST(.key = TM_KEY_FILENAME, .limit = 3),
           "/nowhere/a.c:0: size=4855 KiB, count=39328, average=126 B\n"
           "/nowhere/b.c:0: size=1000 B, count=3, average=333 B\n"
           "/usr/lib/libz.so.1:0: size=800 B, count=3, average=267 B\n"
           "Total: size=4857 KiB, count=39334\n");
}

Test(print, cumulative_groups_overlap_so_that_their_rest_has_no_sum)
{
    begin_example();
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO, .cumulative = true, .limit = 1),
           "/nowhere/main.c:10: size=4857 KiB, count=39334, average=126 B\n"
           "3 other\n"
           "Total: size=4857 KiB, count=39334\n");
}

Test(print, tracebacks_stand_below_their_amount)
{
    begin_example();
    expect(tmi_print_text, LIST(.key = TM_KEY_TRACEBACK, .limit = 2, .indent = "> "),
           "> size=4855 KiB, count=39328, average=126 B\n"
           ">   File \"/nowhere/main.c\", line 10, in main\n"
           ">   File \"/nowhere/a.c\", line 71, in parse\n"
           "> size=1000 B, count=3, average=333 B\n"
           ">   File \"/nowhere/main.c\", line 10, in main\n"
           ">   File \"/nowhere/b.c\", line 5, in load\n"
           "> 1 other: size=800 B, count=3\n"
           "> Total: size=4857 KiB, count=39334\n");
    expect(tmi_print_tsv, LIST(.key = TM_KEY_TRACEBACK, .limit = 1),
           "4971520\t39328\t10:/nowhere/main.c 71:/nowhere/a.c\n");
}

Test(print, no_traces)
{
    begin();
    tmi_snapshot_finish(snapshot);
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO), "Total: size=0 B, count=0\n");
    expect(tmi_print_text, LIST(.key = TM_KEY_TRACEBACK), "Total: size=0 B, count=0\n");
    expect(tmi_print_tsv, LIST(.key = TM_KEY_LINENO), "");
}

Test(print, blocks_of_no_bytes_have_an_average)
{
    begin();
    uint32_t place = add_location("/nowhere/a.c", 1, "f");
    add_trace(0, 2, place, place);
    tmi_snapshot_finish(snapshot);
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO),
           "/nowhere/a.c:1: size=0 B, count=2, average=0 B\n"
           "Total: size=0 B, count=2\n");
}

Test(print, names_are_percent_encoded_for_programs)
{
    begin();
    uint32_t caller = add_location("<unknown>", 0, "");
    add_trace(1, 1, add_location("/d-1/A_z.9/a b\t%\xc3\xbc~+:\n.c", 4294967295, "f"),
              caller);
    tmi_snapshot_finish(snapshot);
    expect(tmi_print_tsv, LIST(.key = TM_KEY_TRACEBACK),
           "1\t1\t0:<unknown> 4294967295:/d-1/A_z.9/a%20b%09%25%C3%BC%7E%2B%3A%0A.c\n");
}

Test(print, a_terminal_gets_no_control_characters)
{
    begin();
    uint32_t place = add_location("/a\x1b[31m\n\x7f\xc3\xbc.c", 3, "f");
    add_trace(1, 1, place, place);
    add_trace(2, 1, add_location("", 0, "g\x1b[0m"), place);
    tmi_snapshot_finish(snapshot);
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO),
           "/usr/lib/libz.so.1:0 (g?[0m): size=2 B, count=1, average=2 B\n"
           "/a?[31m??\xc3\xbc.c:3: size=1 B, count=1, average=1 B\n"
           "Total: size=3 B, count=2\n");
}

Test(print, source_lines_are_shown_where_there_are_sources)
{
    char path[] = "/tmp/tmalloc-print-XXXXXX";
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, "int a;\n  p = malloc(9);\n", 24), 24);
    close(file);
    begin();
    uint32_t place = add_location(path, 2, "f");
    add_trace(9, 1, place, add_location("/nowhere/main.c", 10, "main"));
    tmi_snapshot_finish(snapshot);
    char text[256];
    snprintf(text, sizeof(text),
             "size=9 B, count=1, average=9 B\n"
             "  File \"/nowhere/main.c\", line 10, in main\n"
             "  File \"%s\", line 2, in f\n"
             "    p = malloc(9);\n"
             "Total: size=9 B, count=1\n",
             path);
    expect(tmi_print_text, LIST(.key = TM_KEY_TRACEBACK), text);
    unlink(path);
}

Test(print, a_place_without_a_line_names_its_biggest_function)
{
    begin();
    uint32_t caller = add_location("/nowhere/main.c", 10, "main");
    /* `small` is called from two places: 6 bytes together, more than `big` alone. */
    add_trace(4, 1, add_location("", 0, "big"), caller);
    add_trace(3, 1, add_location("", 0, "small"), caller);
    add_trace(3, 1, add_location("", 0, "small"), caller);
    add_trace(9, 1, add_location("", 0, ""), caller);
    tmi_snapshot_finish(snapshot);
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO),
           "/usr/lib/libz.so.1:0 (small and 2 other functions): size=19 B, count=4, "
           "average=5 B\n"
           "Total: size=19 B, count=4\n");
}

Test(print, a_place_without_line_and_functions_stays_bare)
{
    begin();
    uint32_t place = add_location("", 0, "");
    add_trace(9, 1, place, place);
    tmi_snapshot_finish(snapshot);
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO),
           "/usr/lib/libz.so.1:0: size=9 B, count=1, average=9 B\n"
           "Total: size=9 B, count=1\n");
}

Test(print, sums_that_do_not_fit_stay_at_the_largest_number)
{
    begin();
    uint32_t caller = add_location("/nowhere/main.c", 10, "main");
    add_trace(UINT64_MAX, 2, add_location("/nowhere/a.c", 1, "f"), caller);
    add_trace(1, UINT64_MAX, add_location("/nowhere/b.c", 1, "g"), caller);
    tmi_snapshot_finish(snapshot);
    struct tmi_listing list = {.snapshot = snapshot};
    struct tmi_amount total = tmi_listing_total(&list);
    cr_expect_eq(total.size, UINT64_MAX);
    cr_expect_eq(total.count, UINT64_MAX);
}

/* ---- other keys -------------------------------------------------------------------- */

Test(print, functions_with_their_file_and_modules_by_name)
{
    begin_example();
    expect(tmi_print_text, LIST(.key = TM_KEY_FUNCTION, .limit = 3),
           "parse (/nowhere/a.c): size=4855 KiB, count=39328, average=126 B\n"
           "load (/nowhere/b.c): size=1000 B, count=3, average=333 B\n"
           "inflate (/usr/lib/libz.so.1): size=500 B, count=1, average=500 B\n"
           "1 other: size=300 B, count=2\n"
           "Total: size=4857 KiB, count=39334\n");
    expect(tmi_print_text, LIST(.key = TM_KEY_MODULE),
           "<unknown>: size=4856 KiB, count=39331, average=126 B\n"
           "/usr/lib/libz.so.1: size=800 B, count=3, average=267 B\n"
           "Total: size=4857 KiB, count=39334\n");
    expect(tmi_print_text, LIST(.key = TM_KEY_DOMAIN),
           "domain 0: size=4857 KiB, count=39334, average=126 B\n"
           "Total: size=4857 KiB, count=39334\n");
    expect(tmi_print_tsv, LIST(.key = TM_KEY_FUNCTION, .limit = 2),
           "4971520\t39328\t0:parse\n"
           "1000\t3\t0:load\n");
    expect(tmi_print_tsv, LIST(.key = TM_KEY_DOMAIN), "4973320\t39334\t0:domain%200\n");
}

/* ---- metrics ----------------------------------------------------------------------- */

static void add_numbers(uint64_t bytes, uint64_t blocks, uint64_t all_bytes,
                        uint64_t all_blocks, uint64_t temporary, uint32_t place)
{
    uint64_t numbers[TMI_VALUE_COUNT] = {[TMI_INUSE_BYTES] = bytes,
                                         [TMI_INUSE_BLOCKS] = blocks,
                                         [TMI_ALLOC_BYTES] = all_bytes,
                                         [TMI_ALLOC_BLOCKS] = all_blocks,
                                         [TMI_TEMPORARY_BLOCKS] = temporary};
    cr_assert_eq(tmi_snapshot_add_trace(snapshot, 0, numbers, &place, 1, 1), 0);
}

/* By a.c: much held; by b.c: many held; by c.c: nothing held, most was allocated. */
static void begin_numbers(void)
{
    begin();
    add_numbers(1000, 1, 1000, 1, 0, add_location("/nowhere/a.c", 1, "a"));
    add_numbers(20, 2, 70, 7, 3, add_location("/nowhere/b.c", 2, "b"));
    add_numbers(0, 0, 5000, 5, 4, add_location("/nowhere/c.c", 3, "c"));
    tmi_snapshot_finish(snapshot);
}

static void expect_metric(int place, const char *expected)
{
    begin_numbers();
    const struct tmi_metric *metric = tmi_metric_at(place);
    tmi_metric_apply(metric, snapshot);
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO, .metric = metric), expected);
}

Test(print, each_metric_has_its_numbers_and_its_order)
{
    expect_metric(0, "/nowhere/a.c:1: size=1000 B, count=1, average=1000 B\n"
                     "/nowhere/b.c:2: size=20 B, count=2, average=10 B\n"
                     "Total: size=1020 B, count=3\n");
    expect_metric(1, "/nowhere/b.c:2: size=20 B, count=2, average=10 B\n"
                     "/nowhere/a.c:1: size=1000 B, count=1, average=1000 B\n"
                     "Total: size=1020 B, count=3\n");
    expect_metric(2, "/nowhere/c.c:3: allocated=5000 B, count=5, average=1000 B\n"
                     "/nowhere/a.c:1: allocated=1000 B, count=1, average=1000 B\n"
                     "/nowhere/b.c:2: allocated=70 B, count=7, average=10 B\n"
                     "Total: allocated=6070 B, count=13\n");
    expect_metric(3, "/nowhere/b.c:2: allocated=70 B, count=7, average=10 B\n"
                     "/nowhere/c.c:3: allocated=5000 B, count=5, average=1000 B\n"
                     "/nowhere/a.c:1: allocated=1000 B, count=1, average=1000 B\n"
                     "Total: allocated=6070 B, count=13\n");
    expect_metric(4, "/nowhere/c.c:3: temporary=4\n"
                     "/nowhere/b.c:2: temporary=3\n"
                     "Total: temporary=7\n");
}

/* ---- comparisons ------------------------------------------------------------------- */

/* a.c grows, b.c stays, c.c goes, d.c comes. */
static tm_snapshot_t *begin_comparison(void)
{
    begin();
    uint32_t stays = add_location("/nowhere/b.c", 2, "b");
    add_trace(100, 1, add_location("/nowhere/a.c", 1, "a"), stays);
    add_trace(50, 5, stays, stays);
    add_trace(300, 3, add_location("/nowhere/c.c", 3, "c"), stays);
    tmi_snapshot_finish(snapshot);
    tm_snapshot_t *old = snapshot;
    begin();
    stays = add_location("/nowhere/b.c", 2, "b");
    add_trace(1124, 2, add_location("/nowhere/a.c", 1, "a"), stays);
    add_trace(50, 5, stays, stays);
    add_trace(7, 7, add_location("/nowhere/d.c", 4, "d"), stays);
    tmi_snapshot_finish(snapshot);
    return old;
}

Test(print, a_comparison_tells_what_changed)
{
    tm_snapshot_t *old = begin_comparison();
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO, .old = old),
           "/nowhere/a.c:1: size=1124 B (+1024 B), count=2 (+1), average=562 B\n"
           "/nowhere/c.c:3: size=0 B (-300 B), count=0 (-3)\n"
           "/nowhere/d.c:4: size=7 B (+7 B), count=7 (+7), average=1 B\n"
           "1 unchanged\n"
           "Total: size=1181 B (+731 B), count=14 (+5)\n");
    expect(tmi_print_text, LIST(.key = TM_KEY_LINENO, .old = old, .limit = 1),
           "/nowhere/a.c:1: size=1124 B (+1024 B), count=2 (+1), average=562 B\n"
           "2 other: size=7 B (-293 B), count=7 (+4)\n"
           "1 unchanged\n"
           "Total: size=1181 B (+731 B), count=14 (+5)\n");
    expect(tmi_print_tsv, LIST(.key = TM_KEY_LINENO, .old = old),
           "1124\t1024\t2\t1\t1:/nowhere/a.c\n"
           "0\t-300\t0\t-3\t3:/nowhere/c.c\n"
           "7\t7\t7\t7\t4:/nowhere/d.c\n"
           "50\t0\t5\t0\t2:/nowhere/b.c\n");
    expect(tmi_print_text,
           LIST(.key = TM_KEY_LINENO, .old = old, .limit = 1, .metric = tmi_metric_at(1)),
           "/nowhere/d.c:4: size=7 B (+7 B), count=7 (+7), average=1 B\n"
           "2 other: size=1124 B (+724 B), count=2 (-2)\n"
           "1 unchanged\n"
           "Total: size=1181 B (+731 B), count=14 (+5)\n");
}

/* ---- JSON -------------------------------------------------------------------------- */

Test(print, json_has_what_is_known_of_each_frame)
{
    begin();
    uint32_t caller = add_location("/nowhere/main.c", 10, "main");
    add_trace(8, 2, add_location("/a \"b\"\\\t\x01\xc3\xbc\xff.c", 3, "f<int>"), caller);
    add_trace(4, 1, add_location("", 0, "inflate"), caller);
    tmi_snapshot_finish(snapshot);
    expect(
        tmi_print_json, LIST(.key = TM_KEY_TRACEBACK, .limit = 1),
        "{\"metric\": \"inuse-bytes\", \"key\": \"traceback\", \"cumulative\": false,\n"
        " \"total\": {\"size\": 12, \"count\": 3}, \"groups\": 2,\n"
        " \"statistics\": [\n"
        "  {\"size\": 8, \"count\": 2, \"traceback\": ["
        "{\"file\": \"/nowhere/main.c\", \"line\": 10, \"function\": \"main\", "
        "\"module\": \"\"}, "
        "{\"file\": \"/a \\\"b\\\"\\\\\\t\\u0001\xc3\xbc\xef\xbf\xbd.c\", "
        "\"line\": 3, \"function\": \"f<int>\", \"module\": \"\"}]}\n"
        " ]}\n");
}

Test(print, json_of_nothing_and_of_a_comparison)
{
    begin();
    tmi_snapshot_finish(snapshot);
    expect(tmi_print_json, LIST(.key = TM_KEY_LINENO),
           "{\"metric\": \"inuse-bytes\", \"key\": \"lineno\", \"cumulative\": false,\n"
           " \"total\": {\"size\": 0, \"count\": 0}, \"groups\": 0,\n"
           " \"statistics\": []}\n");
    tm_snapshot_t *old = begin_comparison();
    expect(
        tmi_print_json,
        LIST(.key = TM_KEY_FILENAME, .old = old, .limit = 1, .cumulative = true),
        "{\"metric\": \"inuse-bytes\", \"key\": \"filename\", \"cumulative\": true,\n"
        " \"total\": {\"size\": 1181, \"size_diff\": 731, \"count\": 14, "
        "\"count_diff\": 5}, \"groups\": 4,\n"
        " \"differences\": [\n"
        "  {\"size\": 1124, \"size_diff\": 1024, \"count\": 2, \"count_diff\": 1, "
        "\"traceback\": [{\"file\": \"/nowhere/a.c\", \"line\": 0, \"function\": \"a\", "
        "\"module\": \"\"}]}\n"
        " ]}\n");
}
