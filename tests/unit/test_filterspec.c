/* SPDX-License-Identifier: MIT */
/* Filters in words: every field, what ends them, and where a wrong one is said to be. */
#include "cli/filterspec.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/literal.h"
#include "view/service.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static struct tm_snapshot *snapshot;

static void make_snapshot(void)
{
    snapshot = literal_snapshot(5);
    cr_assert_eq(tmi_snapshot_add_domain(snapshot, 3, "gpu"), 0);
    cr_assert_eq(tmi_snapshot_add_domain(snapshot, 9, "4"), 0);
}

static void free_snapshot(void)
{
    tm_snapshot_free(snapshot);
}

TestSuite(filterspec, .init = make_snapshot, .fini = free_snapshot);

static void expect(const char *spec, tm_filter_t wanted)
{
    tm_filter_t got;
    const char *wrong;
    const char *expected;
    cr_assert_eq(tmi_filterspec_read(spec, snapshot, &got, &wrong, &expected), 0, "%s",
                 spec);
    cr_assert_eq(got.inclusive, wanted.inclusive, "%s", spec);
    cr_assert_eq(got.all_frames, wanted.all_frames, "%s", spec);
    cr_assert_eq(got.has_lineno, wanted.has_lineno, "%s", spec);
    cr_assert_eq(got.lineno, wanted.lineno, "%s", spec);
    cr_assert_eq(got.has_domain, wanted.has_domain, "%s", spec);
    cr_assert_eq(got.domain, wanted.domain, "%s", spec);
    const char *pattern = wanted.filename_pattern;
    cr_assert_eq(got.filename_pattern == NULL, pattern == NULL, "%s", spec);
    cr_assert(pattern == NULL || strcmp(got.filename_pattern, pattern) == 0, "%s", spec);
    free((char *)got.filename_pattern);
}

Test(filterspec, fields)
{
    expect("include", (tm_filter_t){.inclusive = true});
    expect("exclude", (tm_filter_t){.inclusive = false});
    expect("exclude,all-frames", (tm_filter_t){.all_frames = true});
    expect("include,line=0", (tm_filter_t){.inclusive = true, .has_lineno = true});
    expect("exclude,line=4294967295",
           (tm_filter_t){.has_lineno = true, .lineno = 4294967295u});
    expect("exclude,domain=7", (tm_filter_t){.has_domain = true, .domain = 7});
    expect("exclude,domain=gpu", (tm_filter_t){.has_domain = true, .domain = 3});
    expect("exclude,domain=4", (tm_filter_t){.has_domain = true, .domain = 9});
    expect("include,domain=3,line=2,all-frames,file=*.c",
           (tm_filter_t){.inclusive = true,
                         .all_frames = true,
                         .has_domain = true,
                         .domain = 3,
                         .has_lineno = true,
                         .lineno = 2,
                         .filename_pattern = "*.c"});
}

Test(filterspec, a_pattern_is_all_the_rest)
{
    expect("include,file=", (tm_filter_t){.inclusive = true, .filename_pattern = ""});
    expect("exclude,file=a,b=c,line=3",
           (tm_filter_t){.filename_pattern = "a,b=c,line=3"});
    expect("exclude,file=,all-frames", (tm_filter_t){.filename_pattern = ",all-frames"});
}

/* The text from the wrong place on, and a word of what was expected. */
static void refuse(const char *spec, const char *place, const char *word)
{
    tm_filter_t filter;
    const char *wrong;
    const char *expected;
    cr_assert_eq(tmi_filterspec_read(spec, snapshot, &filter, &wrong, &expected), -EINVAL,
                 "%s", spec);
    cr_assert_str_eq(wrong, place);
    cr_assert_not_null(strstr(expected, word), "%s: %s", spec, expected);
}

Test(filterspec, what_is_wrong_and_where)
{
    refuse("", "", "include or exclude");
    refuse("included", "included", "include or exclude");
    refuse("file=a", "file=a", "include or exclude");
    refuse("include,", "", "all-frames");
    refuse("include,files=a", "files=a", "file=PATTERN");
    refuse("include,line=7x,file=a", "line=7x,file=a", "number");
    refuse("include,line=4294967296", "line=4294967296", "32 bits");
    refuse("include,line=-1", "line=-1", "number");
    refuse("exclude,all-frames,domain=cpu", "domain=cpu", "domain of the snapshot");
}
