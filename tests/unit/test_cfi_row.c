/* SPDX-License-Identifier: MIT */
/*
 * Instructions of unwind tables, one function for each kind. The expected rules follow
 * from the DWARF standard's words for each instruction.
 */
#include "trace/cfi_row.h"

#include <criterion/criterion.h>
#include <string.h>

#include "../support/eh_frame.h"

static void set_up(void)
{
    make_area();
}

TestSuite(cfi_row, .init = set_up);

/* push rbp | mov rbp, rsp | pop rbp, ret */
Test(cfi_row, a_frame_with_rbp)
{
    struct table t = {.cie = {PLAIN},
                      .fde = {0x41, 0x0e, 16, 0x86, 2, /* 1: cfa 16, rbp at cfa-16 */
                              0x43, 0x0d, 6,           /* 4: cfa rbp+16 */
                              0x02, 100, 0x0c, 7, 8}}; /* 104: cfa rsp+8 */
    expect(&t, 0, plain_rule);
    expect(&t, 1, (struct tmi_rule){TMI_RULE_RSP, 16, -16});
    expect(&t, 3, (struct tmi_rule){TMI_RULE_RSP, 16, -16});
    expect(&t, 4, (struct tmi_rule){TMI_RULE_RBP, 16, -16});
    expect(&t, 103, (struct tmi_rule){TMI_RULE_RBP, 16, -16});
    expect(&t, 104, (struct tmi_rule){TMI_RULE_RSP, 8, -16});
    expect(&t, CODE_SIZE - 1, (struct tmi_rule){TMI_RULE_RSP, 8, -16});
    expect(&t, CODE_SIZE, (struct tmi_rule){TMI_RULE_NO_TABLE, 0, 0});
}

Test(cfi_row, all_ways_to_advance)
{
    struct table t = {.cie = {PLAIN},
                      .fde = {0x7f, 0x0e, 16,                           /* 63 */
                              0x02, 0xff, 0x0e, 24,                     /* 318 */
                              0x03, 0x34, 0x12, 0x0e, 32,               /* 4978 */
                              0x04, 0x00, 0x00, 0x10, 0x01, 0x0e, 40}}; /* 17830770 */
    const uint32_t steps[] = {63, 318, 4978, 4978 + 0x1100000};
    for (int i = 0; i < 4; i++) {
        expect(&t, steps[i] - 1, (struct tmi_rule){TMI_RULE_RSP, 8 + 8 * i, 0});
        expect(&t, steps[i], (struct tmi_rule){TMI_RULE_RSP, 16 + 8 * i, 0});
    }
}

/* set_loc has an address in the encoding of the CIE; here absolute, 8 bytes. */
Test(cfi_row, an_address_instead_of_a_distance)
{
    for (int at_end = 0; at_end < 2; at_end++) {
        struct table t = {.absolute = 1, .cie = {PLAIN}, .fde = {0x01}};
        size_t fde;
        uintptr_t base = (uintptr_t)place(build_table(&t, 0, &fde).n, at_end);
        uint64_t address = base + CODE + 77;
        memcpy(t.fde + 1, &address, sizeof address);
        memcpy(t.fde + 9, "\x0e\x30", 2);
        struct bytes b = build_table(&t, base, &fde);
        cr_assert(same_rule(ask(&b, 76, at_end), plain_rule));
        cr_assert(same_rule(ask(&b, 77, at_end), (struct tmi_rule){TMI_RULE_RSP, 48, 0}));
    }
}

Test(cfi_row, states_are_remembered)
{
    struct table t = {.cie = {PLAIN},
                      .fde = {0x41, 0x0e, 16, 0x86, 2, 0x0a, /* 1, remembered */
                              0x41, 0x0e, 8, 0xc6,           /* 2: popped again */
                              0x41, 0x0b,                    /* 3: back */
                              0x41, 0x0e, 64}};
    expect(&t, 1, (struct tmi_rule){TMI_RULE_RSP, 16, -16});
    expect(&t, 2, plain_rule);
    expect(&t, 3, (struct tmi_rule){TMI_RULE_RSP, 16, -16});
    expect(&t, 4, (struct tmi_rule){TMI_RULE_RSP, 64, -16});
}

Test(cfi_row, states_are_a_stack_with_a_bottom_and_an_end)
{
    struct table t = {.cie = {PLAIN},
                      .fde = {0x0a, 0x0e, 16, 0x0a, 0x0e, 24, 0x0a, 0x0e, 32, /* three */
                              0x41, 0x0b, 0x41, 0x0b, 0x41, 0x0b, 0x41, 0x0b}};
    expect(&t, 0, (struct tmi_rule){TMI_RULE_RSP, 32, 0});
    expect(&t, 1, (struct tmi_rule){TMI_RULE_RSP, 24, 0});
    expect(&t, 2, (struct tmi_rule){TMI_RULE_RSP, 16, 0});
    expect(&t, 3, plain_rule);
    expect(&t, 4, other_rule); /* nothing is remembered any more */
    struct table deep = {.cie = {PLAIN}};
    memset(deep.fde, 0x0a, 60);
    expect(&deep, 0, other_rule);
}

