/* SPDX-License-Identifier: MIT */
/*
 * What a frame is called in a report that has functions, lines, files or modules: its own
 * words for people, a frame for programs.
 */
#ifndef TMI_LABEL_H
#define TMI_LABEL_H

#include <stdio.h>

#include "cli/args.h"
#include "view/key.h"

/* The kinds of frames to choose from, as a row of an option, and which one it was. */
#define TMI_LABEL_NAMES "function|lineno|filename|module"
tm_key_t tmi_label_key(int place);

/*
 * For people: `parse (parse.c)`, `src/parse.c:71 (parse)`, a file or a module; what is in
 * parentheses only where it is one. In at most `room` columns; 0: however many it takes.
 */
void tmi_label_print(FILE *out, const struct tmi_key *key, tm_key_t by, size_t room);

/* For programs: with TM_KEY_FUNCTION line 0, and the function where it is known. */
tm_frame_t tmi_label_frame(const struct tm_snapshot *s, const struct tmi_key *key);

#endif
