/* SPDX-License-Identifier: MIT */
/*
 * The nodes of the call tree: dense ids, 24 bytes each, and no table beside them. The
 * children of a node are a digital search tree, threaded through the nodes themselves:
 *
 *     child --> first child --next[0]--> those whose location's bit 0 is 0
 *                           --next[1]--> those whose bit 0 is 1; below, bit 1 decides
 *
 * So a child is found by comparing some log2(n) of n siblings; mostly there are one or
 * two, which lie beside each other, since a path's nodes are made in a row.
 *
 *     chunks[id >> 16] -> 65536 x { location, child, next[2] }, then 65536 x parent,
 *                         then 65536 x site: who counts for it, for trace/tracer.c
 *
 * A chunk is address space; its pages are touched, and charged for, as ids are given.
 * Nothing is ever removed, and a link changes once, from 0: so a reader needs no lock. A
 * node is linked with release after it was written. Locking: additions under
 * TMI_LOCK_TREE.
 */
#ifndef TMI_NODE_H
#define TMI_NODE_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

#define TMI_NODE_MOST      0x7fffffffu
#define TMI_NODE_CHUNK_LOG 16
#define TMI_NODE_CHUNK     (1u << TMI_NODE_CHUNK_LOG)

struct tmi_node_links {
    uint32_t location;
    uint32_t child;   /* atomic */
    uint32_t next[2]; /* atomic: siblings */
};

extern TMI_HIDDEN struct tmi_node_links
    *tmi_node_chunks[(TMI_NODE_MOST >> TMI_NODE_CHUNK_LOG) + 1]; /* atomic */

/* Of the root, 0, or an id that was given. */
TMI_INLINE struct tmi_node_links *tmi_node_links(uint32_t id)
{
    return &tmi_load_acquire(
        &tmi_node_chunks[id >> TMI_NODE_CHUNK_LOG])[id % TMI_NODE_CHUNK];
}

/* The child of `parent` at `location`, or 0. Takes no lock. */
TMI_INLINE uint32_t tmi_node_find(uint32_t parent, uint32_t location)
{
    uint32_t id = tmi_load_acquire(&tmi_node_links(parent)->child);
    for (uint32_t bits = location; id != 0; bits >>= 1) {
        const struct tmi_node_links *links = tmi_node_links(id);
        if (links->location == location) {
            break;
        }
        id = tmi_load_acquire(&links->next[bits & 1]);
    }
    return id;
}

/* The same, added if there is none; 0 when there is no memory or no id left. Locked. */
uint32_t tmi_node_add(uint32_t parent, uint32_t location);

uint32_t tmi_node_parent(uint32_t id);

/* A word for whoever keeps something about nodes; 0 at first. Atomic. */
TMI_INLINE uint32_t *tmi_node_site(uint32_t id)
{
    struct tmi_node_links *chunk =
        tmi_load_acquire(&tmi_node_chunks[id >> TMI_NODE_CHUNK_LOG]);
    return (uint32_t *)(chunk + TMI_NODE_CHUNK) + TMI_NODE_CHUNK + id % TMI_NODE_CHUNK;
}

/* Ids given so far: 1 up to this. */
uint32_t tmi_node_count(void);

#endif
