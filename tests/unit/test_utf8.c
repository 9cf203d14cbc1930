/* SPDX-License-Identifier: MIT */
/*
 * UTF-8: the borders of each length from the standard's table, and what Python rejects.
 */
#include "view/utf8.h"

#include <criterion/criterion.h>
#include <string.h>

static void accept(const char *bytes, uint32_t code_point)
{
    uint32_t c = 0;
    cr_assert_eq(tmi_utf8_decode(bytes, strlen(bytes), &c), strlen(bytes));
    cr_assert_eq(c, code_point, "U+%X read as U+%X", code_point, c);
}

static void reject(const char *bytes)
{
    uint32_t c = 0;
    cr_assert_eq(tmi_utf8_decode(bytes, strlen(bytes), &c), 0, "U+%X", c);
}

Test(utf8, borders_of_each_length)
{
    accept("\x01", 1);
    accept("\x7F", 0x7F);
    accept("\xC2\x80", 0x80);
    accept("\xDF\xBF", 0x7FF);
    accept("\xE0\xA0\x80", 0x800);
    accept("\xED\x9F\xBF", 0xD7FF);
    accept("\xEE\x80\x80", 0xE000);
    accept("\xEF\xBF\xBF", 0xFFFF);
    accept("\xF0\x90\x80\x80", 0x10000);
    accept("\xF4\x8F\xBF\xBF", 0x10FFFF);
}

Test(utf8, what_is_not_valid)
{
    reject("\x80"); /* continuation alone */
    reject("\xBF");
    reject("\xC3"); /* cut off */
    reject("\xE2\x82");
    reject("\xF0\x9F\x98");
    reject("\xC3(");    /* no continuation */
    reject("\xC0\x80"); /* overlong */
    reject("\xC1\xBF");
    reject("\xE0\x9F\xBF");
    reject("\xF0\x8F\xBF\xBF");
    reject("\xED\xA0\x80"); /* surrogates */
    reject("\xED\xBF\xBF");
    reject("\xF4\x90\x80\x80"); /* above U+10FFFF */
    reject("\xF7\xBF\xBF\xBF");
    reject("\xF8\x88\x80\x80\x80");
    reject("\xFE");
    reject("\xFF");
    reject("");
}

/* Printed by Python: [c for c in range(0x110000) if chr(c).isspace()]. */
Test(utf8, white_space_is_pythons)
{
    static const uint32_t SPACES[] = {
        0x9,    0xA,    0xB,    0xC,    0xD,    0x1C,   0x1D,   0x1E,   0x1F,   0x20,
        0x85,   0xA0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
        0x2007, 0x2008, 0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    size_t next = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        bool expected = next < sizeof SPACES / sizeof *SPACES && SPACES[next] == c;
        next += expected;
        cr_assert_eq(tmi_utf8_is_space(c), expected, "U+%X", c);
    }
}
