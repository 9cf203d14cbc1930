/* SPDX-License-Identifier: MIT */
/*
 * Numbers in words, exactly as tracemalloc puts them: a unit is left for the next only
 * when its figure reaches 10240, one decimal is shown below 100 of anything but bytes,
 * and rounding comes after that choice ("100.0 KiB" exists). The binary value is rounded,
 * ties to even, as Python does. Not through printf: its decimal point is the locale's,
 * and the locale is the program's business.
 */
#include "view/text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/compiler.h"
#include "tmalloc/snapshot.h"

#define ONE_DECIMAL_BELOW 100
#define NEXT_UNIT_FROM    (10 * 1024)

static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB"};

void tmi_text_add(struct tmi_text *text, const char *bytes, size_t len)
{
    if (text->length < text->room) {
        size_t left = text->room - text->length;
        memcpy(text->out + text->length, bytes, len < left ? len : left);
    }
    text->length += len;
}

void tmi_text_add_string(struct tmi_text *text, const char *string)
{
    tmi_text_add(text, string, strlen(string));
}

void tmi_text_add_number(struct tmi_text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    tmi_text_add(text, digits + at, sizeof digits - at);
}

/* Ten times a double is exact in a long double, so the tenths below are rounded once. */
static uint64_t round_half_even(long double x)
{
    uint64_t whole = (uint64_t)x;
    long double rest = x - (long double)whole;
    return whole + (rest > 0.5L || (rest == 0.5L && whole % 2 != 0));
}

void tmi_text_add_size(struct tmi_text *text, double bytes, bool with_sign)
{
    size_t last = TMI_ARRAY_LEN(UNITS) - 1;
    size_t unit = 0;
    double x = bytes < 0 ? -bytes : bytes;
    while (unit < last && x >= NEXT_UNIT_FROM) {
        x /= 1024;
        unit++;
    }
    if (bytes < 0 || with_sign) {
        tmi_text_add_string(text, bytes < 0 ? "-" : "+");
    }
    if (unit > 0 && x < ONE_DECIMAL_BELOW) {
        uint64_t tenths = round_half_even((long double)x * 10);
        tmi_text_add_number(text, tenths / 10);
        tmi_text_add_string(text, ".");
        tmi_text_add_number(text, tenths % 10);
    } else {
        tmi_text_add_number(text, round_half_even((long double)x));
    }
    tmi_text_add_string(text, " ");
    tmi_text_add_string(text, UNITS[unit]);
}

int tmi_text_end(struct tmi_text *text)
{
    if (text->room > 0) {
        size_t last = text->room - 1;
        text->out[text->length < last ? text->length : last] = '\0';
    }
    return text->length > INT_MAX ? -EOVERFLOW : (int)text->length;
}
