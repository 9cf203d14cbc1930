/* SPDX-License-Identifier: MIT */
/*
 * The number of bytes follows from the first one, and with it the smallest code point
 * that may be written so; whatever decodes to less is overlong. That one comparison, and
 * the two ranges that UTF-8 leaves out, are all there is to being strict.
 */
#include "view/utf8.h"

static const uint32_t SMALLEST[] = {0, 0, 0x80, 0x800, 0x10000};

size_t tmi_utf8_decode(const char *text, size_t len, uint32_t *code_point)
{
    const unsigned char *p = (const unsigned char *)text;
    if (len == 0) {
        return 0;
    }
    if (p[0] < 0x80) {
        *code_point = p[0];
        return 1;
    }
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC0 || p[0] > 0xF7 || n > len) {
        return 0;
    }
    uint32_t c = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3F);
    }
    if (c < SMALLEST[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        return 0;
    }
    *code_point = c;
    return n;
}

bool tmi_utf8_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 ||
           c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}
