/* SPDX-License-Identifier: MIT */
/*
 * What a terminal can do that a file cannot: it has a width, and colours. All of this is
 * nothing where a stream is no terminal.
 */
#ifndef TMI_TERM_H
#define TMI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* How many columns a line has; 0: as many as it wants. */
size_t tmi_term_width(FILE *out);

enum tmi_ink { TMI_INK_PLAIN, TMI_INK_BOLD, TMI_INK_DIM, TMI_INK_MORE, TMI_INK_LESS };

/* What is written from here on has that look, where the user has not said NO_COLOR. */
void tmi_term_ink(FILE *out, enum tmi_ink ink);

/*
 * `text`, free of control characters, in at most `room` columns; 0: however many it has.
 * What is too long loses its beginning, as a path should, or else its end.
 */
void tmi_term_fit(FILE *out, const char *text, size_t room, bool keep_end);

#endif
