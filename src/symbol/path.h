/* SPDX-License-Identifier: MIT */
/* Names of source files as compilers record them. */
#ifndef TMI_SYMBOL_PATH_H
#define TMI_SYMBOL_PATH_H

/*
 * `name`, seen from the directory `dir` in which the compiler ran (NULL if not known),
 * without detours. For the caller to free(); NULL when there is no memory.
 */
char *tmi_path_of_source(const char *dir, const char *name);

#endif
