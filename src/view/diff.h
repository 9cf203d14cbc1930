/* SPDX-License-Identifier: MIT */
/*
 * Differences: the groups of two snapshots side by side, the most changed first. The
 * public functions are in tmalloc/snapshot.h; this is what the rest of the analysis may
 * know of the result.
 */
#ifndef TMI_DIFF_H
#define TMI_DIFF_H

#include <stddef.h>

#include "tmalloc/snapshot.h"
#include "view/snapshot.h"

struct tm_statistic_diffs {
    struct tm_snapshot *home; /* its traces are the groups; owns all of this */
    tm_statistic_diff_t *all; /* in order */
    size_t count;
};

#endif
