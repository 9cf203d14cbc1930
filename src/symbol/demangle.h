/* SPDX-License-Identifier: MIT */
/* Linker names back into the programmer's: C++ and Rust. */
#ifndef TMI_SYMBOL_DEMANGLE_H
#define TMI_SYMBOL_DEMANGLE_H

/*
 * The name as it was written, for the caller to free(): demangled where it is mangled,
 * and without what compiler and linker hang on its end. NULL when there is no memory.
 */
char *tmi_demangle(const char *name);

#endif
