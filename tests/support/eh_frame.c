/* SPDX-License-Identifier: MIT */
/* See eh_frame.h. */
#include "../support/eh_frame.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

const struct tmi_rule other_rule = {TMI_RULE_OTHER, 0, 0};
const struct tmi_rule plain_rule = {TMI_RULE_RSP, 8, 0};

static char *area;

void put(struct bytes *b, const void *from, size_t n)
{
    memcpy(b->at + b->n, from, n);
    b->n += n;
}

void put_u8(struct bytes *b, uint8_t v)
{
    put(b, &v, sizeof v);
}

void put_u32(struct bytes *b, uint32_t v)
{
    put(b, &v, sizeof v);
}

static void put_u64(struct bytes *b, uint64_t v)
{
    put(b, &v, sizeof v);
}

static void put_length(struct bytes *b, size_t at, uint32_t wanted)
{
    uint32_t length = wanted == 0 ? (uint32_t)(b->n - at - 4) : wanted;
    memcpy(b->at + at, &length, sizeof length);
}

void put_cie(struct bytes *b, const struct table *t)
{
    const char *letters = t->letters == NULL ? "zR" : t->letters;
    size_t at = b->n;
    put_u32(b, 0);
    put_u32(b, 0);
    put_u8(b, t->version == 0 ? 1 : t->version);
    put(b, letters, strlen(letters) + 1);
    put_u8(b, 1);    /* code alignment */
    put_u8(b, 0x78); /* data alignment: -8 */
    put_u8(b, t->rip == 0 ? 16 : t->rip);
    if (letters[0] == 'z') {
        size_t n = t->augmentation_size == 0 ? 1 : t->augmentation_size;
        uint8_t standard[8] = {t->absolute ? 0x00 : 0x1b};
        put_u8(b, (uint8_t)n);
        put(b, t->augmentation_size == 0 ? standard : t->augmentation, n);
    }
    put(b, t->cie, sizeof t->cie);
    put_length(b, at, t->cie_length);
}

static void put_fde(struct bytes *b, const struct table *t, size_t cie, uintptr_t base)
{
    size_t at = b->n;
    put_u32(b, 0);
    put_u32(b, (uint32_t)(b->n - cie));
    if (t->absolute) {
        put_u64(b, base + CODE);
        put_u64(b, CODE_SIZE);
    } else {
        put_u32(b, (uint32_t)(CODE - b->n));
        put_u32(b, CODE_SIZE);
    }
    if (t->letters == NULL || t->letters[0] == 'z') {
        put_u8(b, 0); /* no augmentation */
    }
    put(b, t->fde, sizeof t->fde);
    put_length(b, at, t->fde_length);
}

struct bytes build_table(const struct table *t, uintptr_t base, size_t *fde)
{
    struct bytes b = {.n = 0};
    put(&b, "\1\x1b\3\x3b", 4);
    put_u32(&b, 16); /* .eh_frame, from this word on: behind the table */
    put_u32(&b, 1);
    put_u32(&b, CODE);
    size_t fde_word = b.n;
    put_u32(&b, 0);
    size_t cie = b.n;
    put_cie(&b, t);
    *fde = b.n;
    uint32_t fde_offset = (uint32_t)b.n;
    memcpy(b.at + fde_word, &fde_offset, sizeof fde_offset);
    put_fde(&b, t, cie, base);
    return b;
}

char *make_area(void)
{
    area = mmap(NULL, AREA + 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(area, MAP_FAILED);
    area += 4096;
    cr_assert_eq(mprotect(area, AREA, PROT_READ | PROT_WRITE), 0);
    return area;
}

char *place(size_t n, bool at_end)
{
    return at_end ? area + AREA - n : area;
}

struct tmi_rule ask(const struct bytes *b, uint32_t offset, bool at_end)
{
    char *to = place(b->n, at_end);
    memcpy(to, b->at, b->n);
    struct tmi_cfi_image image = {.start = (uintptr_t)to,
                                  .end = (uintptr_t)to + b->n,
                                  .eh_frame_hdr = (uintptr_t)to};
    struct tmi_cfi_reader reader = {0};
    return tmi_cfi_rule(&reader, &image, (uintptr_t)to + CODE + offset + 1);
}

bool same_rule(struct tmi_rule a, struct tmi_rule b)
{
    return a.kind == b.kind && a.cfa_offset == b.cfa_offset &&
           a.rbp_offset == b.rbp_offset;
}

void expect(const struct table *t, uint32_t offset, struct tmi_rule wanted)
{
    for (int at_end = 0; at_end < 2; at_end++) {
        size_t fde;
        size_t n = build_table(t, 0, &fde).n;
        struct bytes b = build_table(t, (uintptr_t)place(n, at_end), &fde);
        struct tmi_rule got = ask(&b, offset, at_end);
        cr_assert(same_rule(got, wanted), "at %x: %d %d %d, not %d %d %d", offset,
                  got.kind, got.cfa_offset, got.rbp_offset, wanted.kind,
                  wanted.cfa_offset, wanted.rbp_offset);
    }
}
