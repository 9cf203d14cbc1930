/* SPDX-License-Identifier: MIT */
/*
 * What must be known of a profile before its parts can be read: its strings, which of its
 * sample types are ours, and what it says of itself.
 */
#ifndef TMI_PPROF_OUTLINE_H
#define TMI_PPROF_OUTLINE_H

#include "pprof/columns.h"
#include "pprof/input.h"

/*
 * Walks the content once: strings become readable through `in`, comments and time go into
 * the snapshot. 0 or a negative errno.
 */
int tmi_outline_read(struct tmi_input *in, struct tmi_columns *columns);

#endif
