/* SPDX-License-Identifier: MIT */
/*
 * One row of a function's unwind table: at some address of its code, how the caller's
 * stack pointer (the CFA) is computed, and where the caller's rip, rbp and rsp are. The
 * table is not stored as rows but as a program that changes a row while it moves through
 * the code:
 *
 *     instructions   def_cfa rsp+8; rip at cfa-8 | advance 1 | cfa rsp+16; rbp at cfa-16
 *     row at pc      the row when the program has moved past pc
 *
 * Only those three registers are followed: what compilers do with others is no matter to
 * an unwinder that needs no others. Pure; reads nothing but the instructions.
 */
#ifndef TMI_CFI_ROW_H
#define TMI_CFI_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/cursor.h"

/* DWARF's numbers of x86-64's registers. */
#define TMI_DWARF_RBP 6
#define TMI_DWARF_RSP 7
#define TMI_DWARF_RIP 16

enum tmi_place {
    TMI_PLACE_SAME,      /* not saved: it still has the caller's value */
    TMI_PLACE_CFA,       /* saved at CFA + offset */
    TMI_PLACE_RBP,       /* saved at rbp + offset */
    TMI_PLACE_RSP,       /* saved at rsp + offset */
    TMI_PLACE_UNDEFINED, /* there is no such value: for rip, no caller */
    TMI_PLACE_ELSEWHERE
};

struct tmi_where {
    enum tmi_place place;
    int64_t offset;
};

struct tmi_cfi_row {
    enum { TMI_CFA_REGISTER, TMI_CFA_DEREF, TMI_CFA_OTHER } cfa;
    uint64_t cfa_register; /* CFA = register + offset, or what is stored there */
    int64_t cfa_offset;
    struct tmi_where rip, rbp, rsp;
};

/* How the numbers in the instructions of one function are to be read. */
struct tmi_cfi_scale {
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding; /* of addresses */
};

/*
 * A place among the instructions of a function. Those before it made `row`, and have come
 * to the code at `at`; they are all run for any address that is not below `from`.
 */
struct tmi_cfi_place {
    struct tmi_cursor next;
    uintptr_t from, at;
    struct tmi_cfi_row row;
};

/*
 * Run instructions until they are for code above `pc`, from a place that is for it;
 * false when one is not understood. *row becomes the row at `pc`, *place one further on
 * if there is one to go on from. `start` is the row to which "restore" goes back: the one
 * after the CIE's instructions.
 */
bool tmi_cfi_run(struct tmi_cfi_place *place, const struct tmi_cfi_scale *scale,
                 const struct tmi_cfi_row *start, uintptr_t pc, struct tmi_cfi_row *row);

#endif
