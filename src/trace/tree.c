/* SPDX-License-Identifier: MIT */
/*
 * See trace/tree.h. The key of a location is module:16 offset:48. That of the location of
 * which nothing is known is 0, which is a key like any other.
 */
#include "trace/tree.h"

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "trace/index.h"
#include "trace/memory.h"
#include "trace/module.h"

#define OFFSET_BITS 48
#define OFFSET_MASK (((uint64_t)1 << OFFSET_BITS) - 1)

static struct tmi_index locations;

static uint64_t cuts; /* atomic */

/* The call lies before the return address, which may be the first byte of something else.
 */
uint32_t tmi_tree_locate(uintptr_t pc)
{
    uint32_t module = pc == 0 ? 0 : tmi_module_find(pc - 1);
    uint64_t offset = module == 0 ? pc : pc - tmi_module_get(module)->start;
    uint64_t key = (uint64_t)module << OFFSET_BITS | (offset & OFFSET_MASK);
    uint32_t id = tmi_index_find(&locations, key);
    if (id == 0 && tmi_memory_allows_stack()) {
        tmi_lock(TMI_LOCK_TREE);
        id = tmi_index_add(&locations, key);
        tmi_unlock(TMI_LOCK_TREE);
    }
    return id;
}

/* What is known of it ends at `parent`. */
static TMI_COLD uint32_t cut_at(uint32_t parent)
{
    tmi_add_relaxed(&cuts, 1);
    return parent | TMI_TREE_CUT;
}

uint32_t tmi_tree_new_child(uint32_t parent, uint32_t location)
{
    if (parent & TMI_TREE_CUT) {
        return parent;
    }
    uint32_t child = 0;
    if (location != 0 && tmi_memory_allows_stack()) {
        tmi_lock(TMI_LOCK_TREE);
        child = tmi_node_add(parent, location);
        tmi_unlock(TMI_LOCK_TREE);
    }
    return child != 0 ? child : cut_at(parent);
}

uint32_t tmi_tree_intern(const uintptr_t *newest_first, size_t n)
{
    if (n == 0) {
        return tmi_tree_child(0, tmi_tree_locate(0));
    }
    uint32_t node = 0;
    for (size_t i = n; i > 0; i--) {
        node = tmi_tree_child(node, tmi_tree_locate(newest_first[i - 1]));
    }
    return node;
}

struct tmi_node tmi_tree_node(uint32_t node)
{
    if (node & TMI_TREE_CUT) {
        return (struct tmi_node){node & ~TMI_TREE_CUT, tmi_tree_locate(0)};
    }
    return (struct tmi_node){tmi_node_parent(node), tmi_node_links(node)->location};
}

uint32_t tmi_tree_parent(uint32_t node)
{
    return tmi_tree_node(node).parent;
}

uint32_t tmi_tree_location(uint32_t node)
{
    return tmi_tree_node(node).location;
}

uint64_t tmi_tree_cuts(void)
{
    return tmi_load_relaxed(&cuts);
}

uint32_t tmi_tree_node_count(void)
{
    return tmi_node_count();
}

uint32_t tmi_tree_location_count(void)
{
    return tmi_index_count(&locations);
}

uint32_t tmi_tree_depth(uint32_t node)
{
    uint32_t depth = 0;
    for (; node != 0; node = tmi_tree_parent(node)) {
        depth++;
    }
    return depth;
}

uint32_t tmi_location_module(uint32_t location)
{
    return (uint32_t)(tmi_index_key(&locations, location) >> OFFSET_BITS);
}

uintptr_t tmi_location_address(uint32_t location)
{
    uint64_t key = tmi_index_key(&locations, location);
    uint32_t module = (uint32_t)(key >> OFFSET_BITS);
    uintptr_t offset = key & OFFSET_MASK;
    return module == 0 ? offset : tmi_module_get(module)->start + offset;
}
