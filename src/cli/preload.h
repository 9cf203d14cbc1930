/* SPDX-License-Identifier: MIT */
/*
 * Getting libtmalloc.so into a program: where it is, how the loader is told, and what can
 * stand in the way.
 */
#ifndef TMI_PRELOAD_H
#define TMI_PRELOAD_H

#include <limits.h>

/* Room for a line that says what is wrong and where. */
enum { TMI_PRELOAD_ERROR = PATH_MAX + 128 };

/*
 * The absolute path of the library: what TMALLOC_LIBRARY names, else beside this program
 * as the build leaves it, else where it was installed. Errors: -ENOENT and others with a
 * line in `error`.
 */
int tmi_preload_find(char path[PATH_MAX], char error[TMI_PRELOAD_ERROR]);

/* Put `library` before what LD_PRELOAD has in this process: 0 or -ENOMEM. */
int tmi_preload_set(const char *library);

/*
 * Why the loader would preload nothing into `command`, which is looked up as a shell
 * does: the end of a sentence that begins with the command's name. NULL: nothing is
 * known.
 */
const char *tmi_preload_obstacle(const char *command);

#endif
