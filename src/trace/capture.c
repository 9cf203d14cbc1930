/* SPDX-License-Identifier: MIT */
/*
 * Unwinds into the shard's own buffer (never the stack: signal stacks are small), which
 * grows to the deepest stack met. A stack deeper than the tree keeps loses its oldest
 * frames.
 */
#include "trace/capture.h"

#include "trace/tree.h"
#include "trace/unwind.h"

uint32_t tmi_capture_stack(struct tmi_shard *shard)
{
    size_t total = tmi_unwind_libgcc(shard->stack, shard->stack_room);
    if (total > shard->stack_room) {
        size_t wanted = total < TMI_TREE_DEPTH_MOST ? total : TMI_TREE_DEPTH_MOST;
        if (tmi_shard_grow_stack(shard, wanted)) {
            total = tmi_unwind_libgcc(shard->stack, shard->stack_room);
        }
    }
    size_t kept = total < shard->stack_room ? total : shard->stack_room;
    return tmi_tree_intern(shard->stack,
                           kept < TMI_TREE_DEPTH_MOST ? kept : TMI_TREE_DEPTH_MOST);
}

uint32_t tmi_capture_caller(uintptr_t pc)
{
    return tmi_tree_intern(&pc, 1);
}

uint32_t tmi_capture_unknown(void)
{
    return tmi_tree_intern(NULL, 0);
}

void tmi_capture_init(void)
{
    tmi_capture_unknown();
}
