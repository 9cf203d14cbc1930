/* SPDX-License-Identifier: MIT */
/*
 * Entries and the sorted table of .eh_frame, right ones and wrong ones: none may lead a
 * reader outside of the image, at whose ends nothing can be read.
 */
#include "trace/cfi.h"

#include <criterion/criterion.h>
#include <string.h>

#include "../support/eh_frame.h"
#include "../support/random.h"

#define NONE 0xffffffffu

static char *area;

static void set_up(void)
{
    area = make_area();
}

TestSuite(cfi, .init = set_up);

static size_t fde_at; /* of the table built last */

static struct tmi_rule fresh_rule(const struct tmi_cfi_image *image, uintptr_t pc)
{
    struct tmi_cfi_reader reader = {0};
    return tmi_cfi_rule(&reader, image, pc);
}

/* A table that holds no address. */
static struct bytes build(const struct table *t)
{
    return build_table(t, 0, &fde_at);
}

/* libc's __restore_rt: all registers in the ucontext at rsp. */
#define RESTORE                                                                          \
    0x0f, 4, 0x77, 0xa0, 1, 6, 0x10, 6, 3, 0x77, 0xf8, 0, 0x10, 7, 3, 0x77, 0xa0, 1, 0x10

Test(cfi, signal_frames)
{
    const struct tmi_rule signal = {TMI_RULE_SIGNAL, 0, 0};
    struct table t = {.letters = "zRS", .fde = {RESTORE, 16, 3, 0x77, 0xa8, 1}};
    expect(&t, 0, signal);
    expect(&t, 1000, signal);
    struct table moved = {.letters = "zRS", .fde = {RESTORE, 16, 3, 0x77, 0xb0, 1}};
    expect(&moved, 0, other_rule);
    struct table rbp = {.letters = "zRS", .fde = {RESTORE, 16, 3, 0x77, 0xa8, 1}};
    rbp.fde[10] ^= 8; /* another place for rbp, then for rsp */
    expect(&rbp, 0, other_rule);
    rbp.fde[10] ^= 8;
    expect(&rbp, 0, signal);
    rbp.fde[16] ^= 8;
    expect(&rbp, 0, other_rule);
    struct table unmarked = {.fde = {RESTORE, 16, 3, 0x77, 0xa8, 1}};
    expect(&unmarked, 0, other_rule);
    struct table without = {.letters = "zRS", .cie = {PLAIN}};
    expect(&without, 0, other_rule);
}

/* ---- entries --------------------------------------------------------------------- */

Test(cfi, forms_of_entries)
{
    const struct tmi_rule saved = {TMI_RULE_RSP, 16, -16};
    struct table t = {.cie = {PLAIN}, .fde = {0x0e, 16, 0x86, 2}};
    t.version = 3;
    expect(&t, 0, saved);
    t.version = 4;
    expect(&t, 0, other_rule);
    t.version = 2;
    expect(&t, 0, other_rule);
    t.version = 1;
    t.rip = 15;
    expect(&t, 0, other_rule);
    t.rip = 16;
    t.absolute = 1;
    expect(&t, 0, saved);
    t.letters = ""; /* pointers are absolute then */
    expect(&t, 0, saved);
    t.letters = "eh";
    expect(&t, 0, other_rule);
    t.absolute = 0;
    t.letters = "zX";
    expect(&t, 0, other_rule);
    t.letters = "zRRRRRRRRRRRR";
    expect(&t, 0, other_rule);
    t.letters = "zPLR"; /* a personality, PC-relative through a pointer: as in C++ */
    memcpy(t.augmentation, "\x9b\1\2\3\4\x1b\x1b", 7);
    t.augmentation_size = 7;
    expect(&t, 0, saved);
    t.augmentation_size = 6; /* too short for its letters */
    expect(&t, 0, other_rule);
}

