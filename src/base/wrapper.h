/* SPDX-License-Identifier: MIT */
/*
 * Allocation wrappers: functions that allocate for whoever calls them, so that "malloc
 * was called by strdup" says nothing and "strdup was called by add_book" does. One list
 * for the tracer, which passes over them when it keeps one frame, and for whoever shows
 * the frames of a stack.
 *
 *     by name       C++'s operator new, strdup and g_malloc and their like, those of
 *                   Python and Perl, the allocators of C++ and Rust
 *     by library    libc: whatever in it allocates does so for its caller
 *     by the user   TMALLOC_WRAPPERS=xmalloc,pool_*
 *
 * Pure; no state, no allocation, no lock.
 */
#ifndef TMI_WRAPPER_H
#define TMI_WRAPPER_H

#include <stdbool.h>

/*
 * Is the function of this name (of a symbol table, or demangled) a wrapper? What a
 * compiler or linker adds to a name from a '.' or '@' on may be there or not. `patterns`
 * are the user's, by commas, `*` stands for any characters; NULL: none.
 */
bool tmi_wrapper_is_name(const char *name, const char *patterns);

/* Is the module of this path (or plain file name) a libc? */
bool tmi_wrapper_is_library(const char *path);

/* Are these patterns as they should be: not one of them empty or with blanks? */
bool tmi_wrapper_are_patterns(const char *patterns);

#endif
