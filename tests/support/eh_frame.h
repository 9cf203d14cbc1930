/* SPDX-License-Identifier: MIT */
/*
 * Unwind tables written by hand. An image is put together and placed at the very end, or
 * at the very beginning, of memory around which nothing can be read, so that a read
 * outside of it ends the test:
 *
 *     unreadable | .eh_frame_hdr with one entry | CIE | FDE | unreadable
 *
 * The function that the table is about has no code; it begins at the table's address plus
 * CODE.
 */
#ifndef TMI_TEST_EH_FRAME_H
#define TMI_TEST_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/cfi.h"

#define AREA      8192
#define CODE      ((uintptr_t)0x5000000) /* from the table to the code */
#define CODE_SIZE 0x2000000u

struct bytes {
    uint8_t at[512];
    size_t n;
};

void put(struct bytes *b, const void *from, size_t n);
void put_u8(struct bytes *b, uint8_t v);
void put_u32(struct bytes *b, uint32_t v);

/* A table about one function. */
struct table {
    uint8_t version; /* 0: 1 */
    uint8_t rip;     /* 0: 16 */
    uint8_t absolute;
    const char *letters;      /* NULL: "zR" */
    uint8_t augmentation[8];  /* of the CIE; by default what "zR" needs */
    size_t augmentation_size; /* 0: 1 */
    uint8_t cie[16];          /* instructions; zeros are no-ops */
    uint8_t fde[64];
    uint32_t cie_length, fde_length; /* 0: what is right */
};

/* def_cfa rsp+8; rip at cfa-8: how every compiler begins. */
#define PLAIN 0x0c, 7, 8, 0x90, 1

/* The bytes for a table that will be at `base`; *fde becomes where its FDE is in them. */
struct bytes build_table(const struct table *t, uintptr_t base, size_t *fde);
void put_cie(struct bytes *b, const struct table *t);

/* Memory of AREA bytes; before any of the functions below. */
char *make_area(void);

/* Where `n` bytes go: up to the end of what can be read, or from its beginning on. */
char *place(size_t n, bool at_end);

/* The rule for a call at `offset` of the function. */
struct tmi_rule ask(const struct bytes *b, uint32_t offset, bool at_end);

/* The same of a table at both ends of the area; the test fails if it is not `wanted`. */
void expect(const struct table *t, uint32_t offset, struct tmi_rule wanted);

bool same_rule(struct tmi_rule a, struct tmi_rule b);

extern const struct tmi_rule other_rule, plain_rule;

#endif
