/* SPDX-License-Identifier: MIT */
/*
 * Stacks without the frames that allocate for whoever calls them, so that a report begins
 * with who wanted the memory: not malloc, not operator new, not strdup.
 */
#ifndef TMI_TRIM_H
#define TMI_TRIM_H

#include "view/snapshot.h"

/*
 * Take from each stack of `s`, which has its symbols, the newest frames that are wrappers
 * (base/wrapper.h) or lie in an allocator's library; one frame always stays. `patterns`:
 * more wrappers, by commas; NULL: none. Once, before anyone reads `s`. 0 or -ENOMEM.
 */
int tmi_trim_wrappers(struct tm_snapshot *s, const char *patterns);

#endif