Test(cfi, lengths_that_lie)
{
    static const uint32_t lengths[] = {NONE, NONE - 1, 0x80000000u, 1000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct table t = {.cie = {PLAIN}, .cie_length = lengths[i]};
        expect(&t, 0, other_rule);
        t.cie_length = 0;
        t.fde_length = lengths[i];
        expect(&t, 0, other_rule);
    }
    struct table t = {.cie = {PLAIN}};
    struct bytes b = build(&t);
    memset(b.at + fde_at, 0, 4); /* the mark of the end of all entries */
    cr_assert(same_rule(ask(&b, 0, true), other_rule));
    b = build(&t);
    memset(b.at + fde_at + 4, 0, 4); /* a CIE */
    cr_assert(same_rule(ask(&b, 0, true), other_rule));
    b = build(&t);
    memset(b.at + fde_at + 4, 0xff, 4); /* its CIE is somewhere below */
    cr_assert(same_rule(ask(&b, 0, true), other_rule));
}

/* ---- the sorted table ------------------------------------------------------------ */

Test(cfi, its_header)
{
    struct table t = {.cie = {PLAIN}};
    for (size_t i = 0; i < 4; i++) { /* other versions and encodings */
        struct bytes b = build(&t);
        b.at[i] ^= 1;
        cr_assert(same_rule(ask(&b, 0, true), other_rule), "%zu", i);
    }
    static const uint32_t counts[] = {NONE, 0x80000000u, 0x20000000u, 40};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct bytes b = build(&t);
        memcpy(b.at + 8, &counts[i], 4);
        cr_assert(same_rule(ask(&b, 0, true), other_rule), "%zu", i);
    }
    struct bytes b = build(&t);
    memset(b.at + 8, 0, 4); /* a table of nothing */
    cr_assert(same_rule(ask(&b, 0, true), (struct tmi_rule){TMI_RULE_NO_TABLE, 0, 0}));
    struct tmi_cfi_image far = {.start = 1000, .end = 2000, .eh_frame_hdr = 5000};
    cr_assert(same_rule(fresh_rule(&far, 1500), other_rule));
}

/* Functions at 0, 100, ..., with 90 bytes of code and `n` bytes of instructions; each has
 * its number at instructions[number_at]. */
static struct bytes build_functions(uint32_t count, uint8_t *instructions, size_t n,
                                    size_t number_at)
{
    struct bytes b = {.n = 0};
    struct table t = {.cie = {PLAIN}};
    put(&b, "\1\x1b\3\x3b\0\0\0\0", 8);
    put_u32(&b, count);
    b.n += 8 * count;
    size_t cie = b.n;
    put_cie(&b, &t);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t entry[2] = {CODE + 100 * i, (uint32_t)b.n};
        memcpy(b.at + 12 + 8 * i, entry, sizeof entry);
        instructions[number_at] = (uint8_t)(8 + 8 * i);
        put_u32(&b, (uint32_t)(13 + n));
        put_u32(&b, (uint32_t)(b.n - cie));
        put_u32(&b, (uint32_t)(CODE + 100 * i - b.n));
        put_u32(&b, 90);
        put_u8(&b, 0);
        put(&b, instructions, n);
    }
    return b;
}

/* Each is found by its first and by its last byte, none between. */
Test(cfi, many_functions)
{
    for (uint32_t count = 1; count < 15; count++) {
        uint8_t offset[4] = {0x0e};
        struct bytes b = build_functions(count, offset, sizeof offset, 1);
        for (uint32_t i = 0; i < count; i++) {
            struct tmi_rule wanted = {TMI_RULE_RSP, (int32_t)(8 + 8 * i), 0};
            cr_assert(same_rule(ask(&b, 100 * i, true), wanted));
            cr_assert(same_rule(ask(&b, 100 * i + 89, true), wanted));
            cr_assert_eq(ask(&b, 100 * i + 90, true).kind, TMI_RULE_NO_TABLE);
            cr_assert_eq(ask(&b, 100 * i - 1, true).kind, TMI_RULE_NO_TABLE);
        }
    }
}

