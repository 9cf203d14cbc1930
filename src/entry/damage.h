/* SPDX-License-Identifier: MIT */
/*
 * What happens when a pointer that is no live block is freed or resized: a few lines on
 * stderr, with the stack that allocated the block where that is known, and then abort, or
 * with TMALLOC_ON_ERROR=warn back to the caller, who leaves the memory alone.
 */
#ifndef TMI_DAMAGE_H
#define TMI_DAMAGE_H

#include "heap/block.h"

/* `state` is TMI_BLOCK_FREED or TMI_BLOCK_UNKNOWN; `function` is what the program called.
 */
void tmi_damage_report(const char *function, const void *p, enum tmi_block_state state);

#endif
