/* SPDX-License-Identifier: MIT */
/*
 * One program or library, opened to look symbols up in it. The Dwfl knows this one file
 * alone, at the addresses of its own program headers: modules that are gone again may
 * have lain where others lie now, and never meet here. Locking: none; an opened file
 * belongs to one thread.
 */
#ifndef TMI_SYMBOL_DWFL_H
#define TMI_SYMBOL_DWFL_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

#include "view/snapshot.h"

/* Why a file could not be opened. */
enum tmi_dwfl_result {
    TMI_DWFL_OPEN,
    TMI_DWFL_MISSING,    /* no regular file of that name */
    TMI_DWFL_UNREADABLE, /* not allowed, or no ELF file */
    TMI_DWFL_CHANGED     /* it is another file than the one that ran */
};

struct tmi_dwfl {
    Dwfl *dwfl; /* NULL: closed */
    Dwfl_Module *module;
    Elf *elf;
};

/*
 * Open the file of `record`, or where that is gone or another one, what is installed
 * under its build id. `taken_nanos`: when the snapshot was taken (0: not known); a file
 * of which no build id is on record must be older than that. Anything but TMI_DWFL_OPEN
 * leaves `file` closed.
 */
enum tmi_dwfl_result tmi_dwfl_open(struct tmi_dwfl *file, const struct tmi_module *record,
                                   int64_t taken_nanos);
void tmi_dwfl_close(struct tmi_dwfl *file);

/*
 * The virtual address, as the program headers number it, of the code at `code_offset` in
 * the file, of which the segment's first byte in memory was at `segment_offset`. False
 * when there is no code.
 */
bool tmi_dwfl_vaddr(const struct tmi_dwfl *file, uint64_t code_offset,
                    uint64_t segment_offset, uint64_t *vaddr);

#endif
