/* SPDX-License-Identifier: MIT */
/*
 * What `tmalloc run` says when the program has ended.
 */
#ifndef TMI_SUMMARY_H
#define TMI_SUMMARY_H

#include <stdio.h>

/*
 * Peak, what was still held at the end, the biggest lines, what tracing used, and what to
 * type next. When the file cannot be read, one line on stderr has said why.
 */
void tmi_summary_print(FILE *out, const char *path);

/* Where to look for who held the peak. */
void tmi_summary_print_peak(FILE *out, const char *path);

#endif
