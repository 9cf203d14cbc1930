/* SPDX-License-Identifier: MIT */
/*
 * A listing as text, for people, and as tsv and JSON, for programs.
 */
#ifndef TMI_PRINT_H
#define TMI_PRINT_H

#include <stdint.h>
#include <stdio.h>

#include "cli/form.h"
#include "cli/listing.h"

/* An amount of memory in tracemalloc's words: `126 B`, `4855 KiB`. */
void tmi_print_size(FILE *out, double bytes);

/* The same, blanks before it to make it `width` wide. */
void tmi_print_size_wide(FILE *out, double bytes, int width);

/* Text from a file, control characters shown as '?': it cannot steer a terminal. */
void tmi_print_clean(FILE *out, const char *text);

/* The name of a function, of C++ without what is long and says little. */
void tmi_print_function(FILE *out, const char *function);

/*
 * A line a group in tracemalloc's words, `FILE:LINE: size=.., count=.., average=..`, in a
 * comparison with the changes, `size=.. (+..), count=.. (+..)`; then what the limit left
 * out and the total. With TM_KEY_TRACEBACK a group is a line without a place and its
 * frames, the newest last, each with its function. A group whose line is not known is
 * named after its functions too: `libz.so.1:0 (inflate and 2 other functions): size=..`.
 * A comparison leaves out what has not changed.
 */
void tmi_print_text(FILE *out, const struct tmi_listing *list);

/*
 * A line a group: size, count and traceback, in a comparison size, size_diff, count,
 * count_diff and traceback, separated by tabs. A traceback is its frames, the oldest
 * first, separated by spaces, each LINE:FILE, FILE percent-encoded outside
 * A-Za-z0-9._/<>- . In place of a file stands what is grouped by: function, module or
 * domain, with line 0.
 */
void tmi_print_tsv(FILE *out, const struct tmi_listing *list);

/*
 * One object: metric, key, cumulative, total, groups (how many there are) and statistics,
 * or differences, one line each: an array of size, count and traceback, an array of file,
 * line, function and module.
 */
void tmi_print_json(FILE *out, const struct tmi_listing *list);

/* As the format has it. */
void tmi_print(FILE *out, const struct tmi_listing *list, enum tmi_format format);

#endif
