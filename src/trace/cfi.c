/* SPDX-License-Identifier: MIT */
/*
 * See trace/cfi.h. Three steps, each with a cursor that cannot leave the image:
 *
 *     .eh_frame_hdr   sorted table of (code address, FDE), searched by halves
 *     FDE and CIE     encodings, alignment factors, the two lists of instructions
 *     instructions    run until they describe the address; they change a row
 *
 * A cursor that was asked to leave reads zeros and remembers it: one test at the end.
 */
#include "trace/cfi.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define REG_RBP     6
#define REG_RSP     7
#define REG_RA      16
#define STATES_MOST 8

/* Pointer encodings of .eh_frame, as far as linkers emit them. */
#define ENC_ABSPTR         0x00
#define ENC_UDATA4         0x03
#define ENC_UDATA8         0x04
#define ENC_SDATA4         0x0b
#define ENC_SDATA8         0x0c
#define ENC_FORM           0x0f
#define ENC_PCREL          0x10
#define ENC_DATAREL_SDATA4 0x3b
#define ENC_PCREL_SDATA4   0x1b
#define ENC_OMIT           0xff

struct cursor {
    uintptr_t at, end;
    bool lost; /* asked for bytes that are not there */
};

/* Where a register's old value is. */
enum place { SAME, AT_CFA, AT_RBP, UNDEFINED, ELSEWHERE };

struct where {
    enum place place;
    int64_t offset;
};

struct row {
    enum { CFA_REGISTER, CFA_DEREF_RBP, CFA_OTHER } cfa;
    uint64_t cfa_register;
    int64_t cfa_offset;
    struct where ra, rbp;
};

struct program {
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;
    bool is_signal;
    bool has_augmentation;
    uintptr_t begin, end; /* code that the FDE covers */
    struct cursor initial, rest;
};

static bool take(struct cursor *c, void *out, size_t n)
{
    if (c->lost || c->end - c->at < n || c->at > c->end) {
        c->lost = true;
        memset(out, 0, n);
        return false;
    }
    memcpy(out, (const void *)c->at, n);
    c->at += n;
    return true;
}

static uint8_t take_u8(struct cursor *c)
{
    uint8_t v;
    take(c, &v, sizeof v);
    return v;
}

static uint32_t take_u32(struct cursor *c)
{
    uint32_t v;
    take(c, &v, sizeof v);
    return v;
}

static uint64_t take_uleb(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = take_u8(c);
        if (shift < 64) {
            v |= (uint64_t)(byte & 0x7f) << shift;
        }
        if (!(byte & 0x80)) {
            return v;
        }
    }
}

static int64_t take_sleb(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0;;) {
        uint8_t byte = take_u8(c);
        if (shift < 64) {
            v |= (uint64_t)(byte & 0x7f) << shift;
        }
        shift += 7;
        if (!(byte & 0x80)) {
            if (shift < 64 && (byte & 0x40)) {
                v |= ~(uint64_t)0 << shift;
            }
            return (int64_t)v;
        }
    }
}

static void skip(struct cursor *c, uint64_t n)
{
    if (c->lost || n > c->end - c->at) {
        c->lost = true;
    } else {
        c->at += n;
    }
}

/* A pointer in one of the encodings; other ones lose the cursor. */
static uintptr_t take_pointer(struct cursor *c, uint8_t encoding)
{
    uintptr_t base = (encoding & 0x70) == ENC_PCREL ? c->at : 0;
    if ((encoding & 0x70) != ENC_PCREL && (encoding & 0x70) != 0) {
        c->lost = true;
    }
    uint64_t wide = 0;
    switch (encoding & ENC_FORM) {
    case ENC_ABSPTR:
    case ENC_UDATA8:
    case ENC_SDATA8:
        take(c, &wide, sizeof wide);
        return base + wide;
    case ENC_UDATA4:
        return base + take_u32(c);
    case ENC_SDATA4:
        return base + (uintptr_t)(intptr_t)(int32_t)take_u32(c);
    default:
        c->lost = true;
        return 0;
    }
}

static struct cursor cursor_at(const struct tmi_cfi_image *image, uintptr_t at)
{
    struct cursor c = {at, image->end, at < image->start || at >= image->end};
    return c;
}

