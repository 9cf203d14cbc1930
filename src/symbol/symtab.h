/* SPDX-License-Identifier: MIT */
/* Function names from a file's symbol table, for code without debug info. */
#ifndef TMI_SYMBOL_SYMTAB_H
#define TMI_SYMBOL_SYMTAB_H

#include <elfutils/libdwfl.h>
#include <stddef.h>

#include "symbol/wanted.h"

/*
 * Writes `symbol` of every wanted address (sorted by pc) that lies in a function of the
 * module's symbol table.
 */
void tmi_symtab_find(Dwfl_Module *module, struct tmi_wanted *wanted, size_t n);

#endif
