/* SPDX-License-Identifier: MIT */
/*
 * Logical frames: what a reader sees at a location. A location whose symbols are known
 * stands for one frame a line, the function that holds the code and those inlined into
 * it; one without lines is a single frame in an unknown line of its module. Everything
 * that shows or groups frames comes through here, so that they all say the same. The
 * symbols must have been resolved (or be the caller's alone).
 */
#ifndef TMI_FRAME_H
#define TMI_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "tmalloc/snapshot.h"
#include "view/snapshot.h"

/* The name of a file that is not known. */
#define TMI_UNKNOWN_FILE "<unknown>"

/* How many logical frames the location has; at least 1. */
static inline uint32_t tmi_frame_count(const struct tmi_location *location)
{
    return location->nlines == 0 ? 1 : location->nlines;
}

/*
 * Whether the lines of a location, or that it has none, say no more than that nothing is
 * known. Such lines need not be kept: who looks again may find out more.
 */
bool tmi_frame_unknown(const struct tm_snapshot *s, uint32_t location);

/* The i-th logical frame of a location, 0 the innermost inlined call. */
void tmi_frame_get(const struct tm_snapshot *s, uint32_t location, uint32_t i,
                   tm_frame_t *out);

#endif
