/* SPDX-License-Identifier: MIT */
/*
 * Scarcity: for a while the process may map little more than it has mapped, so that what
 * allocates in between finds out what happens then.
 */
#ifndef TMALLOC_TESTS_SCARCITY_H
#define TMALLOC_TESTS_SCARCITY_H

#include <stddef.h>

/* From now on no more than `spare` bytes beyond what is mapped; not to be nested. */
void scarcity_begin(size_t spare);

/* As it was before. Leaves errno alone. */
void scarcity_end(void);

#endif
