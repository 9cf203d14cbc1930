/* SPDX-License-Identifier: MIT */
/*
 * See trace/cfi.h. Three steps, each with a cursor that cannot leave the image:
 *
 *     .eh_frame_hdr   sorted table of (code address, FDE), searched by halves
 *     FDE and CIE     encodings, alignment factors, the two lists of instructions
 *     instructions    run until they describe the address: trace/cfi_row.h
 *
 * What is there but not as expected is malformed and makes TMI_RULE_OTHER; what is not
 * there at all is code without a table.
 */
#include "trace/cfi.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "trace/cfi_row.h"
#include "trace/cursor.h"

/* Where the kernel's signal frame has the registers, from rsp at the return on. */
#define SIGNAL_RBP 120
#define SIGNAL_RSP 160
#define SIGNAL_RIP 168

static const struct tmi_rule other = {TMI_RULE_OTHER, 0, 0};

static struct tmi_cursor cursor_at(const struct tmi_cfi_image *image, uintptr_t at)
{
    return tmi_cursor_in(image->start, image->end, at);
}

/* One number of the table of (code address, FDE) that begins at `table`. */
static int32_t table_number(uintptr_t table, size_t at)
{
    int32_t v;
    memcpy(&v, (const void *)(table + at * sizeof v), sizeof v);
    return v;
}

/* Where the sorted table is, and how long. False: malformed. */
static bool open_table(const struct tmi_cfi_image *image, struct tmi_cfi_reader *reader)
{
    struct tmi_cursor c = cursor_at(image, image->eh_frame_hdr);
    uint8_t version = tmi_cursor_u8(&c);
    uint8_t frame_encoding = tmi_cursor_u8(&c);
    uint8_t count_encoding = tmi_cursor_u8(&c);
    uint8_t table_encoding = tmi_cursor_u8(&c);
    tmi_cursor_u32(&c); /* where .eh_frame is: the table says it better */
    size_t count = tmi_cursor_u32(&c);
    if (c.lost || version != 1 || frame_encoding != TMI_ENC_PCREL_SDATA4 ||
        count_encoding != TMI_ENC_UDATA4 || table_encoding != TMI_ENC_DATAREL_SDATA4 ||
        count > (c.end - c.at) / 8) {
        return false;
    }
    reader->entries = c.at;
    reader->count = count;
    return true;
}

