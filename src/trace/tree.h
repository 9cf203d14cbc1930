/* SPDX-License-Identifier: MIT */
/*
 * The call tree: every stack ever seen, each shared outer part once.
 *
 *     location = (module, offset of the return address)         told by its id, 32 bits
 *     node     = (parent node, location); the root is node 0     told by its id, 32 bits
 *
 * A stack is its leaf node: main's frame is a child of the root, the frame that called
 * malloc is the leaf. Locations are the keys of an index (trace/index.h); nodes know
 * their children themselves (trace/node.h). A parent's id is always below its children's.
 * Nothing is ever removed.
 *
 * Where no node can be added, for want of memory or because of the bound on it, a stack
 * is given to its longest known outer part: the node of that with the bit CUT stands for
 * "called from here, the rest is not known". It is a child of that node at the location
 * of which nothing is known, takes no memory, and each of its children is itself.
 * Locking: look-ups take none; a stack never seen before is added under TMI_LOCK_TREE.
 */
#ifndef TMI_TREE_H
#define TMI_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "trace/node.h"

/* The longest stack that is kept: deeper ones lose their oldest frames. */
#define TMI_TREE_DEPTH_MOST 65535u

/* In ids of nodes that stand for stacks of which only the outer part is known. */
#define TMI_TREE_CUT 0x80000000u

/*
 * The leaf of a stack of `n` return addresses, newest first; perhaps cut.
 * n == 0 stands for one frame of which nothing is known.
 */
uint32_t tmi_tree_intern(const uintptr_t *newest_first, size_t n);

/* The two steps of that: the location of a return address, and the child of a node there.
 */
uint32_t tmi_tree_locate(uintptr_t pc);
uint32_t tmi_tree_new_child(uint32_t parent, uint32_t location);

TMI_INLINE uint32_t tmi_tree_child(uint32_t parent, uint32_t location)
{
    uint32_t child = parent & TMI_TREE_CUT ? 0 : tmi_node_find(parent, location);
    return TMI_LIKELY(child != 0) ? child : tmi_tree_new_child(parent, location);
}

/* What there is to know of a node, at once or by halves. */
struct tmi_node {
    uint32_t parent, location;
};

struct tmi_node tmi_tree_node(uint32_t node);
uint32_t tmi_tree_parent(uint32_t node);
uint32_t tmi_tree_location(uint32_t node);
uint32_t
tmi_tree_node_count(void); /* cut ones are not counted, nor are their ids below it */
uint32_t tmi_tree_location_count(void);

/* How often a stack had to be cut. */
uint64_t tmi_tree_cuts(void);

/* Frames from the root down to `node`, itself included. */
uint32_t tmi_tree_depth(uint32_t node);

/* A location's module (0: none) and return address as it was in memory (0: not known). */
uint32_t tmi_location_module(uint32_t location);
uintptr_t tmi_location_address(uint32_t location);

#endif
