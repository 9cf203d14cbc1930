/* SPDX-License-Identifier: MIT */
/*
 * Call frame information, pure: the bytes of an .eh_frame_hdr and its .eh_frame in, and
 * for one code address the rule of how to get from a frame to its caller's:
 *
 *     CFA   the caller's stack pointer: rsp + n, rbp + n, or *(rbp + n)
 *     RA    the return address: always at CFA - 8
 *     rbp   unchanged, or saved at CFA - n (or at *rbp, in a frame that realigned itself)
 *
 * That is all that compilers emit for code that makes calls. What does not fit (another
 * register, another expression) gives TMI_RULE_OTHER, and the caller asks a slower
 * unwinder. Code that no table speaks of gives TMI_RULE_NO_TABLE, unless it is the
 * instructions of a signal's return, as libgcc has it. Nothing is read outside of the
 * bytes given; a malformed table gives TMI_RULE_OTHER too. x86-64 only; no state but the
 * caller's, no allocation, no lock.
 */
#ifndef TMI_CFI_H
#define TMI_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/cfi_row.h"

enum tmi_rule_kind {
    TMI_RULE_NONE,   /* not decoded yet */
    TMI_RULE_RSP,    /* CFA = rsp + cfa_offset */
    TMI_RULE_RBP,    /* CFA = rbp + cfa_offset */
    TMI_RULE_DEREF,  /* CFA = *(rbp + cfa_offset) */
    TMI_RULE_SIGNAL, /* the kernel's signal frame: registers are in the ucontext at rsp */
    TMI_RULE_END,    /* the outermost frame */
    TMI_RULE_OTHER,  /* not for us */
    TMI_RULE_NO_TABLE
};

struct tmi_rule {
    enum tmi_rule_kind kind;
    int32_t cfa_offset;
    int32_t rbp_offset; /* rbp was saved at CFA + this; 0: it was not; 1: at *rbp */
};

struct tmi_cfi_image {
    uintptr_t start, end;   /* memory that may be read: the tables */
    uintptr_t eh_frame_hdr; /* where in it they begin; 0: the module has none */
    uintptr_t code_start,
        code_end; /* memory that may be read: the code, as far as it is */
};

/* What the functions that refer to one CIE have in common. */
struct tmi_cfi_common {
    uintptr_t at; /* where the CIE is; 0: none was read */
    struct tmi_cfi_scale scale;
    bool is_signal;
    bool has_augmentation;
    struct tmi_cfi_row start; /* what its instructions make */
};

/* The part of a sorted table that leads to one FDE, and what is known of that. */
struct tmi_cfi_function {
    int64_t lowest, next; /* addresses from the table on, of the calls it is for */
    bool is_there;
    uintptr_t begin, end;        /* of the code */
    struct tmi_cursor rest;      /* the FDE's instructions */
    struct tmi_cfi_place latest; /* among them: where the latest row was found */
};

/*
 * What was met in an image while rules were looked for, so that it need not be read
 * again: of many addresses in one large function each would else read all of its table.
 * Zeros at first. It belongs to one image, and holds as long as that does not change.
 */
struct tmi_cfi_reader {
    uintptr_t entries; /* of the sorted table; 0: its header was not read */
    size_t count;
    struct tmi_cfi_common common;
    struct tmi_cfi_function function;
};

/* The rule for the call that returns to `pc`; whatever the reader has met before. */
struct tmi_rule tmi_cfi_rule(struct tmi_cfi_reader *reader,
                             const struct tmi_cfi_image *image, uintptr_t pc);

#endif