/* The FDE whose code may contain `wanted`, and for which others; 0 when there is none. */
static uintptr_t search(const struct tmi_cfi_image *image,
                        const struct tmi_cfi_reader *reader, int64_t wanted,
                        struct tmi_cfi_function *f)
{
    size_t low = 0;
    size_t count = reader->count;
    while (count > 0) { /* the first entry above `wanted` is in [low, low + count] */
        size_t half = count / 2;
        if (table_number(reader->entries, 2 * (low + half)) <= wanted) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    f->lowest = low == 0 ? INT64_MIN : table_number(reader->entries, 2 * low - 2);
    f->next = low == reader->count ? INT64_MAX : table_number(reader->entries, 2 * low);
    if (low == 0) {
        return 0;
    }
    intptr_t offset = table_number(reader->entries, 2 * low - 1);
    return image->eh_frame_hdr + (uintptr_t)offset;
}

/* The entry (CIE or FDE) at `at`, without its length; lost when it is none. */
static struct tmi_cursor open_entry(const struct tmi_cfi_image *image, uintptr_t at)
{
    struct tmi_cursor c = cursor_at(image, at);
    uint32_t length = tmi_cursor_u32(&c);
    struct tmi_cursor entry = tmi_cursor_part(&c, length);
    entry.lost |= length == 0 || length == UINT32_MAX; /* 64-bit lengths: nobody's */
    return entry;
}

static bool read_augmentation(struct tmi_cursor c, const char *letters,
                              struct tmi_cfi_common *common)
{
    for (; *letters != '\0' && !c.lost; letters++) {
        if (*letters == 'R') {
            common->scale.encoding = tmi_cursor_u8(&c);
        } else if (*letters == 'L') {
            tmi_cursor_u8(&c);
        } else if (*letters == 'P') {
            uint8_t encoding = tmi_cursor_u8(&c);
            tmi_cursor_pointer(&c, encoding & (TMI_ENC_FORM | TMI_ENC_PCREL));
        } else if (*letters == 'S') {
            common->is_signal = true;
        } else {
            c.lost = true;
        }
    }
    return !c.lost;
}

static bool read_cie(const struct tmi_cfi_image *image, uintptr_t at,
                     struct tmi_cfi_common *common)
{
    struct tmi_cursor c = open_entry(image, at);
    uint32_t id = tmi_cursor_u32(&c);
    uint8_t version = tmi_cursor_u8(&c);
    char letters[8] = "";
    size_t n = 0;
    while (n < sizeof letters && (letters[n] = (char)tmi_cursor_u8(&c)) != '\0') {
        n++;
    }
    if (c.lost || id != 0 || (version != 1 && version != 3) || n == sizeof letters) {
        return false;
    }
    *common = (struct tmi_cfi_common){.has_augmentation = letters[0] == 'z'};
    common->scale.code_align = tmi_cursor_uleb(&c);
    common->scale.data_align = tmi_cursor_sleb(&c);
    uint64_t rip = version == 1 ? tmi_cursor_u8(&c) : tmi_cursor_uleb(&c);
    common->scale.encoding = TMI_ENC_ABSPTR;
    bool understood = letters[0] == '\0';
    if (common->has_augmentation) {
        struct tmi_cursor augmentation = tmi_cursor_part(&c, tmi_cursor_uleb(&c));
        understood = read_augmentation(augmentation, letters + 1, common);
    }
    struct tmi_cfi_place place = {.next = c, .row = {.cfa = TMI_CFA_OTHER}};
    struct tmi_cfi_row none = place.row;
    if (!understood || c.lost || rip != TMI_DWARF_RIP ||
        !tmi_cfi_run(&place, &common->scale, &none, UINTPTR_MAX, &common->start)) {
        return false;
    }
    common->at = at;
    return true;
}

static bool read_fde(const struct tmi_cfi_image *image, uintptr_t at,
                     struct tmi_cfi_common *common, struct tmi_cfi_function *f)
{
    struct tmi_cursor c = open_entry(image, at);
    uintptr_t here = c.at;
    uint32_t back = tmi_cursor_u32(&c);
    if (c.lost || back == 0 ||
        (common->at != here - back && !read_cie(image, here - back, common))) {
        return false;
    }
    uint8_t encoding = common->scale.encoding;
    f->begin = tmi_cursor_pointer(&c, encoding);
    f->end = f->begin + tmi_cursor_pointer(&c, encoding & TMI_ENC_FORM);
    if (common->has_augmentation) {
        tmi_cursor_part(&c, tmi_cursor_uleb(&c));
    }
    f->rest = c;
    f->latest.from = UINTPTR_MAX;
    return !c.lost;
}

/* A function without a table whose code is `mov $15, %rax; syscall`: rt_sigreturn. */
static struct tmi_rule without_table(const struct tmi_cfi_image *image, uintptr_t pc)
{
    static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    struct tmi_cursor c = tmi_cursor_in(image->code_start, image->code_end, pc);
    struct tmi_cursor code = tmi_cursor_part(&c, sizeof sigreturn);
    bool returns =
        !code.lost && memcmp((void *)code.at, sigreturn, sizeof sigreturn) == 0;
    return (struct tmi_rule){returns ? TMI_RULE_SIGNAL : TMI_RULE_NO_TABLE, 0, 0};
}

static bool fits_int32(int64_t v)
{
    return v > INT32_MIN && v <= INT32_MAX;
}

static bool is_at(struct tmi_where where, enum tmi_place place, int64_t offset)
{
    return where.place == place && where.offset == offset;
}

/* The row of libc's __restore_rt, and of nothing else. */
static struct tmi_rule translate_signal(const struct tmi_cfi_row *row)
{
    bool kernels = row->cfa == TMI_CFA_DEREF && row->cfa_register == TMI_DWARF_RSP &&
                   row->cfa_offset == SIGNAL_RSP &&
                   is_at(row->rsp, TMI_PLACE_RSP, SIGNAL_RSP) &&
                   is_at(row->rbp, TMI_PLACE_RSP, SIGNAL_RBP) &&
                   is_at(row->rip, TMI_PLACE_RSP, SIGNAL_RIP);
    return kernels ? (struct tmi_rule){TMI_RULE_SIGNAL, 0, 0} : other;
}

/* How the CFA is computed; TMI_RULE_OTHER when in no way of ours. */
static enum tmi_rule_kind kind_of(const struct tmi_cfi_row *row)
{
    if (row->cfa == TMI_CFA_REGISTER && row->cfa_register == TMI_DWARF_RSP) {
        return TMI_RULE_RSP;
    }
    if (row->cfa != TMI_CFA_OTHER && row->cfa_register == TMI_DWARF_RBP) {
        return row->cfa == TMI_CFA_REGISTER ? TMI_RULE_RBP : TMI_RULE_DEREF;
    }
    return TMI_RULE_OTHER;
}

/* What a row means to the unwinder. */
static struct tmi_rule translate(const struct tmi_cfi_row *row)
{
    if (row->rip.place == TMI_PLACE_UNDEFINED) {
        return (struct tmi_rule){TMI_RULE_END, 0, 0};
    }
    struct tmi_rule rule = {kind_of(row), 0, 0};
    if (rule.kind == TMI_RULE_OTHER || !is_at(row->rip, TMI_PLACE_CFA, -8) ||
        row->rsp.place != TMI_PLACE_SAME || !fits_int32(row->cfa_offset)) {
        return other;
    }
    rule.cfa_offset = (int32_t)row->cfa_offset;
    bool deref = rule.kind == TMI_RULE_DEREF;
    if (row->rbp.place == TMI_PLACE_CFA && !deref && fits_int32(row->rbp.offset) &&
        row->rbp.offset < 0) {
        rule.rbp_offset = (int32_t)row->rbp.offset;
    } else if (deref && is_at(row->rbp, TMI_PLACE_RBP, 0)) {
        rule.rbp_offset = 1;
    } else if (row->rbp.place != TMI_PLACE_SAME) {
        return other;
    }
    return rule;
}

/* Find the function of a call, if it is another one; false: malformed. */
static bool find_function(const struct tmi_cfi_image *image,
                          struct tmi_cfi_reader *reader, uintptr_t call)
{
    int64_t wanted = (int64_t)(call - image->eh_frame_hdr);
    struct tmi_cfi_function *f = &reader->function;
    if (wanted >= f->lowest && wanted < f->next) {
        return true;
    }
    if (reader->entries == 0 && !open_table(image, reader)) {
        return false;
    }
    uintptr_t fde = search(image, reader, wanted, f);
    f->is_there = fde != 0;
    if (fde != 0 && !read_fde(image, fde, &reader->common, f)) {
        f->next = f->lowest; /* nothing is known */
        return false;
    }
    return true;
}

struct tmi_rule tmi_cfi_rule(struct tmi_cfi_reader *reader,
                             const struct tmi_cfi_image *image, uintptr_t pc)
{
    uintptr_t call = pc - 1;
    if (image->eh_frame_hdr == 0) {
        return without_table(image, pc);
    }
    if (!find_function(image, reader, call)) {
        return other;
    }
    struct tmi_cfi_function *f = &reader->function;
    const struct tmi_cfi_common *common = &reader->common;
    if (!f->is_there || call < f->begin || call >= f->end) {
        return without_table(image, pc);
    }
    if (call < f->latest.from) {
        f->latest = (struct tmi_cfi_place){f->rest, 0, f->begin, common->start};
    }
    struct tmi_cfi_row row;
    if (!tmi_cfi_run(&f->latest, &common->scale, &common->start, call, &row)) {
        return other;
    }
    return common->is_signal ? translate_signal(&row) : translate(&row);
}
