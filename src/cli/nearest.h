/* SPDX-License-Identifier: MIT */
/*
 * What a mistyped word probably meant.
 */
#ifndef TMI_NEAREST_H
#define TMI_NEAREST_H

#include <stddef.h>

/*
 * How many letters must be inserted, left out, replaced or swapped with their neighbour
 * to make `a` into `b`; a large number when one of them is too long to be a mistyped
 * name.
 */
size_t tmi_nearest_distance(const char *a, const char *b);

/* The one of `count` names that is nearest to `word`; NULL when none is near. */
const char *tmi_nearest_name(const char *word, const char *const *names, size_t count);

#endif
