/* SPDX-License-Identifier: MIT */
/*
 * The reader of unwind tables: whatever bytes it is given, it must
 * answer with a rule, and read nothing outside of them. Input:
 *
 *     u8 form | u32 where the call is | bytes
 *     form even   the bytes are the whole image, its .eh_frame_hdr at byte form / 2 % 8
 *     form odd    they are the CIE from its version on, u8 its length first, and the FDE
 *                 behind its addresses; the rest is put around them and is right
 *
 * The image lies in a block of the heap of exactly its size.
 */
#include "fuzz.h"
#include "trace/cfi.h"

#define CODE      0x10000u /* from the image to the code */
#define CODE_SIZE 0x1000u
#define OTHERS    6 /* addresses of which one after the other is asked */

static void check_rule(struct tmi_rule rule)
{
    fuzz_need(rule.kind > TMI_RULE_NONE && rule.kind <= TMI_RULE_NO_TABLE);
    if (rule.kind >= TMI_RULE_SIGNAL) {
        fuzz_need(rule.cfa_offset == 0 && rule.rbp_offset == 0);
    } else if (rule.rbp_offset > 0) {
        fuzz_need(rule.kind == TMI_RULE_DEREF && rule.rbp_offset == 1);
    }
}

/* A reader finds what a fresh one does, where the table is sorted. */
static void ask(const uint8_t *image, size_t len, size_t header, uint32_t call,
                bool is_sorted)
{
    uintptr_t start = (uintptr_t)image;
    struct tmi_cfi_image where = {.start = start,
                                  .end = start + len,
                                  .eh_frame_hdr = start + header,
                                  .code_start = start,
                                  .code_end = start + len};
    struct tmi_cfi_reader reader = {0};
    check_rule(tmi_cfi_rule(&reader, &where, start + call % (len + 1)));
    for (uint32_t i = 0; i < OTHERS; i++) {
        uintptr_t pc = start + header + call + 1;
        struct tmi_rule rule = tmi_cfi_rule(&reader, &where, pc);
        struct tmi_cfi_reader fresh = {0};
        struct tmi_rule alone = tmi_cfi_rule(&fresh, &where, pc);
        check_rule(rule);
        fuzz_need(!is_sorted || memcmp(&rule, &alone, sizeof rule) == 0);
        call = call / CODE_SIZE * CODE_SIZE + (call * 0x9e3779b1u >> 20);
    }
}

static void put_u32(uint8_t *at, size_t value)
{
    uint32_t v = (uint32_t)value;
    memcpy(at, &v, sizeof v);
}

/* header 12, entry 8 | CIE: length, 0, its bytes | FDE: length, back, begin, size, rest
 */
static void ask_framed(const uint8_t *bytes, size_t len, uint32_t call)
{
    size_t cie_bytes = bytes[0] % len;
    size_t rest = len - 1 - cie_bytes;
    size_t fde = 20 + 8 + cie_bytes;
    size_t total = fde + 16 + rest;
    uint8_t *image = malloc(total);
    memcpy(image, "\1\x1b\3\x3b", 4);
    put_u32(image + 4, 16);
    put_u32(image + 8, 1);
    put_u32(image + 12, CODE);
    put_u32(image + 16, fde);
    put_u32(image + 20, 4 + cie_bytes);
    put_u32(image + 24, 0);
    memcpy(image + 28, bytes + 1, cie_bytes);
    put_u32(image + fde, 12 + rest);
    put_u32(image + fde + 4, fde + 4 - 20);
    put_u32(image + fde + 8, CODE - (fde + 8));
    put_u32(image + fde + 12, CODE_SIZE);
    memcpy(image + fde + 16, bytes + 1 + cie_bytes, rest);
    ask(image, total, 0, CODE + call % CODE_SIZE, true);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint32_t call;
    if (len < 1 + sizeof call + 1) {
        return 0;
    }
    uint8_t form = bytes[0];
    memcpy(&call, bytes + 1, sizeof call);
    bytes += 1 + sizeof call;
    len -= 1 + sizeof call;
    if (form % 2 != 0) {
        ask_framed(bytes, len, call);
        return 0;
    }
    uint8_t *image = malloc(len);
    memcpy(image, bytes, len);
    ask(image, len, form / 2 % 8, call, false);
    free(image);
    return 0;
}
