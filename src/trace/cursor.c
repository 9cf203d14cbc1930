/* SPDX-License-Identifier: MIT */
/*
 * See trace/cursor.h. Everything goes through tmi_cursor_take(), which alone looks at
 * memory, and through tmi_cursor_part(), which alone skips: both keep start <= at <= end,
 * whatever the lengths that they are given. Bits of a LEB128 number above the 64th are
 * dropped.
 */
#include "trace/cursor.h"

#include <stddef.h>

static uint64_t take_u64(struct tmi_cursor *c)
{
    uint64_t v;
    tmi_cursor_take(c, &v, sizeof v);
    return v;
}

/*
 * The bits of a LEB128 number that begins with *last; *shift becomes how many there were,
 * *last its last byte.
 */
static uint64_t take_leb(struct tmi_cursor *c, unsigned *shift, uint8_t *last)
{
    uint64_t v = *last & 0x7f;
    *shift = 7;
    while (*last & 0x80) {
        *last = tmi_cursor_u8(c);
        if (*shift < 64) {
            v |= (uint64_t)(*last & 0x7f) << *shift;
            *shift += 7;
        }
    }
    return v;
}

uint64_t tmi_cursor_rest_of_uleb(struct tmi_cursor *c, uint8_t first)
{
    unsigned shift;
    return take_leb(c, &shift, &first);
}

int64_t tmi_cursor_sleb(struct tmi_cursor *c)
{
    unsigned shift;
    uint8_t last = tmi_cursor_u8(c);
    uint64_t v = take_leb(c, &shift, &last);
    if (shift < 64 && (last & 0x40)) {
        v |= ~(uint64_t)0 << shift;
    }
    return (int64_t)v;
}

uintptr_t tmi_cursor_pointer(struct tmi_cursor *c, uint8_t encoding)
{
    uintptr_t base = 0;
    if ((encoding & ~TMI_ENC_FORM) == TMI_ENC_PCREL) {
        base = c->at;
    } else if ((encoding & ~TMI_ENC_FORM) != 0) {
        c->lost = true;
    }
    switch (encoding & TMI_ENC_FORM) {
    case TMI_ENC_ABSPTR:
    case TMI_ENC_UDATA8:
    case TMI_ENC_SDATA8:
        return base + take_u64(c);
    case TMI_ENC_UDATA4:
        return base + tmi_cursor_u32(c);
    case TMI_ENC_SDATA4:
        return base + (uintptr_t)(intptr_t)(int32_t)tmi_cursor_u32(c);
    default:
        c->lost = true;
        return 0;
    }
}

struct tmi_cursor tmi_cursor_part(struct tmi_cursor *c, uint64_t n)
{
    struct tmi_cursor part = *c;
    if (n > c->end - c->at) {
        c->lost = part.lost = true;
        c->end = part.end = c->at;
    } else {
        c->at += n;
        part.end = c->at;
    }
    return part;
}
