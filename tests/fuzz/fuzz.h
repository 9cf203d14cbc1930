/* SPDX-License-Identifier: MIT */
/* What the harnesses share: a truth that has to hold, and bytes as text. */
#ifndef TM_TESTS_FUZZ_H
#define TM_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static inline void fuzz_need(int truth)
{
    if (!truth) {
        abort();
    }
}

/* A copy with a NUL behind, in a block of just that size, to be freed. */
static inline char *fuzz_text(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1);
    fuzz_need(text != NULL);
    memcpy(text, bytes, len);
    text[len] = '\0';
    return text;
}

/* The text behind the first NUL of `text`, which has `len` bytes; "" when it has none. */
static inline const char *fuzz_second(const char *text, size_t len)
{
    size_t first = strlen(text);
    return first < len ? text + first + 1 : text + len;
}

#endif
