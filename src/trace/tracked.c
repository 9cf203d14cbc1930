/* SPDX-License-Identifier: MIT */
/*
 * See trace/tracked.h. A reference is a node's address, odd for a leaf. The bits of inner
 * nodes grow on the way down, so a look-up reads the tested bits only and compares the
 * whole key once, at the leaf.
 */
#include "trace/tracked.h"

#include <errno.h>

#include "base/atomic.h"
#include "trace/memory.h"

#define FIRST_PIECE_BYTES ((size_t)4 << 10)
#define LAST_PIECE_BYTES  ((size_t)1 << 20)
#define DOMAIN_BITS       16u
#define KEY_BITS          (DOMAIN_BITS + 64u)

struct leaf {
    uint64_t address;
    size_t size;
    uint32_t site;
    uint32_t domain;
};

struct inner {
    uintptr_t children[2];
    uint32_t bit;
};

union node {
    struct leaf leaf;
    struct inner inner;
    union node *next; /* while it is free */
};

struct piece {
    struct piece *next;
    size_t bytes; /* of the mapping */
    size_t used;  /* this header included */
};

_Static_assert(sizeof(union node) == 24, "a node is 24 bytes");
_Static_assert(sizeof(struct piece) % 8 == 0, "nodes stay aligned");

/* All under TMI_LOCK_TRACKED. */
static uintptr_t root; /* atomic; 0: empty */
static union node *free_nodes;
static struct piece *pieces; /* the newest and largest first */

static struct leaf *leaf_of(uintptr_t ref)
{
    return ref % 2 == 0 ? NULL : (struct leaf *)(ref - 1);
}

static bool bit_of(struct tmi_tracked_key key, uint32_t bit)
{
    return bit < DOMAIN_BITS ? key.domain >> (DOMAIN_BITS - 1 - bit) & 1
                             : key.address >> (KEY_BITS - 1 - bit) & 1;
}

/* The highest bit in which a leaf's key is another; KEY_BITS: it is the same. */
static uint32_t first_difference(const struct leaf *leaf, struct tmi_tracked_key key)
{
    uint32_t domain = leaf->domain ^ key.domain;
    uint64_t address = leaf->address ^ key.address;
    if (domain != 0) {
        return DOMAIN_BITS - 32 + (uint32_t)__builtin_clz(domain);
    }
    return address == 0 ? KEY_BITS : DOMAIN_BITS + (uint32_t)__builtin_clzll(address);
}

bool tmi_tracked_is_empty(void)
{
    return tmi_load_relaxed(&root) == 0;
}

static bool add_piece(void)
{
    size_t bytes = pieces == NULL ? FIRST_PIECE_BYTES : 2 * pieces->bytes;
    bytes = bytes > LAST_PIECE_BYTES ? LAST_PIECE_BYTES : bytes;
    struct piece *piece = tmi_memory_map(bytes);
    if (piece == NULL) {
        return false;
    }
    *piece = (struct piece){pieces, bytes, sizeof *piece};
    pieces = piece;
    return true;
}

static union node *new_node(void)
{
    union node *node = free_nodes;
    if (node != NULL) {
        free_nodes = node->next;
        return node;
    }
    if ((pieces == NULL || pieces->bytes - pieces->used < sizeof *node) && !add_piece()) {
        return NULL;
    }
    node = (union node *)((char *)pieces + pieces->used);
    pieces->used += sizeof *node;
    return node;
}

static void free_node(void *p)
{
    union node *node = p;
    node->next = free_nodes;
    free_nodes = node;
}

/* The leaf to which the tested bits of a key lead; NULL when the tree is empty. */
static struct leaf *closest(struct tmi_tracked_key key)
{
    uintptr_t ref = root;
    while (ref != 0 && leaf_of(ref) == NULL) {
        const struct inner *inner = (const struct inner *)ref;
        ref = inner->children[bit_of(key, inner->bit)];
    }
    return leaf_of(ref);
}

static struct leaf *find(struct tmi_tracked_key key)
{
    struct leaf *leaf = closest(key);
    return leaf != NULL && first_difference(leaf, key) == KEY_BITS ? leaf : NULL;
}

/* Where the reference to a new inner node for `bit` belongs. */
static uintptr_t *place_for(struct tmi_tracked_key key, uint32_t bit)
{
    uintptr_t *place = &root;
    while (leaf_of(*place) == NULL && ((struct inner *)*place)->bit < bit) {
        struct inner *inner = (struct inner *)*place;
        place = &inner->children[bit_of(key, inner->bit)];
    }
    return place;
}

static int add(struct tmi_tracked_key key, struct tmi_resource resource,
               const struct leaf *near)
{
    union node *leaf = new_node();
    union node *inner = leaf == NULL || near == NULL ? NULL : new_node();
    if (leaf == NULL || (near != NULL && inner == NULL)) {
        if (leaf != NULL) {
            free_node(leaf);
        }
        return -ENOMEM;
    }
    leaf->leaf = (struct leaf){key.address, resource.size, resource.site, key.domain};
    uintptr_t ref = (uintptr_t)leaf + 1;
    if (near == NULL) {
        tmi_store_relaxed(&root, ref);
        return 0;
    }
    uint32_t bit = first_difference(near, key);
    uintptr_t *place = place_for(key, bit);
    inner->inner.bit = bit;
    inner->inner.children[bit_of(key, bit)] = ref;
    inner->inner.children[!bit_of(key, bit)] = *place;
    tmi_store_relaxed(place, (uintptr_t)inner);
    return 0;
}

int tmi_tracked_put_locked(struct tmi_tracked_key key, struct tmi_resource resource,
                           struct tmi_resource *old)
{
    *old = (struct tmi_resource){0, 0};
    struct leaf *near = closest(key);
    if (near == NULL || first_difference(near, key) != KEY_BITS) {
        return add(key, resource, near);
    }
    *old = (struct tmi_resource){near->site, near->size};
    near->site = resource.site;
    near->size = resource.size;
    return 0;
}

struct tmi_resource tmi_tracked_find_locked(struct tmi_tracked_key key)
{
    const struct leaf *leaf = find(key);
    return leaf == NULL ? (struct tmi_resource){0, 0}
                        : (struct tmi_resource){leaf->site, leaf->size};
}

/* The leaf's sibling takes the place of their inner node. */
struct tmi_resource tmi_tracked_take_locked(struct tmi_tracked_key key)
{
    struct leaf *leaf = find(key);
    if (leaf == NULL) {
        return (struct tmi_resource){0, 0};
    }
    struct tmi_resource resource = {leaf->site, leaf->size};
    uintptr_t *above = NULL; /* where the inner node is referred to */
    uintptr_t *place = &root;
    while (leaf_of(*place) == NULL) {
        struct inner *inner = (struct inner *)*place;
        above = place;
        place = &inner->children[bit_of(key, inner->bit)];
    }
    if (above == NULL) {
        tmi_store_relaxed(&root, 0);
    } else {
        struct inner *inner = (struct inner *)*above;
        tmi_store_relaxed(above, inner->children[place == &inner->children[0]]);
        free_node(inner);
    }
    free_node(leaf);
    return resource;
}

void tmi_tracked_forget_locked(void)
{
    tmi_store_relaxed(&root, 0);
    free_nodes = NULL;
    while (pieces != NULL) {
        struct piece *piece = pieces;
        pieces = piece->next;
        tmi_memory_unmap(piece, piece->bytes);
    }
}
