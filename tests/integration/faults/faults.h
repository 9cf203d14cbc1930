/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the program that runs while calls fail have in common: how it ends
 * when something does not hold, and the sum of a snapshot.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "tmalloc.h"

#define EXPECT(holds)                                                                    \
    do {                                                                                 \
        if (!(holds)) {                                                                  \
            failed_at(__FILE__, __LINE__, #holds);                                       \
        }                                                                                \
    } while (0)

_Noreturn void failed_at(const char *file, int line, const char *what);

/* Bytes and blocks of all traces. */
tm_trace_t sum_of(const tm_snapshot_t *s);

/* Domains, tracked resources and the peak: domains.c. Nothing of theirs stays behind. */
void use_domains(void);
void use_peak(void);

/* All that can be asked of a snapshot: views.c. */
void look_at_views(const tm_snapshot_t *s);

#endif
