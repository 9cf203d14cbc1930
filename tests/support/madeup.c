/* SPDX-License-Identifier: MIT */
/* See madeup.h. */
#include "madeup.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "trace/tree.h"

__asm__(
    ".text\n"
    ".globl madeup_rsp8, madeup_rsp16, madeup_rsp48, madeup_rsp48_saved\n"
    ".globl madeup_rbp16, madeup_deref, madeup_end, madeup_rbx, madeup_signal_return\n"
    ".hidden madeup_rsp8, madeup_rsp16, madeup_rsp48, madeup_rsp48_saved\n"
    ".hidden madeup_rbp16, madeup_deref, madeup_end, madeup_rbx, madeup_signal_return\n"
    ".cfi_startproc\n"
    "nop\n"
    "madeup_rsp8:\n"
    ".cfi_def_cfa_offset 16\n"
    "nop\n"
    "madeup_rsp16:\n"
    ".cfi_def_cfa_offset 48\n"
    "nop\n"
    "madeup_rsp48:\n"
    ".cfi_offset rbp, -16\n"
    "nop\n"
    "madeup_rsp48_saved:\n"
    ".cfi_def_cfa rbp, 16\n"
    "nop\n"
    "madeup_rbp16:\n"
    ".cfi_escape 0x0f, 3, 0x76, 0x78, 0x06\n" /* CFA = *(rbp - 8) */
    ".cfi_escape 0x10, 6, 2, 0x76, 0\n"       /* rbp at *rbp */
    "nop\n"
    "madeup_deref:\n"
    ".cfi_def_cfa rbx, 16\n"
    ".cfi_offset rbp, -16\n"
    "nop\n"
    "madeup_rbx:\n"
    ".cfi_undefined rip\n"
    "nop\n"
    "madeup_end:\n"
    ".cfi_endproc\n"
    ".cfi_startproc simple\n"
    ".cfi_signal_frame\n"
    ".cfi_escape 0x0f, 4, 0x77, 0xa0, 1, 6\n"  /* CFA = *(rsp + 160) */
    ".cfi_escape 0x10, 6, 3, 0x77, 0xf8, 0\n"  /* rbp at rsp + 120 */
    ".cfi_escape 0x10, 7, 3, 0x77, 0xa0, 1\n"  /* rsp at rsp + 160 */
    ".cfi_escape 0x10, 16, 3, 0x77, 0xa8, 1\n" /* rip at rsp + 168 */
    "nop\n"
    "madeup_signal_return:\n"
    "nop\n"
    ".cfi_endproc\n");

uintptr_t areas[AREAS][AREA_WORDS];
uint64_t seed;

struct madeup model;

void write_word(uintptr_t address, uintptr_t value)
{
    *(uintptr_t *)address = value;
}

uintptr_t some_rbp(void)
{
    uint64_t word = random_below(&seed, AREA_WORDS / 2);
    return random_below(&seed, 3) == 0 ? word : (uintptr_t)&areas[0][word];
}

struct tmi_state lay_out(const char *code, const struct tmi_state *outer)
{
    uintptr_t cfa = outer->sp;
    uintptr_t spare = 8 * random_below(&seed, 4);
    struct tmi_state inner = {(uintptr_t)code, 0, outer->rbp};
    if (code == signal_return) {
        inner.sp = cfa - 256 - spare;
        write_word(inner.sp + 168, outer->pc - (outer->pc != 0));
        write_word(inner.sp + 160, outer->sp);
        write_word(inner.sp + 120, outer->rbp);
        inner.rbp = some_rbp();
        return inner;
    }
    write_word(cfa - 8, outer->pc);
    if (code == rsp8) {
        inner.sp = cfa - 8;
    } else if (code == rsp16) {
        inner.sp = cfa - 16;
    } else if (code == rsp48) {
        inner.sp = cfa - 48;
    } else if (code == rsp48_saved) {
        inner.sp = cfa - 48;
        write_word(cfa - 16, outer->rbp);
        inner.rbp = some_rbp();
    } else if (code == rbp16) {
        write_word(cfa - 16, outer->rbp);
        inner.rbp = cfa - 16;
        inner.sp = cfa - 16 - spare;
    } else {
        inner.rbp = cfa - 24 - spare;
        write_word(inner.rbp, outer->rbp);
        write_word(inner.rbp - 8, cfa);
        inner.sp = inner.rbp - 8 - 8 * random_below(&seed, 4);
    }
    return inner;
}

void push(const char *code)
{
    model.frames[model.n] = lay_out(code, &model.frames[model.n - 1]);
    model.n++;
}

void push_any(void)
{
    static const char *const kinds[] = {rsp8,  rsp16, rsp48, rsp48_saved,  rsp48_saved,
                                        rbp16, rbp16, deref, signal_return};
    push(kinds[random_below(&seed, sizeof kinds / sizeof *kinds)]);
}

void begin(unsigned area, unsigned how)
{
    uintptr_t top = (uintptr_t)&areas[area][AREA_WORDS];
    if (how == 0) {
        model.frames[0] = (struct tmi_state){(uintptr_t)end, top, some_rbp()};
    } else if (how == 1) {
        struct tmi_state nobody = {0, top, 0};
        model.frames[0] = lay_out(rsp16, &nobody);
    } else {
        model.frames[0] = (struct tmi_state){0x1230, top - 16, some_rbp()}; /* no page */
    }
    model.n = 1;
}

void expect_model(uint32_t node)
{
    cr_assert_neq(node, 0);
    for (size_t i = model.n; i > 0; i--) {
        cr_assert_neq(node, 0, "frame %zu of %zu is missing", model.n - i, model.n);
        cr_assert_eq(tmi_location_address(tmi_tree_location(node)),
                     model.frames[i - 1].pc, "frame %zu of %zu", model.n - i, model.n);
        node = tmi_tree_parent(node);
    }
    cr_assert_eq(node, 0, "more than %zu frames", model.n);
}

uint32_t capture_at(struct tmi_laststack *last, const struct tmi_state *now)
{
    uintptr_t *frame = (uintptr_t *)now->sp - 2;
    uintptr_t before[] = {frame[0], frame[1]};
    frame[0] = now->rbp;
    frame[1] = now->pc;
    uint32_t node = tmi_laststack_capture(last, frame)->node;
    memcpy(frame, before, sizeof before);
    return node;
}

void capture(struct tmi_laststack *last)
{
    expect_model(capture_at(last, &model.frames[model.n - 1]));
}

struct tmi_laststack *new_laststack(void)
{
    struct tmi_laststack *last = calloc(1, sizeof *last);
    cr_assert_not_null(last);
    tmi_laststack_init(last);
    return last;
}
