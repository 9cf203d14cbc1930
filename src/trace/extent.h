/* SPDX-License-Identifier: MIT */
/*
 * Where in memory the allocation wrappers of a loaded object lie: base/wrapper.h says
 * which functions are wrappers, the object's symbols say where those are.
 *
 *     symbols    .symtab of the file, if it is there, is the loaded one, and has one;
 *                else .dynsym in memory: what is exported
 *     extents    [start, end) of each wrapper, sorted; the whole object if it is a libc
 *
 * Reading symbols takes a few system calls and no lock, and trusts no number of a file.
 * It is done once for each object, and only for those that allocate.
 */
#ifndef TMI_EXTENT_H
#define TMI_EXTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/object.h"

struct tmi_extent {
    uintptr_t start, end;
};

struct tmi_extents {
    size_t count;
    struct tmi_extent list[];
};

/*
 * The wrappers of an object whose file is `path`, those that the user's `patterns` (NULL:
 * none) name included. Stays for ever; NULL when there is no memory.
 */
const struct tmi_extents *tmi_extents_of_wrappers(const struct tmi_object *object,
                                                  const char *path, const char *patterns);

bool tmi_extents_have(const struct tmi_extents *extents, uintptr_t address);

#endif
