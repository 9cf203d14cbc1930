/* SPDX-License-Identifier: MIT */
/*
 * From "an allocation happens here" to a node of the call tree. This is the interface
 * behind which unwinders are exchanged: callers know nodes and nothing of stacks.
 */
#ifndef TMI_CAPTURE_H
#define TMI_CAPTURE_H

#include <stdint.h>

#include "trace/shard.h"

/* The node of this thread's whole stack; 0 when there is no memory for a new one. */
uint32_t tmi_capture_stack(struct tmi_shard *shard);

/* The node of a stack of one frame: the return address `pc`. */
uint32_t tmi_capture_caller(uintptr_t pc);

/* The node for "a stack of which nothing is known". Exists since tmi_capture_init(). */
uint32_t tmi_capture_unknown(void);

void tmi_capture_init(void);

#endif
