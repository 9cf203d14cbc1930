/* SPDX-License-Identifier: MIT */
/*
 * Which functions an address lies in, according to the debug info: the chain of functions
 * inlined into one another there, from the innermost out to the one that has the code.
 * Locking: none.
 */
#ifndef TMI_SYMBOL_INLINE_H
#define TMI_SYMBOL_INLINE_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/wanted.h"

/* A function, or an inlined copy of one in another. */
struct tmi_scope {
    Dwarf_Die die;
    uint32_t parent; /* the scope that it was inlined into, or TMI_NOWHERE */
    uint32_t depth; /* how many scopes there are from here on outwards, itself included */
    const char *name; /* room for whoever prints it: found out once; NULL at first */
};

struct tmi_scopes {
    struct tmi_scope *scopes;
    Dwarf_Die *units; /* compilation units, as numbered by tmi_wanted.unit */
    size_t scope_count, scope_room;
    size_t unit_count, unit_room;
};

/*
 * Writes `unit` and `scope` of every wanted address (sorted by pc) that the debug info
 * knows. `bias` is what has to be added to its addresses. `scopes` is zeroed before the
 * first call. 0 or -ENOMEM.
 */
int tmi_inline_find(struct tmi_scopes *scopes, Dwarf *dwarf, Dwarf_Addr bias,
                    struct tmi_wanted *wanted, size_t n);
void tmi_inline_release(struct tmi_scopes *scopes);

#endif
