/* SPDX-License-Identifier: MIT */
/*
 * Sizes in words: what Python's tracemalloc printed for these values, at every border
 * between two units and at ties of rounding.
 */
#include "view/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <string.h>

static void expect(double bytes, bool with_sign, const char *words)
{
    char out[64];
    struct tmi_text text = {.out = out, .room = sizeof out};
    tmi_text_add_size(&text, bytes, with_sign);
    cr_assert_eq(tmi_text_end(&text), (int)strlen(words));
    cr_assert_str_eq(out, words);
}

Test(text, sizes)
{
    expect(0, false, "0 B");
    expect(1, false, "1 B");
    expect(10239, false, "10239 B");
    expect(10240, false, "10.0 KiB");
    expect(102348, false, "99.9 KiB");
    expect(102349, false, "100.0 KiB");
    expect(102399, false, "100.0 KiB");
    expect(102400, false, "100 KiB");
    expect(10485247, false, "10239 KiB");
    expect(10485248, false, "10240 KiB");
    expect(10485759, false, "10240 KiB");
    expect(10485760, false, "10.0 MiB");
    expect(1152921504606846976.0, false, "1048576 TiB");
    expect(18446744073709551615.0, false, "16777216 TiB");
}

Test(text, signs)
{
    expect(0, true, "+0 B");
    expect(66, true, "+66 B");
    expect(-66, true, "-66 B");
    expect(-66, false, "-66 B");
    expect(-10240, true, "-10.0 KiB");
    expect(4971520, true, "+4855 KiB");
}

Test(text, rounding_is_to_even)
{
    expect(0.5, false, "0 B");
    expect(1.5, false, "2 B");
    expect(2.5, false, "2 B");
    expect(5.0 / 3, false, "2 B");
    expect(2.4999, false, "2 B");
    expect(1024 * 10.25, false, "10.2 KiB");
    expect(1024 * 10.75, false, "10.8 KiB");
    expect(1024 * 10.05, false, "10.1 KiB"); /* 10.05 is a little more than that */
    expect(1024 * 10.15, false, "10.2 KiB"); /* and 10.15 too */
    expect(1024 * 10.35, false, "10.3 KiB"); /* but 10.35 is less */
}

/* The decimal point is the format's, not the program's. */
Test(text, no_locale)
{
    const char *found = setlocale(LC_ALL, "de_DE.UTF-8");
    if (found == NULL) {
        cr_skip("no German locale");
    }
    expect(10240, false, "10.0 KiB");
}

Test(text, what_fits_is_written_and_the_length_told)
{
    for (size_t room = 0; room < 12; room++) {
        char out[16];
        memset(out, '#', sizeof out);
        struct tmi_text text = {.out = room == 0 ? NULL : out, .room = room};
        tmi_text_add_string(&text, "abc");
        tmi_text_add_number(&text, 1230);
        tmi_text_add(&text, "xyz", 2);
        cr_assert_eq(tmi_text_end(&text), 9);
        size_t shown = room == 0 ? 0 : room - 1 < 9 ? room - 1 : 9;
        cr_assert_eq(memcmp(out, "abc1230xy", shown), 0);
        cr_assert_eq(out[shown], room == 0 ? '#' : '\0');
        cr_assert_eq(out[shown + 1], room > 10 ? '#' : out[shown + 1]);
        cr_assert_eq(out[12], '#');
    }
}

Test(text, numbers)
{
    char out[64];
    struct tmi_text text = {.out = out, .room = sizeof out};
    tmi_text_add_number(&text, 0);
    tmi_text_add_string(&text, " ");
    tmi_text_add_number(&text, UINT64_MAX);
    tmi_text_end(&text);
    cr_assert_str_eq(out, "0 18446744073709551615");
}

Test(text, longer_than_an_int)
{
    struct tmi_text text = {.length = (size_t)INT_MAX + 1};
    cr_assert_eq(tmi_text_end(&text), -EOVERFLOW);
    text.length = INT_MAX;
    cr_assert_eq(tmi_text_end(&text), INT_MAX);
}
