/* SPDX-License-Identifier: MIT */
/*
 * From the tracer's counters to a snapshot object. The caller is guarded.
 */
#ifndef TMI_TAKE_H
#define TMI_TAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "view/snapshot.h"

/* All sites of this epoch, now or at the peak. NULL with errno ENODATA or ENOMEM. */
struct tm_snapshot *tmi_take_all(bool of_peak);

/* One site alone, without counts, for the traceback of a block. NULL, errno ENOMEM. */
struct tm_snapshot *tmi_take_stack(uint32_t node, uint32_t nframe);

#endif