Test(cfi_row, the_long_forms)
{
    struct table t = {.cie = {PLAIN},
                      .fde = {0x05, 6,    2,          /* offset_extended: rbp at cfa-16 */
                              0x41, 0x11, 6,    0x04, /* 1: offset_extended_sf: cfa-32 */
                              0x41, 0x06, 6,          /* 2: restore_extended */
                              0x41, 0x12, 6,    0x7c, /* 3: def_cfa_sf: rbp+32 */
                              0x41, 0x13, 0x7b,       /* 4: def_cfa_offset_sf: rbp+40 */
                              0x41, 0x2e, 16,         /* 5: arguments pushed: not ours */
                              0x41, 0x86, 2,    0x08, 6,   /* 6: same_value */
                              0x41, 0x0e, 0x80, 0x80, 4}}; /* 7: cfa rbp+65536 */
    expect(&t, 0, (struct tmi_rule){TMI_RULE_RSP, 8, -16});
    expect(&t, 1, (struct tmi_rule){TMI_RULE_RSP, 8, -32});
    expect(&t, 2, plain_rule);
    expect(&t, 3, (struct tmi_rule){TMI_RULE_RBP, 32, 0});
    expect(&t, 4, (struct tmi_rule){TMI_RULE_RBP, 40, 0});
    expect(&t, 5, (struct tmi_rule){TMI_RULE_RBP, 40, 0});
    expect(&t, 6, (struct tmi_rule){TMI_RULE_RBP, 40, 0});
    expect(&t, 7, (struct tmi_rule){TMI_RULE_RBP, 65536, 0});
}

Test(cfi_row, other_registers_may_be_anywhere)
{
    struct table t = {.cie = {PLAIN},
                      .fde = {0x83, 3,    0x8c, 4,    0x09, 13,   14, 0x14, 15,
                              2,    0x15, 12,   0x7e, 0x10, 3,    2,  0x76, 0x68,
                              0x16, 12,   2,    0x77, 0,    0x07, 3,  0xc3, 0x08,
                              12,   0x06, 13,   0x11, 3,    2}};
    expect(&t, 0, plain_rule);
}

Test(cfi_row, realigned_frames)
{
    struct table t = {.cie = {PLAIN},
                      .fde = {0x41, 0x0c, 10, 0,                     /* 1: cfa r10 */
                              0x41, 0x10, 6,  2,    0x76, 0,         /* 2: rbp at *rbp */
                              0x41, 0x0f, 3,  0x76, 0x78, 0x06,      /* 3: cfa *(rbp-8) */
                              0x41, 0x0f, 4,  0x76, 0xf0, 0x7e, 6}}; /* 4: *(rbp-144) */
    expect(&t, 0, plain_rule);
    expect(&t, 1, other_rule);
    expect(&t, 2, other_rule);
    expect(&t, 3, (struct tmi_rule){TMI_RULE_DEREF, -8, 1});
    expect(&t, 4, (struct tmi_rule){TMI_RULE_DEREF, -144, 1});
}

/* One instruction after PLAIN, each of which asks for more than rsp, rbp and the stack.
 */
Test(cfi_row, what_is_not_for_us)
{
    static const uint8_t cases[][16] = {
        {0x0c, 3, 16},            /* cfa from rbx */
        {0x0d, 10},               /* cfa from r10 */
        {0x0f, 2, 0x77, 8},       /* cfa is an address of its own */
        {0x0f, 3, 0x77, 8, 6},    /* cfa *(rsp+8) */
        {0x0f, 4, 0x76, 8, 6, 6}, /* cfa **(rbp+8) */
        {0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22}, /* PLT */
        {0x0f, 0},                            /* cfa from nothing */
        {0x0f, 3, 0x76, 8, 6, 0x0e, 16},      /* an offset to that */
        {0x0f, 3, 0x76, 8, 6, 0x0d, 7},       /* a register for that */
        {0x07, 6},                            /* rbp undefined */
        {0x09, 6, 3},                         /* rbp in rbx */
        {0x14, 6, 2},                         /* rbp is cfa-16 */
        {0x10, 6, 2, 0x76, 0},                /* rbp at *rbp, not realigned */
        {0x10, 6, 2, 0x77, 0},                /* rbp at *rsp */
        {0x16, 6, 2, 0x76, 0},                /* rbp is an expression */
        {0x11, 6, 0x7e},                      /* rbp above the cfa */
        {0x86, 0},                            /* rbp at the cfa */
        {0x87, 2},                            /* rsp was saved */
        {0x09, 7, 10},                        /* rsp in r10 */
        {0x15, 7, 0x7e},                      /* rsp is cfa+16 */
        {0x90, 2},                            /* the return address at cfa-16 */
        {0x09, 16, 1},                        /* the return address in rdx */
        {0x08, 16},                           /* the return address unchanged */
        {0x0e, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* a frame of 32 GiB */
        {0x13, 0x80, 0x80, 0x80, 0x80, 0x10}, /* one of as much the other way */
        {0x1d},                               /* MIPS's */
        {0x2d},                               /* SPARC's */
        {0x2f, 6, 2},                         /* obsolete */
        {0x3f},                               /* nobody's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct table t = {.cie = {PLAIN}};
        memcpy(t.fde, cases[i], sizeof cases[i]);
        size_t fde;
        struct bytes b = build_table(&t, 0, &fde);
        cr_assert(same_rule(ask(&b, 0, true), other_rule), "case %zu", i);
    }
}

Test(cfi_row, the_end_of_the_stack)
{
    struct table t = {.cie = {PLAIN}, .fde = {0x07, 16, 0x41, 0x0e, 64, 0x07, 6}};
    expect(&t, 0, (struct tmi_rule){TMI_RULE_END, 0, 0});
    expect(&t, 1, (struct tmi_rule){TMI_RULE_END, 0, 0});
}
