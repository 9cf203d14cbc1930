/* SPDX-License-Identifier: MIT */
/*
 * Reading bytes that nobody vouches for: a place in memory and an end that is never
 * passed.
 *
 *     at ......... end      each read moves `at` on
 *
 * A cursor that is asked for more than there is becomes lost: its end comes to where it
 * is, so it reads zeros from then on and does not move. So a reader tests once, when it
 * is through, and not at each byte; its loops end because a zero ends a LEB128 number and
 * `at == end` a list. Numbers need not be aligned. Little-endian, as the machine. What
 * unwind tables are made of is in line: the first stacks of a program read a megabyte of
 * them. No state, no allocation, no lock.
 */
#ifndef TMI_CURSOR_H
#define TMI_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

struct tmi_cursor {
    uintptr_t at, end; /* at <= end */
    bool lost;         /* asked for bytes that are not there */
};

/* A cursor at `at`, which must lie in [start, end). */
TMI_INLINE struct tmi_cursor tmi_cursor_in(uintptr_t start, uintptr_t end, uintptr_t at)
{
    bool inside = at >= start && at < end;
    return (struct tmi_cursor){at, inside ? end : at, !inside};
}

/* Pointer encodings of .eh_frame, as far as linkers emit them. */
#define TMI_ENC_ABSPTR         0x00
#define TMI_ENC_UDATA4         0x03
#define TMI_ENC_UDATA8         0x04
#define TMI_ENC_SDATA4         0x0b
#define TMI_ENC_SDATA8         0x0c
#define TMI_ENC_FORM           0x0f
#define TMI_ENC_PCREL          0x10
#define TMI_ENC_DATAREL_SDATA4 0x3b
#define TMI_ENC_PCREL_SDATA4   0x1b

/* Copy the next n bytes to `out`, or zeros. */
TMI_INLINE void tmi_cursor_take(struct tmi_cursor *c, void *out, size_t n)
{
    if (TMI_LIKELY(c->end - c->at >= n)) {
        memcpy(out, (const void *)c->at, n);
        c->at += n;
    } else {
        c->lost = true;
        c->end = c->at;
        memset(out, 0, n);
    }
}

TMI_INLINE uint8_t tmi_cursor_u8(struct tmi_cursor *c)
{
    uint8_t v;
    tmi_cursor_take(c, &v, sizeof v);
    return v;
}

TMI_INLINE uint16_t tmi_cursor_u16(struct tmi_cursor *c)
{
    uint16_t v;
    tmi_cursor_take(c, &v, sizeof v);
    return v;
}

TMI_INLINE uint32_t tmi_cursor_u32(struct tmi_cursor *c)
{
    uint32_t v;
    tmi_cursor_take(c, &v, sizeof v);
    return v;
}

/* A LEB128 number of which `first` was the first byte, with more to come. */
uint64_t tmi_cursor_rest_of_uleb(struct tmi_cursor *c, uint8_t first);

TMI_INLINE uint64_t tmi_cursor_uleb(struct tmi_cursor *c)
{
    uint8_t first = tmi_cursor_u8(c);
    if (TMI_LIKELY(first < 0x80)) {
        return first;
    }
    struct tmi_cursor copy = *c; /* so that *c may stay in registers */
    uint64_t v = tmi_cursor_rest_of_uleb(&copy, first);
    *c = copy;
    return v;
}

int64_t tmi_cursor_sleb(struct tmi_cursor *c);

/* A pointer in one of the encodings above, absolute or PC-relative; others lose it. */
uintptr_t tmi_cursor_pointer(struct tmi_cursor *c, uint8_t encoding);

/* The next n bytes as a cursor of their own; `c` goes on behind them. */
struct tmi_cursor tmi_cursor_part(struct tmi_cursor *c, uint64_t n);

#endif
