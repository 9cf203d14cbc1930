/* SPDX-License-Identifier: MIT */
/*
 * The addresses of one file whose symbols are wanted: an array sorted by pc. Whoever
 * knows something about a range of code (a compilation unit, a function, a symbol) finds
 * the wanted addresses inside it by binary search and writes it beside them:
 *
 *     range [low, high)        |=========================|
 *     wanted   pc ...   x   x     x  x x         x     x     x   x
 *                                 ^first
 *
 * So the cost is that of reading every range once, however large the file, and nothing
 * has to be built and sorted first. The pcs are virtual addresses as the file's program
 * headers number them, inside the call instruction (return address - 1). Locking: none;
 * the array belongs to one call of resolve.
 */
#ifndef TMI_SYMBOL_WANTED_H
#define TMI_SYMBOL_WANTED_H

#include <stddef.h>
#include <stdint.h>

/* No unit, no scope. */
#define TMI_NOWHERE UINT32_MAX

struct tmi_wanted {
    uint64_t pc;
    uint32_t location; /* index into the snapshot's locations */
    uint32_t file;     /* modules of one file have one number */
    uint32_t unit;     /* compilation unit, or TMI_NOWHERE */
    uint32_t scope;    /* innermost function, inlined or not, or TMI_NOWHERE */
    uint32_t rank;     /* of `symbol`: the lower the better */
    uint64_t symbol_start;
    const char *symbol; /* from the symbol table; lives as long as the file is open */
};

/* The first of n wanted addresses that is >= pc; n when there is none. */
static inline size_t tmi_wanted_first(const struct tmi_wanted *wanted, size_t n,
                                      uint64_t pc)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (wanted[middle].pc < pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

#endif
