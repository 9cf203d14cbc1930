/* SPDX-License-Identifier: MIT */
/*
 * Lines of source files, as Python's linecache gives them: without white space on either
 * side, and none at all from a file that is missing or is not wholly UTF-8. A reader
 * keeps each file that it opened until it is closed, so that one text shows one state of
 * it. Locking: none; a reader belongs to one thread.
 */
#ifndef TMI_SOURCE_H
#define TMI_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct tmi_source {
    struct tmi_arena arena;
    struct tmi_source_file *files;
};

/*
 * Line `lineno` (from 1) of `filename`: its text, not terminated, valid until the close.
 * *len is 0 when there is nothing to show. Returns 0 or -ENOMEM. A zeroed struct is a
 * fresh reader.
 */
int tmi_source_line(struct tmi_source *source, const char *filename, uint32_t lineno,
                    const char **line, size_t *len);

void tmi_source_close(struct tmi_source *source);

#endif
