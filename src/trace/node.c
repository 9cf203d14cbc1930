/* SPDX-License-Identifier: MIT */
/*
 * See trace/node.h. Before there is a node there is the root, in a chunk that holds
 * nothing else and makes way for the first real one: a reader who still sees it finds no
 * child, and asks again under the lock.
 */
#include "trace/node.h"

#include "trace/memory.h"

/* So many nodes are charged for at once: whole pages of each. */
#define PIECE 1024u

#define NODE_BYTES (sizeof(struct tmi_node_links) + 2 * sizeof(uint32_t))

static struct tmi_node_links root_alone[1];

struct tmi_node_links *tmi_node_chunks[] = {root_alone};

static uint32_t count; /* atomic; the root is not counted */

/* Behind a chunk's links. */
static uint32_t *parent_of(uint32_t id)
{
    struct tmi_node_links *links =
        tmi_load_acquire(&tmi_node_chunks[id >> TMI_NODE_CHUNK_LOG]);
    return (uint32_t *)(links + TMI_NODE_CHUNK) + id % TMI_NODE_CHUNK;
}

uint32_t tmi_node_parent(uint32_t id)
{
    return tmi_load_relaxed(parent_of(id));
}

uint32_t tmi_node_count(void)
{
    return tmi_load_acquire(&count);
}

/* Is there a chunk for this id? */
static bool make_chunk(uint32_t id)
{
    struct tmi_node_links **chunk = &tmi_node_chunks[id >> TMI_NODE_CHUNK_LOG];
    if (TMI_UNLIKELY(*chunk == NULL || *chunk == root_alone)) {
        struct tmi_node_links *links = tmi_memory_reserve(TMI_NODE_CHUNK * NODE_BYTES);
        if (links == NULL) {
            return false;
        }
        tmi_store_release(chunk, links);
    }
    return true;
}

/* Where the child at `location` is linked, or would be: 0 stands there. */
static uint32_t *place_of(uint32_t parent, uint32_t location)
{
    uint32_t *link = &tmi_node_links(parent)->child;
    for (uint32_t bits = location; *link != 0; bits >>= 1) {
        struct tmi_node_links *links = tmi_node_links(*link);
        if (links->location == location) {
            break;
        }
        link = &links->next[bits & 1];
    }
    return link;
}

uint32_t tmi_node_add(uint32_t parent, uint32_t location)
{
    uint32_t id = count + 1;
    if (id > TMI_NODE_MOST || !make_chunk(id)) {
        return tmi_node_find(parent, location);
    }
    uint32_t *place = place_of(parent, location);
    if (*place != 0) {
        return *place;
    }
    if (TMI_UNLIKELY(id % PIECE == 0 || id == 1)) {
        tmi_memory_charge(PIECE * NODE_BYTES);
    }
    tmi_node_links(id)->location = location;
    *parent_of(id) = parent;
    tmi_store_release(&count, id);
    tmi_store_release(place, id); /* pairs with the acquire in find */
    return id;
}
