/* SPDX-License-Identifier: MIT */
/*
 * The distance between words, from its definition, and the suggestions made of it.
 */
#include "cli/nearest.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/compiler.h"

static const char *const names[] = {"run", "stats", "diff", "flamegraph"};

static const char *suggest(const char *word)
{
    const char *name = tmi_nearest_name(word, names, TMI_ARRAY_LEN(names));
    return name != NULL ? name : "";
}

Test(nearest, distance_counts_single_mistakes)
{
    cr_expect_eq(tmi_nearest_distance("stats", "stats"), 0);
    cr_expect_eq(tmi_nearest_distance("stat", "stats"), 1, "left out");
    cr_expect_eq(tmi_nearest_distance("sttats", "stats"), 1, "inserted");
    cr_expect_eq(tmi_nearest_distance("stots", "stats"), 1, "replaced");
    cr_expect_eq(tmi_nearest_distance("satts", "stats"), 1, "swapped");
    cr_expect_eq(tmi_nearest_distance("", "run"), 3);
    cr_expect_eq(tmi_nearest_distance("run", ""), 3);
    cr_expect_eq(tmi_nearest_distance("", ""), 0);
    cr_expect_eq(tmi_nearest_distance("kitten", "sitting"), 3);
    cr_expect_eq(tmi_nearest_distance("abcd", "badc"), 2, "two swaps");
}

Test(nearest, distance_is_the_same_both_ways)
{
    static const char *const words[] = {"run",  "rnu", "",     "stats",
                                        "diff", "fid", "abcab"};
    for (size_t i = 0; i < TMI_ARRAY_LEN(words); i++) {
        for (size_t j = 0; j < TMI_ARRAY_LEN(words); j++) {
            cr_expect_eq(tmi_nearest_distance(words[i], words[j]),
                         tmi_nearest_distance(words[j], words[i]), "%s %s", words[i],
                         words[j]);
        }
    }
}

Test(nearest, suggests_what_was_meant)
{
    cr_expect_str_eq(suggest("stat"), "stats");
    cr_expect_str_eq(suggest("stast"), "stats");
    cr_expect_str_eq(suggest("statistics"), "stats");
    cr_expect_str_eq(suggest("rnu"), "run");
    cr_expect_str_eq(suggest("dif"), "diff");
    cr_expect_str_eq(suggest("flame"), "flamegraph");
}

Test(nearest, suggests_nothing_far_fetched)
{
    cr_expect_str_eq(suggest("x"), "");
    cr_expect_str_eq(suggest(""), "");
    cr_expect_str_eq(suggest("record"), "");
    char long_word[2000];
    memset(long_word, 's', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    cr_expect_str_eq(suggest(long_word), "");
}