/*
 * push rbx, push rbp, an early exit, the rest: as a function's code goes on, and what the
 * CFA is at each byte of it. The first push is 8 * (1 + number) bytes.
 */
Test(cfi, a_reader_finds_what_a_fresh_one_does)
{
    uint8_t code[] = {0x41, 0x0e, 0,  0x41, 0x0e, 64,   0x86, 2,    0x45, 0x0a,
                      0x43, 0x0e, 8,  0xc6, 0x42, 0x0b, 0x02, 20,   0x0e, 72,
                      0x41, 0x0e, 80, 0x0a, 0x41, 0x0e, 88,   0x41, 0x0b, 0x43};
    enum { COUNT = 6 };
    struct bytes b = build_functions(COUNT, code, sizeof code, 2);
    char *to = place(b.n, true);
    memcpy(to, b.at, b.n);
    struct tmi_cfi_image image = {.start = (uintptr_t)to,
                                  .end = (uintptr_t)to + b.n,
                                  .eh_frame_hdr = (uintptr_t)to};
    struct tmi_cfi_reader reader = {0};
    uint64_t seed = 1;
    for (int i = 0; i < 100000; i++) {
        uintptr_t offset = random_below(&seed, 3) != 0 ? random_below(&seed, 100 * COUNT)
                                                       : 100 + random_below(&seed, 90);
        uintptr_t within = offset % 100;
        int32_t cfa = within < 1    ? 8
                      : within < 2  ? 8 + 8 * (int32_t)(offset / 100)
                      : within < 10 ? 64
                      : within < 12 ? 8
                      : within < 32 ? 64
                      : within < 33 ? 72
                      : within < 34 ? 80
                      : within < 35 ? 88
                                    : 80;
        bool saved = within >= 2 && (within < 10 || within >= 12);
        struct tmi_rule wanted = {TMI_RULE_RSP, cfa, saved ? -16 : 0};
        if (within >= 90) {
            wanted = (struct tmi_rule){TMI_RULE_NO_TABLE, 0, 0};
        }
        struct tmi_rule rule =
            tmi_cfi_rule(&reader, &image, (uintptr_t)to + CODE + offset + 1);
        cr_assert(same_rule(rule, wanted), "%zu: %d %d %d", (size_t)offset, rule.kind,
                  rule.cfa_offset, rule.rbp_offset);
    }
}

/* What one function says wrongly is no matter to the next, nor to itself before. */
Test(cfi, a_reader_survives_what_is_malformed)
{
    uint8_t code[] = {0x41, 0x0e, 16, 0x41, 0x3f, 0x0e, 0};
    struct bytes b = build_functions(2, code, sizeof code, 6);
    char *to = place(b.n, true);
    memcpy(to, b.at, b.n);
    memset(to + b.n - 3, 0, 3); /* the second function is well */
    struct tmi_cfi_image image = {.start = (uintptr_t)to,
                                  .end = (uintptr_t)to + b.n,
                                  .eh_frame_hdr = (uintptr_t)to};
    static const uint8_t offsets[] = {2, 1, 0, 2, 102, 1, 50, 101, 2, 100, 150};
    struct tmi_cfi_reader reader = {0};
    for (size_t i = 0; i < sizeof offsets; i++) {
        struct tmi_rule wanted = {TMI_RULE_RSP, offsets[i] % 100 == 0 ? 8 : 16, 0};
        wanted = offsets[i] < 100 && offsets[i] >= 2 ? other_rule : wanted;
        struct tmi_rule rule =
            tmi_cfi_rule(&reader, &image, (uintptr_t)to + CODE + offsets[i] + 1);
        cr_assert(same_rule(rule, wanted), "%zu", i);
    }
}

