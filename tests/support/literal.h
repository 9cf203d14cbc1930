/* SPDX-License-Identifier: MIT */
/*
 * Snapshots written down as text, so that a test shows what it tests:
 *
 *     s = literal_snapshot(25);
 *     literal_trace(s, 0, 300, 2, "10:main.c 20:a.c 5:inline.h<30:b.c");
 *
 * Frames are LINE:FILE, the oldest first, separated by a space. "A<B" is one location
 * with A inlined into B. "?" is a location without symbols in no module. Equal words are
 * the same location; addresses are 0x1001, 0x1002, ... in order of appearance. The
 * function of LINE:FILE is "in_FILE".
 */
#ifndef TMALLOC_TESTS_LITERAL_H
#define TMALLOC_TESTS_LITERAL_H

#include <stdint.h>

#include "view/snapshot.h"

struct tm_snapshot *literal_snapshot(int traceback_limit);

/* The location that a word stands for. */
uint32_t literal_location(struct tm_snapshot *s, const char *word);

/* Adds a trace of `count` live blocks; total_nframe is the number of its locations. */
void literal_trace(struct tm_snapshot *s, tm_domain_t domain, uint64_t size,
                   uint64_t count, const char *frames);

/* A traceback as such a text, from its public functions: LINE:FILE, the oldest first. */
const char *literal_frames(const tm_traceback_t *tb);

#endif
