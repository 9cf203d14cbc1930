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
    tm_statistics_t *statistics =
        tm_snapshot_statistics(snapshot, list.key, list.cumulative);
    cr_assert_not_null(statistics);
    list.snapshot = snapshot;
    list.indent = list.indent == NULL ? "" : list.indent;
    list.statistics = statistics;
    print(out, &list);
    fclose(out);
    cr_expect_str_eq(text, expected, "got:\n%s", text);
    tm_statistics_free(statistics);
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
           ">   File \"/nowhere/main.c\", line 10\n"
           ">   File \"/nowhere/a.c\", line 71\n"
           "> size=1000 B, count=3, average=333 B\n"
           ">   File \"/nowhere/main.c\", line 10\n"
           ">   File \"/nowhere/b.c\", line 5\n"
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
             "  File \"/nowhere/main.c\", line 10\n"
             "  File \"%s\", line 2\n"
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
    struct tmi_amount total = tmi_print_total(snapshot);
    cr_expect_eq(total.size, UINT64_MAX);
    cr_expect_eq(total.count, UINT64_MAX);
}
