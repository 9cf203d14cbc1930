/* SPDX-License-Identifier: MIT */
/*
 * See trace/cfi_row.h. An opcode is its upper two bits with an operand in the lower six,
 * or, when those two bits are 0, an instruction of its own with operands behind it.
 * Products are taken modulo 2^64: a malformed table may ask for anything. Code addresses
 * only go up, or else the table is malformed; so what has been run for one address is
 * what has to be run for a higher one, up to there.
 */
#include "trace/cfi_row.h"

#include <stddef.h>

#define STATES_MOST 8

/* The few words of DWARF's stack machine that rows for compiled code are made of. */
#define OP_DEREF    0x06
#define OP_BREG_RBP 0x76
#define OP_BREG_RSP 0x77

struct run {
    struct tmi_cursor c;
    const struct tmi_cfi_scale *scale;
    const struct tmi_cfi_row *start;
    struct tmi_cfi_row row;
    unsigned saved;
    struct tmi_cfi_row states[STATES_MOST];
};

static int64_t scaled(const struct run *r, int64_t factor)
{
    return (int64_t)((uint64_t)factor * (uint64_t)r->scale->data_align);
}

/* The row's entry for a register, or NULL when that register is none of ours. */
static struct tmi_where *place_of(struct tmi_cfi_row *row, uint64_t reg)
{
    return reg == TMI_DWARF_RBP   ? &row->rbp
           : reg == TMI_DWARF_RIP ? &row->rip
           : reg == TMI_DWARF_RSP ? &row->rsp
                                  : NULL;
}

static void set_place(struct run *r, uint64_t reg, enum tmi_place place, int64_t offset)
{
    struct tmi_where *where = place_of(&r->row, reg);
    if (where != NULL) {
        *where = (struct tmi_where){place, offset};
    }
}

static void restore(struct run *r, uint64_t reg)
{
    if (reg == TMI_DWARF_RBP) {
        r->row.rbp = r->start->rbp;
    } else if (reg == TMI_DWARF_RIP) {
        r->row.rip = r->start->rip;
    } else if (reg == TMI_DWARF_RSP) {
        r->row.rsp = r->start->rsp;
    }
}

/*
 * An expression that says "rbp or rsp, plus n", dereferenced or not: the register's
 * number and n. 0 for every other expression.
 */
static uint64_t take_expression(struct tmi_cursor *c, bool dereferenced, int64_t *n)
{
    struct tmi_cursor e = tmi_cursor_part(c, tmi_cursor_uleb(c));
    uint8_t op = tmi_cursor_u8(&e);
    *n = tmi_cursor_sleb(&e);
    bool fits = !dereferenced || tmi_cursor_u8(&e) == OP_DEREF;
    if (!fits || e.lost || e.at != e.end) {
        return 0;
    }
    return op == OP_BREG_RBP ? TMI_DWARF_RBP : op == OP_BREG_RSP ? TMI_DWARF_RSP : 0;
}

static void take_cfa_expression(struct run *r)
{
    int64_t n;
    uint64_t reg = take_expression(&r->c, true, &n);
    r->row.cfa = reg == 0 ? TMI_CFA_OTHER : TMI_CFA_DEREF;
    r->row.cfa_register = reg;
    r->row.cfa_offset = n;
}

static void take_register_expression(struct run *r)
{
    uint64_t reg = tmi_cursor_uleb(&r->c);
    int64_t n;
    uint64_t base = take_expression(&r->c, false, &n);
    set_place(r, reg,
              base == TMI_DWARF_RBP   ? TMI_PLACE_RBP
              : base == TMI_DWARF_RSP ? TMI_PLACE_RSP
                                      : TMI_PLACE_ELSEWHERE,
              n);
}

static void set_cfa(struct run *r, uint64_t reg, int64_t offset)
{
    r->row.cfa = TMI_CFA_REGISTER;
    r->row.cfa_register = reg;
    r->row.cfa_offset = offset;
}

/* Offsets of a CFA that is no register plus an offset mean nothing. */
static bool set_cfa_offset(struct run *r, int64_t offset)
{
    r->row.cfa_offset = offset;
    return r->row.cfa == TMI_CFA_REGISTER;
}

/* Instructions about the CFA; false when `op` is none, or makes no sense here. */
static bool run_cfa(struct run *r, uint8_t op)
{
    uint64_t reg;
    switch (op) {
    case 0x0c: /* def_cfa */
        reg = tmi_cursor_uleb(&r->c);
        set_cfa(r, reg, (int64_t)tmi_cursor_uleb(&r->c));
        return true;
    case 0x12: /* def_cfa_sf */
        reg = tmi_cursor_uleb(&r->c);
        set_cfa(r, reg, scaled(r, tmi_cursor_sleb(&r->c)));
        return true;
    case 0x0d: /* def_cfa_register */
        reg = tmi_cursor_uleb(&r->c);
        r->row.cfa_register = reg;
        return r->row.cfa == TMI_CFA_REGISTER;
    case 0x0e: /* def_cfa_offset */
        return set_cfa_offset(r, (int64_t)tmi_cursor_uleb(&r->c));
    case 0x13: /* def_cfa_offset_sf */
        return set_cfa_offset(r, scaled(r, tmi_cursor_sleb(&r->c)));
    case 0x0f: /* def_cfa_expression */
        take_cfa_expression(r);
        return true;
    default:
        return false;
    }
}

