/* SPDX-License-Identifier: MIT */
/*
 * File names against patterns, as tracemalloc's filters do it: Python's fnmatchcase on
 * characters, not the shell's and not POSIX fnmatch(). There is no escape but brackets,
 * no special '/' or leading dot, no class in brackets, and no locale.
 */
#ifndef TMI_MATCH_H
#define TMI_MATCH_H

#include <stdbool.h>

/*
 * True when the whole of `name` matches `pattern`. A final "c" of ".pyc" does not count
 * in either. Both are UTF-8; a byte that is not is a character of its own, equal to the
 * same byte only. Takes time in the product of the lengths at most.
 */
bool tmi_match_name(const char *pattern, const char *name);

#endif
