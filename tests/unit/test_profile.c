/* SPDX-License-Identifier: MIT */
/*
 * Flat and cumulative sums of stacks that are written down as text, added up by hand.
 */
#include "cli/profile.h"

#include <criterion/criterion.h>

#include "support/literal.h"
#include "view/service.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static struct tm_snapshot *s;
static struct tmi_profile profile;

static void make(tm_key_t by, enum tmi_value value, bool by_cum)
{
    tmi_snapshot_finish(s);
    cr_assert_eq(tmi_profile_make(&profile, s, by), 0);
    cr_assert_eq(tmi_profile_sort(&profile, value, by_cum), 0);
}

static void expect(uint32_t i, const char *name, uint64_t flat, uint64_t cum)
{
    cr_assert_lt(i, profile.count);
    cr_expect_str_eq(profile.rows[i].key->filename, name);
    cr_expect_eq(profile.rows[i].flat[TMI_INUSE_BYTES], flat, "%s", name);
    cr_expect_eq(profile.rows[i].cum[TMI_INUSE_BYTES], cum, "%s", name);
}

static void example(void)
{
    s = literal_snapshot(25);
    literal_trace(s, 0, 60, 1, "1:main 2:parse 3:node");
    literal_trace(s, 0, 10, 4, "1:main 2:parse");
    literal_trace(s, 0, 25, 2, "1:main 4:load 3:inner<6:node");
}

Test(profile, flat_is_of_the_newest_frame_and_cum_of_all)
{
    example();
    make(TM_KEY_FILENAME, TMI_INUSE_BYTES, false);
    cr_expect_eq(profile.count, 5);
    expect(0, "node", 60, 85);
    expect(1, "inner", 25, 25);
    expect(2, "parse", 10, 70);
    expect(3, "main", 0, 95);
    expect(4, "load", 0, 25);
    cr_expect_eq(profile.total[TMI_INUSE_BYTES], 95);
    cr_expect_eq(profile.total[TMI_INUSE_BLOCKS], 7);
    make(TM_KEY_FILENAME, TMI_INUSE_BYTES, true);
    expect(0, "main", 0, 95);
    expect(1, "node", 60, 85);
    expect(2, "parse", 10, 70);
    expect(3, "inner", 25, 25);
    expect(4, "load", 0, 25);
}

Test(profile, functions_are_told_apart_by_name_not_line)
{
    example();
    make(TM_KEY_FUNCTION, TMI_INUSE_BLOCKS, false);
    cr_expect_eq(profile.count, 5);
    cr_expect_str_eq(profile.rows[0].key->function, "in_parse");
    cr_expect_eq(profile.rows[0].flat[TMI_INUSE_BLOCKS], 4);
    cr_expect_eq(profile.rows[0].cum[TMI_INUSE_BLOCKS], 5);
}

Test(profile, recursion_counts_once)
{
    s = literal_snapshot(25);
    literal_trace(s, 0, 8, 1, "1:main 2:f 5:g 3:f 4:f");
    make(TM_KEY_FILENAME, TMI_INUSE_BYTES, false);
    expect(0, "f", 8, 8);
    expect(1, "g", 0, 8);
    expect(2, "main", 0, 8);
}

Test(profile, stacks_that_hold_nothing_any_more_have_their_numbers)
{
    s = literal_snapshot(25);
    uint32_t location = literal_location(s, "7:gone");
    uint64_t values[TMI_VALUE_COUNT] = {
        [TMI_ALLOC_BYTES] = 500, [TMI_ALLOC_BLOCKS] = 5, [TMI_TEMPORARY_BLOCKS] = 4};
    cr_assert_eq(tmi_snapshot_add_trace(s, 0, values, &location, 1, 1), 0);
    literal_trace(s, 0, 1, 1, "1:main");
    make(TM_KEY_FILENAME, TMI_ALLOC_BYTES, false);
    expect(0, "gone", 0, 0);
    for (int v = 0; v < TMI_VALUE_COUNT; v++) {
        cr_expect_eq(profile.rows[0].flat[v], values[v]);
        cr_expect_eq(profile.rows[0].cum[v], values[v]);
    }
    cr_expect_eq(profile.total[TMI_TEMPORARY_BLOCKS], 4);
}

Test(profile, nothing)
{
    s = literal_snapshot(25);
    make(TM_KEY_MODULE, TMI_INUSE_BYTES, false);
    cr_expect_eq(profile.count, 0);
}
