/* SPDX-License-Identifier: MIT */
/*
 * The oracle's line formats: trace sets and filter lists, read into the objects of the
 * public API; frames, traces and free text, printed. Fields are separated by one space;
 * texts are percent-encoded, either all but plain characters (names, patterns) or just
 * what would break a line (free text). Mistakes in a file end the program: they are the
 * file's.
 */
#ifndef TMALLOC_TESTS_ORACLE_LINES_H
#define TMALLOC_TESTS_ORACLE_LINES_H

#include "tmalloc/snapshot.h"

_Noreturn void oracle_fail(const char *what, const char *about);

/* `p`, or the end of the program when it is NULL; `errno` says why. */
void *oracle_need(void *p, const char *about);

/* The next line of a file without its newline, or NULL; valid until the next call. */
struct oracle_file;
struct oracle_file *oracle_open(const char *path);
char *oracle_line(struct oracle_file *file);
void oracle_close(struct oracle_file *file);

/* The field up to the next space, which is passed; NULL when there is none left. */
char *oracle_field(char **rest);

/* A field that has to be there: decoded in place, or as a number. */
char *oracle_text_field(char **rest);
long long oracle_number_field(char **rest);

tm_snapshot_t *oracle_read_set(const char *path);

/* `snapshot` filtered by what stands in a file of filters. */
tm_snapshot_t *oracle_filter(const tm_snapshot_t *snapshot, const char *path);

void oracle_put_frames(const tm_traceback_t *tb);
void oracle_put_trace(const tm_trace_t *trace);

/* A line of free text, `len` bytes, behind a word that says what it is. */
void oracle_put_text(const char *word, const char *text, size_t len);

#endif
