/* SPDX-License-Identifier: MIT */
/*
 * Memory for one unpacked message at a time, for protobuf-c to allocate from.
 */
#ifndef TMI_PPROF_SCRATCH_H
#define TMI_PPROF_SCRATCH_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct tmi_scratch {
    ProtobufCAllocator allocator;
    char *block; /* serves all usual messages */
    size_t used;
    struct tmi_arena overflow; /* serves the rest of a large one */
    bool failed;               /* there was no memory since the last reset */
};

/* The block lies in `arena`. 0 or -ENOMEM. */
int tmi_scratch_begin(struct tmi_scratch *scratch, struct tmi_arena *arena);

/* Forgets the message. Call it at the end too. */
void tmi_scratch_reset(struct tmi_scratch *scratch);

#endif
