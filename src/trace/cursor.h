/* SPDX-License-Identifier: MIT */
/*
 * Reading bytes that nobody vouches for: a place in memory and an end that is never
 * passed.
 *
 *     at ......... end      each read moves `at` on
 *
 * A cursor that is asked for more than there is becomes lost: it reads zeros from then on
 * and does not move. So a reader tests once, when it is through, and not at each byte;
 * its loops end because a zero ends a LEB128 number and `at == end` a list. Numbers need
 * not be aligned. Little-endian, as the machine. No state, no allocation, no lock.
 */
#ifndef TMI_CURSOR_H
#define TMI_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

struct tmi_cursor {
    uintptr_t at, end;
    bool lost; /* asked for bytes that are not there */
};

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

uint8_t tmi_cursor_u8(struct tmi_cursor *c);
uint16_t tmi_cursor_u16(struct tmi_cursor *c);
uint32_t tmi_cursor_u32(struct tmi_cursor *c);
uint64_t tmi_cursor_uleb(struct tmi_cursor *c);
int64_t tmi_cursor_sleb(struct tmi_cursor *c);

/* A pointer in one of the encodings above, absolute or PC-relative; others lose it. */
uintptr_t tmi_cursor_pointer(struct tmi_cursor *c, uint8_t encoding);

/* The next n bytes as a cursor of their own; `c` goes on behind them. */
struct tmi_cursor tmi_cursor_part(struct tmi_cursor *c, uint64_t n);

#endif
