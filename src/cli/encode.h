/* SPDX-License-Identifier: MIT */
/*
 * Names from a snapshot, as formats for programs want them.
 */
#ifndef TMI_ENCODE_H
#define TMI_ENCODE_H

#include <stdio.h>

#include "tmalloc/snapshot.h"

/* Percent-encoded outside A-Za-z0-9._/<>- , so that it has no blanks and no colon. */
void tmi_encode_percent(FILE *out, const char *name);

/* With quotes; what is not UTF-8 becomes U+FFFD. */
void tmi_encode_json(FILE *out, const char *text);

/* LINE:FILE, FILE percent-encoded. */
void tmi_encode_place(FILE *out, const tm_frame_t *frame);

/* "file": .., "line": .., "function": .., "module": .. */
void tmi_encode_members(FILE *out, const tm_frame_t *frame);

#endif
