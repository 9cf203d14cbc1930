/* SPDX-License-Identifier: MIT */
/*
 * One of tracemalloc's filters in full, as a word of the command line:
 *
 *     include|exclude [,all-frames] [,line=N] [,domain=DOMAIN] [,file=PATTERN]
 *
 *     exclude,domain=gpu                     DomainFilter(False, gpu)
 *     include,all-frames,line=7,file=*.c     Filter(True, "*.c", 7, all_frames=True)
 *
 * What is left out does not restrict. PATTERN is the rest of the word, commas and all.
 */
#ifndef TMI_FILTERSPEC_H
#define TMI_FILTERSPEC_H

#include "tmalloc/snapshot.h"

/* The number that all of `text` is, as far as 32 bits go. */
bool tmi_filterspec_number(const char *text, uint32_t *number);

/* The domain of that name, or else of that number. False: there is none. */
bool tmi_filterspec_domain(const tm_snapshot_t *s, const char *name, tm_domain_t *domain);

/*
 * The filter that `spec` stands for, of a snapshot that knows the names of domains. Its
 * pattern is malloc's. -ENOMEM; -EINVAL when `spec` is none, with *wrong at what is wrong
 * in it and *expected in words.
 */
int tmi_filterspec_read(const char *spec, const tm_snapshot_t *s, tm_filter_t *filter,
                        const char **wrong, const char **expected);

#endif