/* Addresses of code go up: what would come back is malformed. */
Test(cfi, code_that_goes_back)
{
    struct table t = {.absolute = 1, .cie = {PLAIN}, .fde = {0x42, 0x0e, 16, 0x01}};
    for (int back = 0; back < 2; back++) {
        size_t n = build_table(&t, 0, &fde_at).n;
        uintptr_t address = (uintptr_t)place(n, true) + CODE + (back ? 1 : 3);
        memcpy(t.fde + 4, &address, sizeof address);
        struct bytes b = build_table(&t, (uintptr_t)place(n, true), &fde_at);
        struct tmi_rule sixteen = {TMI_RULE_RSP, 16, 0};
        cr_assert(same_rule(ask(&b, 1, true), plain_rule));
        cr_assert(same_rule(ask(&b, 2, true), back ? other_rule : sixteen));
        cr_assert(same_rule(ask(&b, 50, true), back ? other_rule : sixteen));
    }
}

/* Code without a table is told, but for what the kernel returns to. */
Test(cfi, a_return_from_a_signal_without_a_table)
{
    static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    struct table t = {.cie = {PLAIN}};
    struct bytes b = build(&t);
    memcpy(area, b.at, b.n);
    uintptr_t at = (uintptr_t)area + AREA - sizeof code;
    memcpy((void *)at, code, sizeof code);
    struct tmi_cfi_image image = {.code_start = at, .code_end = at + sizeof code};
    for (int tables = 0; tables < 2; tables++) {
        image.code_end = at + sizeof code;
        cr_assert_eq(fresh_rule(&image, at).kind, TMI_RULE_SIGNAL);
        cr_assert_eq(fresh_rule(&image, at + 1).kind, TMI_RULE_NO_TABLE);
        cr_assert_eq(fresh_rule(&image, at - 1).kind, TMI_RULE_NO_TABLE);
        image.code_end--;
        cr_assert_eq(fresh_rule(&image, at).kind, TMI_RULE_NO_TABLE);
        image.start = image.eh_frame_hdr = (uintptr_t)area;
        image.end = image.start + b.n;
    }
}

/* ---- damage ---------------------------------------------------------------------- */

/* Each byte of a table made every other one: any rule is right, a read outside is not. */
static void damage(const struct table *t, bool at_end)
{
    size_t n = build(t).n;
    struct bytes whole = build_table(t, (uintptr_t)place(n, at_end), &fde_at);
    for (size_t i = 0; i < whole.n; i++) {
        struct bytes b = whole;
        for (int v = 0; v < 256; v++) {
            b.at[i] = (uint8_t)v;
            struct tmi_rule rule = ask(&b, 5, at_end);
            cr_assert(rule.kind > TMI_RULE_NONE && rule.kind <= TMI_RULE_NO_TABLE);
        }
    }
}

Test(cfi, no_damaged_byte_leads_outside)
{
    struct table frame = {.cie = {PLAIN},
                          .fde = {0x41, 0x0e, 16,   0x86, 2,    0x0a, 0x43,
                                  0x0d, 6,    0x0b, 0x41, 0x0f, 3,    0x76,
                                  0x78, 6,    0x10, 6,    2,    0x76, 0}};
    struct table signal = {.letters = "zRS", .fde = {RESTORE, 16, 3, 0x77, 0xa8, 1}};
    struct table absolute = {.absolute = 1, .cie = {PLAIN}, .fde = {0x41, 0x0e, 16}};
    for (int at_end = 0; at_end < 2; at_end++) {
        damage(&frame, at_end);
        damage(&signal, at_end);
        damage(&absolute, at_end);
    }
}

/* The image ends earlier and earlier; what is cut off cannot be read. */
Test(cfi, no_cut_leads_outside)
{
    struct table t = {.cie = {PLAIN}, .fde = {0x41, 0x0e, 16, 0x86, 2}};
    struct bytes b = build(&t);
    cr_assert(same_rule(ask(&b, 5, true), (struct tmi_rule){TMI_RULE_RSP, 16, -16}));
    while (b.n > 0) {
        b.n--;
        cr_assert(same_rule(ask(&b, 5, true), other_rule));
    }
}
