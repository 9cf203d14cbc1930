/* SPDX-License-Identifier: MIT */
/* Wanted addresses of which everything has been found, as lines of the snapshot. */
#ifndef TMI_SYMBOL_LINE_H
#define TMI_SYMBOL_LINE_H

#include <elfutils/libdw.h>
#include <stddef.h>

#include "symbol/inline.h"
#include "symbol/wanted.h"
#include "view/snapshot.h"

/*
 * Sets the lines of every wanted address's location: at least one, which without anything
 * known has `module_name` for its file. `bias` is that of tmi_inline_find(). 0 or
 * -ENOMEM.
 */
int tmi_line_write(struct tm_snapshot *s, const char *module_name,
                   struct tmi_scopes *scopes, Dwarf_Addr bias,
                   const struct tmi_wanted *wanted, size_t n);

#endif
