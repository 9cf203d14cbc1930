/* SPDX-License-Identifier: MIT */
/*
 * Statistics: the traces of a snapshot in groups, biggest first. The public functions are
 * in tmalloc/snapshot.h; this is what the rest of the analysis may know of the result.
 *
 *     statistics -> home: a snapshot of its own; its traces are the groups, in order,
 *                         its locations have one line each, its symbols are complete
 */
#ifndef TMI_STAT_H
#define TMI_STAT_H

#include "tmalloc/snapshot.h"
#include "view/snapshot.h"

struct tm_statistics {
    struct tm_snapshot *home; /* owns this struct as well */
};

#endif