/* Instructions about where a register is; false when `op` is none that is known. */
static bool run_register(struct run *r, uint8_t op)
{
    uint64_t reg = op == 0x00 ? 0 : tmi_cursor_uleb(&r->c);
    switch (op) {
    case 0x00: /* nop */
    case 0x2e: /* GNU_args_size: the number was its operand */
        return true;
    case 0x05: /* offset_extended */
        set_place(r, reg, TMI_PLACE_CFA, scaled(r, (int64_t)tmi_cursor_uleb(&r->c)));
        return true;
    case 0x11: /* offset_extended_sf */
        set_place(r, reg, TMI_PLACE_CFA, scaled(r, tmi_cursor_sleb(&r->c)));
        return true;
    case 0x06: /* restore_extended */
        restore(r, reg);
        return true;
    case 0x07: /* undefined */
        set_place(r, reg, TMI_PLACE_UNDEFINED, 0);
        return true;
    case 0x08: /* same_value */
        set_place(r, reg, TMI_PLACE_SAME, 0);
        return true;
    case 0x16: /* val_expression */
        tmi_cursor_part(&r->c, tmi_cursor_uleb(&r->c));
        set_place(r, reg, TMI_PLACE_ELSEWHERE, 0);
        return true;
    case 0x09: /* register */
    case 0x14: /* val_offset */
    case 0x15: /* val_offset_sf: as long as an unsigned one */
        tmi_cursor_uleb(&r->c);
        set_place(r, reg, TMI_PLACE_ELSEWHERE, 0);
        return true;
    default:
        return false;
    }
}

/* An instruction of its own that moves on in the code; false when `op` is none. */
static bool run_advance(struct run *r, uint8_t op, uintptr_t *at)
{
    uint64_t steps;
    if (op == 0x01) { /* set_loc */
        *at = tmi_cursor_pointer(&r->c, r->scale->encoding);
        return true;
    } else if (op == 0x02) {
        steps = tmi_cursor_u8(&r->c);
    } else if (op == 0x03) {
        steps = tmi_cursor_u16(&r->c);
    } else if (op == 0x04) {
        steps = tmi_cursor_u32(&r->c);
    } else {
        return false;
    }
    *at += steps * r->scale->code_align;
    return true;
}

/* An instruction of its own. */
static TMI_NOINLINE bool run_one(struct run *r, uint8_t op, uintptr_t *at)
{
    if (run_advance(r, op, at)) {
        return true;
    }
    if (op == 0x0a && r->saved < STATES_MOST) { /* remember_state */
        r->states[r->saved++] = r->row;
    } else if (op == 0x0b && r->saved > 0) { /* restore_state */
        r->row = r->states[--r->saved];
    } else if (op == 0x10) { /* expression */
        take_register_expression(r);
    } else if (op >= 0x0c && op <= 0x13 && op != 0x11) {
        return run_cfa(r, op);
    } else {
        return run_register(r, op);
    }
    return true;
}

bool tmi_cfi_run(struct tmi_cfi_place *place, const struct tmi_cfi_scale *scale,
                 const struct tmi_cfi_row *start, uintptr_t pc, struct tmi_cfi_row *row)
{
    struct run r; /* the states are written before they are read */
    r.scale = scale;
    r.start = start;
    r.row = place->row;
    r.saved = 0;
    struct tmi_cursor c = place->next;
    uintptr_t at = place->at;
    uintptr_t from = place->from;
    while (c.at < c.end && at <= pc) {
        uint8_t op = tmi_cursor_u8(&c);
        from = at;
        if ((op & 0xc0) == 0x40) { /* advance_loc */
            at += (op & 0x3f) * scale->code_align;
        } else if ((op & 0xc0) == 0x80) { /* offset */
            int64_t offset = scaled(&r, (int64_t)tmi_cursor_uleb(&c));
            set_place(&r, op & 0x3f, TMI_PLACE_CFA, offset);
        } else if ((op & 0xc0) == 0xc0) {
            restore(&r, op & 0x3f);
        } else if (op == 0x0e) { /* def_cfa_offset: with each push and pop */
            if (!set_cfa_offset(&r, (int64_t)tmi_cursor_uleb(&c))) {
                return false;
            }
        } else {
            uintptr_t to = at;
            r.c = c;
            if (!run_one(&r, op, &to)) {
                return false;
            }
            c = r.c;
            at = to;
        }
        if (at < from) {
            return false;
        }
    }
    *row = r.row;
    if (r.saved == 0 && !c.lost) {
        *place = (struct tmi_cfi_place){c, from, at, r.row};
    }
    return !c.lost;
}
