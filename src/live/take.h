/* SPDX-License-Identifier: MIT */
/*
 * From the tracer's counters to a snapshot object. The caller is guarded.
 */
#ifndef TMI_TAKE_H
#define TMI_TAKE_H

#include <stdint.h>

#include "view/snapshot.h"

/* All sites of this epoch. NULL with errno ENODATA (not tracing) or ENOMEM. */
struct tm_snapshot *tmi_take_all(void);

/* One site alone, without counts, for the traceback of a block. NULL, errno ENOMEM. */
struct tm_snapshot *tmi_take_stack(uint32_t node, uint32_t nframe);

#endif
