/* SPDX-License-Identifier: MIT */
/*
 * The environment. The numbers and what becomes of them are those that CPython 3.11 was
 * seen to make of PYTHONTRACEMALLOC, except that a bad value is told and ignored where
 * CPython ends the process. Values stay for the life of a process, so each case is a
 * test.
 */
#include "base/option.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdio.h>

#include "../support/stderr.h"

#define REFUSED -1

struct number_case {
    char text[24];
    int64_t frames; /* or REFUSED */
};

static struct number_case cases[] = {
    {"", 0},
    {"0", 0},
    {"1", 1},
    {"2", 2},
    {"25", 25},
    {"65535", 65535},
    {"65536", REFUSED},
    {"2147483647", REFUSED},
    {"2147483648", REFUSED},
    {"99999999999999999999", REFUSED},
    {"-1", REFUSED},
    {"-0", 0},
    {"+1", 1},
    {"+0", 0},
    {" 1", 1},
    {"\t7", 7},
    {"\n3", 3},
    {"1 ", REFUSED},
    {"1\n", REFUSED},
    {"01", 1},
    {"010", 10},
    {"0x10", REFUSED},
    {"1.5", REFUSED},
    {"1e3", REFUSED},
    {"1_0", REFUSED},
    {"abc", REFUSED},
    {"a1", REFUSED},
    {"1a", REFUSED},
    {"--1", REFUSED},
    {"+-1", REFUSED},
    {"+", REFUSED},
    {"-", REFUSED},
    {" ", REFUSED},
    {"true", REFUSED},
    {"on", REFUSED},
    {"\357\274\221", REFUSED}, /* a full-width 1 */
    {"\v\f\r5", 5},
    {"- 1", REFUSED},
};