/* The FDE whose code may contain `pc`; 0 when there is none. */
static uintptr_t search(const struct tmi_cfi_image *image, uintptr_t pc)
{
    struct cursor c = cursor_at(image, image->eh_frame_hdr);
    uint8_t form[4];
    take(&c, form, sizeof form);
    if (form[0] != 1 || form[1] != ENC_PCREL_SDATA4 || form[2] != ENC_UDATA4 ||
        form[3] != ENC_DATAREL_SDATA4) {
        return 0;
    }
    take_u32(&c); /* where .eh_frame is: the table says it better */
    size_t count = take_u32(&c);
    if (c.lost || count > (c.end - c.at) / 8) {
        return 0;
    }
    const int32_t *table = (const int32_t *)c.at;
    int64_t wanted = (int64_t)(pc - image->eh_frame_hdr);
    size_t low = 0;
    while (count > 0) { /* the first entry above `wanted` is in [low, low + count] */
        size_t half = count / 2;
        if (table[2 * (low + half)] <= wanted) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low == 0 ? 0 : image->eh_frame_hdr + (uintptr_t)(intptr_t)table[2 * low - 1];
}

/* The entry (CIE or FDE) at `at`, without its length; lost when it is none. */
static struct cursor open_entry(const struct tmi_cfi_image *image, uintptr_t at)
{
    struct cursor c = cursor_at(image, at);
    uint32_t length = take_u32(&c);
    if (length == 0 || length == UINT32_MAX || c.end - c.at < length) {
        c.lost = true;
    } else {
        c.end = c.at + length;
    }
    return c;
}

static void read_augmentation(struct cursor *c, const char *letters, struct program *p)
{
    for (; *letters != '\0' && !c->lost; letters++) {
        if (*letters == 'R') {
            p->encoding = take_u8(c);
        } else if (*letters == 'L') {
            take_u8(c);
        } else if (*letters == 'P') {
            uint8_t encoding = take_u8(c);
            take_pointer(c, encoding & (ENC_FORM | ENC_PCREL));
        } else if (*letters == 'S') {
            p->is_signal = true;
        } else {
            c->lost = true;
        }
    }
}

static bool read_cie(const struct tmi_cfi_image *image, uintptr_t at, struct program *p)
{
    struct cursor c = open_entry(image, at);
    uint32_t id = take_u32(&c);
    uint8_t version = take_u8(&c);
    char letters[8] = "";
    size_t n = 0;
    while (n < sizeof letters && (letters[n] = (char)take_u8(&c)) != '\0') {
        n++;
    }
    if (c.lost || id != 0 || (version != 1 && version != 3) || n == sizeof letters) {
        return false;
    }
    p->code_align = take_uleb(&c);
    p->data_align = take_sleb(&c);
    uint64_t ra = version == 1 ? take_u8(&c) : take_uleb(&c);
    p->encoding = ENC_ABSPTR;
    if (letters[0] == 'z') {
        p->has_augmentation = true;
        uint64_t bytes = take_uleb(&c);
        struct cursor data = c;
        skip(&c, bytes);
        data.end = c.at;
        read_augmentation(&data, letters + 1, p);
        c.lost |= data.lost;
    } else if (letters[0] != '\0') {
        return false;
    }
    p->initial = c;
    return !c.lost && ra == REG_RA;
}

static bool read_fde(const struct tmi_cfi_image *image, uintptr_t at, struct program *p)
{
    struct cursor c = open_entry(image, at);
    uintptr_t here = c.at;
    uint32_t back = take_u32(&c);
    if (c.lost || back == 0 || !read_cie(image, here - back, p)) {
        return false;
    }
    p->begin = take_pointer(&c, p->encoding);
    p->end = p->begin + take_pointer(&c, p->encoding & ENC_FORM);
    if (p->has_augmentation) {
        skip(&c, take_uleb(&c));
    }
    p->rest = c;
    return !c.lost;
}

static struct where *register_of(struct row *row, uint64_t reg)
{
    return reg == REG_RBP ? &row->rbp : reg == REG_RA ? &row->ra : NULL;
}

static void set_where(struct row *row, uint64_t reg, enum place place, int64_t offset)
{
    struct where *where = register_of(row, reg);
    if (where != NULL) {
        *where = (struct where){place, offset};
    }
}

/* An expression that says "register 6 plus n", perhaps dereferenced; the cursor goes on.
 */
static bool take_rbp_expression(struct cursor *c, bool dereferenced, int64_t *n)
{
    uint64_t bytes = take_uleb(c);
    struct cursor e = *c;
    skip(c, bytes);
    e.end = c->at;
    bool fits = !c->lost && take_u8(&e) == 0x76; /* DW_OP_breg6 */
    *n = take_sleb(&e);
    if (dereferenced) {
        fits = fits && take_u8(&e) == 0x06; /* DW_OP_deref */
    }
    return fits && !e.lost && e.at == e.end;
}

static void take_cfa_expression(struct cursor *c, struct row *row)
{
    row->cfa = take_rbp_expression(c, true, &row->cfa_offset) ? CFA_DEREF_RBP : CFA_OTHER;
}

static void take_register_expression(struct cursor *c, struct row *row, bool is_value)
{
    uint64_t reg = take_uleb(c);
    int64_t n;
    bool fits = take_rbp_expression(c, false, &n) && !is_value;
    set_where(row, reg, fits ? AT_RBP : ELSEWHERE, fits ? n : 0);
}

static void set_cfa(struct row *row, uint64_t reg, int64_t offset)
{
    row->cfa = CFA_REGISTER;
    row->cfa_register = reg;
    row->cfa_offset = offset;
}

/* Instructions with an opcode of their own; false for one that is not known. */
static bool run_extended(uint8_t op, struct cursor *c, struct program *p, struct row *row,
                         const struct row *start)
{
    uint64_t reg;
    const struct where *old;
    switch (op) {
    case 0x00: /* nop */
        return true;
    case 0x05: /* offset_extended */
        reg = take_uleb(c);
        set_where(row, reg, AT_CFA, (int64_t)take_uleb(c) * p->data_align);
        return true;
    case 0x06: /* restore_extended */
        reg = take_uleb(c);
        old = register_of((struct row *)start, reg);
        set_where(row, reg, old ? old->place : SAME, old ? old->offset : 0);
        return true;
    case 0x07: /* undefined */
        set_where(row, take_uleb(c), UNDEFINED, 0);
        return true;
    case 0x08: /* same_value */
        set_where(row, take_uleb(c), SAME, 0);
        return true;
    case 0x09: /* register */
        reg = take_uleb(c);
        take_uleb(c);
        set_where(row, reg, ELSEWHERE, 0);
        return true;
    case 0x0c: /* def_cfa */
        reg = take_uleb(c);
        set_cfa(row, reg, (int64_t)take_uleb(c));
        return true;
    case 0x0d: /* def_cfa_register */
        set_cfa(row, take_uleb(c), row->cfa_offset);
        return true;
    case 0x0e: /* def_cfa_offset */
        row->cfa_offset = (int64_t)take_uleb(c);
        return row->cfa == CFA_REGISTER;
    case 0x0f: /* def_cfa_expression */
        take_cfa_expression(c, row);
        return true;
    case 0x10: /* expression */
    case 0x16: /* val_expression */
        take_register_expression(c, row, op == 0x16);
        return true;
    case 0x11: /* offset_extended_sf */
        reg = take_uleb(c);
        set_where(row, reg, AT_CFA, take_sleb(c) * p->data_align);
        return true;
    case 0x12: /* def_cfa_sf */
        reg = take_uleb(c);
        set_cfa(row, reg, take_sleb(c) * p->data_align);
        return true;
    case 0x13: /* def_cfa_offset_sf */
        row->cfa_offset = take_sleb(c) * p->data_align;
        return row->cfa == CFA_REGISTER;
    case 0x14: /* val_offset */
    case 0x15: /* val_offset_sf */
        reg = take_uleb(c);
        take_uleb(c);
        set_where(row, reg, ELSEWHERE, 0);
        return true;
    case 0x2e: /* GNU_args_size */
        take_uleb(c);
        return true;
    default:
        return false;
    }
}

/* How far an instruction moves the code address on; -1: it is no such instruction. */
static int64_t take_advance(uint8_t op, struct cursor *c, const struct program *p)
{
    uint16_t narrow;
    if ((op & 0xc0) == 0x40) {
        return (int64_t)((op & 0x3f) * p->code_align);
    }
    switch (op) {
    case 0x02:
        return (int64_t)(take_u8(c) * p->code_align);
    case 0x03:
        take(c, &narrow, sizeof narrow);
        return (int64_t)(narrow * p->code_align);
    case 0x04:
        return (int64_t)(take_u32(c) * p->code_align);
    default:
        return -1;
    }
}

/*
 * Run instructions until they are for code above `pc`; false when one is not understood.
 * `start` is the row after the CIE's instructions, to which "restore" goes back.
 */
static bool run(struct cursor *c, struct program *p, uintptr_t pc, struct row *row,
                const struct row *start)
{
    struct row states[STATES_MOST];
    unsigned saved = 0;
    uintptr_t at = p->begin;
    while (c->at < c->end && !c->lost) {
        uint8_t op = take_u8(c);
        int64_t advance = take_advance(op, c, p);
        if (advance >= 0) {
            at += (uintptr_t)advance;
        } else if (op == 0x01) { /* set_loc */
            at = take_pointer(c, p->encoding);
        } else if ((op & 0xc0) == 0x80) { /* offset */
            set_where(row, op & 0x3f, AT_CFA, (int64_t)take_uleb(c) * p->data_align);
        } else if ((op & 0xc0) == 0xc0) { /* restore */
            const struct where *old = register_of((struct row *)start, op & 0x3f);
            set_where(row, op & 0x3f, old ? old->place : SAME, old ? old->offset : 0);
        } else if (op == 0x0a && saved < STATES_MOST) { /* remember_state */
            states[saved++] = *row;
        } else if (op == 0x0b && saved > 0) { /* restore_state */
            *row = states[--saved];
        } else if (!run_extended(op, c, p, row, start)) {
            return false;
        }
        if (at > pc) {
            break;
        }
    }
    return !c->lost;
}

static bool fits_int32(int64_t v)
{
    return v >= INT32_MIN && v <= INT32_MAX;
}

/* What a row means to the unwinder. */
static struct tmi_rule translate(const struct row *row)
{
    struct tmi_rule rule = {TMI_RULE_OTHER, (int32_t)row->cfa_offset, 0};
    if (row->ra.place == UNDEFINED) {
        rule.kind = TMI_RULE_END;
        return rule;
    }
    if (row->ra.place != AT_CFA || row->ra.offset != -8 || !fits_int32(row->cfa_offset)) {
        return rule;
    }
    bool deref = row->cfa == CFA_DEREF_RBP;
    if (row->rbp.place == AT_CFA && !deref && fits_int32(row->rbp.offset) &&
        row->rbp.offset < 0) {
        rule.rbp_offset = (int32_t)row->rbp.offset;
    } else if (row->rbp.place == AT_RBP && deref && row->rbp.offset == 0) {
        rule.rbp_offset = 1;
    } else if (row->rbp.place != SAME) {
        return rule;
    }
    if (deref) {
        rule.kind = TMI_RULE_DEREF;
    } else if (row->cfa == CFA_REGISTER && row->cfa_register == REG_RSP) {
        rule.kind = TMI_RULE_RSP;
    } else if (row->cfa == CFA_REGISTER && row->cfa_register == REG_RBP) {
        rule.kind = TMI_RULE_RBP;
    }
    return rule;
}

struct tmi_rule tmi_cfi_rule(const struct tmi_cfi_image *image, uintptr_t pc)
{
    const struct tmi_rule other = {TMI_RULE_OTHER, 0, 0};
    uintptr_t call = pc - 1;
    uintptr_t fde = search(image, call);
    struct program p = {0};
    if (fde == 0 || !read_fde(image, fde, &p)) {
        return other;
    }
    if (call < p.begin || call >= p.end) {
        return (struct tmi_rule){TMI_RULE_END, 0, 0}; /* code without a table */
    }
    if (p.is_signal) {
        return (struct tmi_rule){TMI_RULE_SIGNAL, 0, 0};
    }
    struct row start = {.cfa = CFA_OTHER};
    struct cursor initial = p.initial;
    struct cursor rest = p.rest;
    if (!run(&initial, &p, UINTPTR_MAX, &start, &start)) {
        return other;
    }
    struct row row = start;
    return run(&rest, &p, call, &row, &start) ? translate(&row) : other;
}
