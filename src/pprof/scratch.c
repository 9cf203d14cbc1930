/* SPDX-License-Identifier: MIT */
/*
 * A block that is bumped and rewound, so that a million samples need no system call. What
 * does not fit comes from an arena that lives until the reset. Nothing is freed singly.
 * A message cannot ask for more than some eighty times its own length, and its length is
 * bounded by the caller, so no further bound is needed here.
 */
#include "pprof/scratch.h"

#include <errno.h>

#include "base/bits.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define PIECE_ALIGN 16

static void *allocate(void *context, size_t bytes)
{
    struct tmi_scratch *scratch = context;
    if (bytes <= BLOCK_BYTES - scratch->used) {
        void *piece = scratch->block + scratch->used;
        scratch->used += tmi_align_up(bytes, PIECE_ALIGN);
        return piece;
    }
    void *piece = tmi_arena_alloc(&scratch->overflow, bytes);
    scratch->failed |= piece == NULL;
    return piece;
}

static void keep(void *context, void *piece)
{
    (void)context;
    (void)piece;
}

int tmi_scratch_begin(struct tmi_scratch *scratch, struct tmi_arena *arena)
{
    *scratch = (struct tmi_scratch){
        .allocator = {.alloc = allocate, .free = keep, .allocator_data = scratch},
        .block = tmi_arena_alloc(arena, BLOCK_BYTES),
    };
    return scratch->block == NULL ? -ENOMEM : 0;
}

void tmi_scratch_reset(struct tmi_scratch *scratch)
{
    scratch->used = 0;
    scratch->failed = false;
    if (scratch->overflow.total_bytes != 0) {
        tmi_arena_release(&scratch->overflow);
    }
}
