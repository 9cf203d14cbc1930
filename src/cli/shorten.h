/* SPDX-License-Identifier: MIT */
/*
 * Names of C++ functions as people say them: `std::vector<...>::push_back`.
 */
#ifndef TMI_SHORTEN_H
#define TMI_SHORTEN_H

#include <stddef.h>

/*
 * A demangled name without return type and arguments, and with what stands between angle
 * brackets left out. `text` gets it as far as `len` goes; it may not be shorter, and
 * where it does not look like a name of C++ it is what it was.
 */
void tmi_shorten_name(const char *name, char *text, size_t len);

#endif