ParameterizedTestParameters(option, number_of_frames)
{
    return cr_make_param_array(struct number_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct number_case *c, option, number_of_frames)
{
    char entry[48];
    snprintf(entry, sizeof entry, "TMALLOC=%s", c->text);
    char *block[] = {entry, NULL};
    stderr_catch();
    tmi_option_read(block);
    const char *said = stderr_caught();
    if (c->frames == REFUSED) {
        cr_assert_eq(tmi_option_number(TMI_OPTION_TRACE), 0, "'%s' must not count",
                     c->text);
        char wanted[100];
        snprintf(wanted, sizeof wanted, "tmalloc: %s is ignored: ", entry);
        cr_assert_eq(strncmp(said, wanted, strlen(wanted)), 0, "said '%s'", said);
        cr_assert_not_null(strstr(said, "65535"), "the limits belong in '%s'", said);
    } else {
        cr_assert_eq(tmi_option_number(TMI_OPTION_TRACE), c->frames, "'%s'", c->text);
        cr_assert_str_eq(said, "", "'%s' is no reason to speak", c->text);
    }
}

Test(option, numbers_of_64_bits)
{
    static const struct {
        const char *text;
        int err;
        int64_t number;
    } rows[] = {
        {"9223372036854775807", 0, INT64_MAX},      {"9223372036854775808", -EINVAL, 0},
        {"-9223372036854775808", 0, INT64_MIN},     {"-9223372036854775809", -EINVAL, 0},
        {"+000000000000000000000000000012", 0, 12}, {"", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t number = 77;
        int err = tmi_parse_number(rows[i].text, &number);
        cr_assert_eq(err, rows[i].err, "'%s'", rows[i].text);
        cr_assert_eq(number, err == 0 ? rows[i].number : 77, "'%s'", rows[i].text);
    }
}

Test(option, sizes_with_letters)
{
    static const struct {
        const char *text;
        int err;
        int64_t bytes;
    } rows[] = {
        {"0", 0, 0},
        {"123", 0, 123},
        {"1K", 0, 1024},
        {"1k", 0, 1024},
        {"5M", 0, 5242880},
        {"5m", 0, 5242880},
        {"2G", 0, 2147483648},
        {"3g", 0, 3221225472},
        {"8589934591G", 0, 9223372035781033984},
        {"8589934592G", -EINVAL, 0},
        {"1KB", -EINVAL, 0},
        {"1 K", -EINVAL, 0},
        {"K", -EINVAL, 0},
        {"1T", -EINVAL, 0},
        {"1.5G", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t bytes = 77;
        int err = tmi_parse_size(rows[i].text, &bytes);
        cr_assert_eq(err, rows[i].err, "'%s'", rows[i].text);
        cr_assert_eq(bytes, err == 0 ? rows[i].bytes : 77, "'%s'", rows[i].text);
    }
}

/* A gibibyte unless set, and no less than nothing. */
Test(option, the_bound_on_memory)
{
    cr_assert_eq(tmi_option_number(TMI_OPTION_MAX_MEMORY), 1073741824);
    char *block[] = {"TMALLOC_MAX_MEMORY=64M", NULL};
    tmi_option_read(block);
    cr_assert_eq(tmi_option_number(TMI_OPTION_MAX_MEMORY), 67108864);
    char *negative[] = {"TMALLOC_MAX_MEMORY=-1K", NULL};
    stderr_catch();
    tmi_option_read(negative);
    cr_assert_str_eq(
        stderr_caught(),
        "tmalloc: TMALLOC_MAX_MEMORY=-1K is ignored: expected bytes, perhaps "
        "with K, M or G behind\n");
    cr_assert_eq(tmi_option_number(TMI_OPTION_MAX_MEMORY), 67108864);
}

Test(option, names_that_do_not_exist_are_told)
{
    char *block[] = {"TMALLOC_LAESE=0", "TMALLOC_=1", "TMALLOC_DUMPX=a",
                     "TMALLOCX=1",      "TMALLO=1",   "HOME=/root",
                     "TMALLOC",         "tmalloc=3",  NULL};
    stderr_catch();
    tmi_option_read(block);
    cr_assert_str_eq(
        stderr_caught(),
        "tmalloc: TMALLOC_LAESE=0 is ignored: tmalloc knows no such variable\n"
        "tmalloc: TMALLOC_=1 is ignored: tmalloc knows no such variable\n"
        "tmalloc: TMALLOC_DUMPX=a is ignored: tmalloc knows no such variable\n");
    cr_assert_eq(tmi_option_number(TMI_OPTION_TRACE), 0);
    cr_assert_null(tmi_option_text(TMI_OPTION_DUMP));
}

Test(option, each_of_them)
{
    char *block[] = {"TMALLOC=12",
                     "TMALLOC_DUMP=/tmp/%p",
                     "TMALLOC_LEASE=0",
                     "TMALLOC_ON_ERROR=warn",
                     "TMALLOC_RUN_PID=4711",
                     "TMALLOC_LIBRARY=/x.so",
                     "TMALLOC_WRAPPERS=xmalloc,g_*",
                     NULL};
    stderr_catch();
    tmi_option_read(block);
    cr_assert_str_eq(stderr_caught(), "");
    cr_assert_eq(tmi_option_number(TMI_OPTION_TRACE), 12);
    cr_assert_str_eq(tmi_option_text(TMI_OPTION_DUMP), "/tmp/%p");
    cr_assert_eq(tmi_option_number(TMI_OPTION_LEASE), 0);
    cr_assert_eq(tmi_option_number(TMI_OPTION_ON_ERROR), 1);
    cr_assert_eq(tmi_option_number(TMI_OPTION_RUN_PID), 4711);
    cr_assert_str_eq(tmi_option_text(TMI_OPTION_LIBRARY), "/x.so");
    cr_assert_str_eq(tmi_option_text(TMI_OPTION_WRAPPERS), "xmalloc,g_*");
}

Test(option, none_of_them)
{
    char *block[] = {"PATH=/bin", "TMALLOC_DUMP=", "TMALLOC_ON_ERROR=", NULL};
    stderr_catch();
    tmi_option_read(block);
    cr_assert_str_eq(stderr_caught(), "");
    cr_assert_eq(tmi_option_number(TMI_OPTION_TRACE), 0);
    cr_assert_null(tmi_option_text(TMI_OPTION_DUMP));
    cr_assert_eq(tmi_option_number(TMI_OPTION_LEASE), 65536);
    cr_assert_eq(tmi_option_number(TMI_OPTION_ON_ERROR), 0, "abort is the standard");
}

Test(option, words_and_ranges_that_do_not_fit)
{
    char *block[] = {"TMALLOC_ON_ERROR=panic", "TMALLOC_LEASE=1073741825",
                     "TMALLOC_LEASE=-1", "TMALLOC_ON_ERROR=warning", NULL};
    stderr_catch();
    tmi_option_read(block);
    const char *said = stderr_caught();
    cr_assert_eq(tmi_option_number(TMI_OPTION_ON_ERROR), 0);
    cr_assert_eq(tmi_option_number(TMI_OPTION_LEASE), 65536);
    int lines = 0;
    for (const char *c = said; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    cr_assert_eq(lines, 4, "said '%s'", said);
    cr_assert_not_null(strstr(said, "abort or warn"));
    cr_assert_not_null(strstr(said, "1073741824"));
}

Test(option, patterns_that_are_none)
{
    char *block[] = {"TMALLOC_WRAPPERS=xmalloc, xcalloc", NULL};
    stderr_catch();
    tmi_option_read(block);
    cr_assert_str_eq(
        stderr_caught(),
        "tmalloc: TMALLOC_WRAPPERS=xmalloc, xcalloc is ignored: expected names "
        "separated by commas, * for any characters\n");
    cr_assert_null(tmi_option_text(TMI_OPTION_WRAPPERS));
}
