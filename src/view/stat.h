/* SPDX-License-Identifier: MIT */
/*
 * Statistics: the traces of a snapshot in groups, biggest first. The public functions are
 * in tmalloc/snapshot.h; this is what the rest of the analysis may know of the result.
 */
#ifndef TMI_STAT_H
#define TMI_STAT_H

#include "tmalloc/snapshot.h"
#include "view/snapshot.h"

struct tm_statistics {
    struct tm_snapshot *home; /* its traces are the groups; owns this struct as well */
};

#endif
