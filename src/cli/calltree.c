/* SPDX-License-Identifier: MIT */
/*
 * A node is found by (parent, key) in one hash map, so that a trace costs a look-up a
 * frame; nothing recurses, however deep the stacks are. A function that calls itself
 * stays where it is; one that others call back is a node below itself. Either way a trace
 * counts once on each node of its path.
 *
 * Siblings are put into order at the end: one sort of all nodes by parent and size, then
 * each is linked behind the one before it.
 */
#include "cli/calltree.h"

#include <errno.h>

#include "base/bits.h"
#include "view/map.h"
#include "view/order.h"

enum { FIRST_ROOM = 1024 };

struct build {
    struct tmi_calltree *tree;
    const struct tm_snapshot *from;
    struct tmi_map children; /* parent << 32 | key -> node */
    bool inverted;
};

static int make_room(struct tmi_calltree *tree)
{
    if (tree->count < tree->room) {
        return 0;
    }
    if (tree->room > UINT32_MAX / 4) {
        return -ENOMEM;
    }
    uint32_t room = tree->room == 0 ? FIRST_ROOM : 2 * tree->room;
    void *nodes =
        tmi_arena_grow(&tree->arena, tree->nodes, tree->room * sizeof *tree->nodes,
                       room * sizeof *tree->nodes);
    if (nodes == NULL) {
        return -ENOMEM;
    }
    tree->nodes = nodes;
    tree->room = room;
    return 0;
}

static void credit(struct tmi_calltree *tree, uint32_t node,
                   const struct tmi_trace *trace)
{
    tmi_add_up(&tree->nodes[node].size, trace->values[TMI_INUSE_BYTES]);
    tmi_add_up(&tree->nodes[node].count, trace->values[TMI_INUSE_BLOCKS]);
}

/* Credits the child of *node that has this key, made if there was none, and goes there.
 */
static int enter(struct build *b, uint32_t *node, uint32_t id,
                 const struct tmi_trace *trace)
{
    struct tmi_calltree *tree = b->tree;
    if (*node != 0 && tree->nodes[*node].id == id) {
        return 0;
    }
    uint64_t edge = (uint64_t)*node << 32 | id;
    int64_t child = tmi_map_put(&b->children, edge, tree->count);
    if (child < 0 || make_room(tree) != 0) {
        return -ENOMEM;
    }
    if (child == tree->count) {
        tree->nodes[tree->count++] =
            (struct tmi_calltree_node){.id = id, .parent = *node};
    }
    *node = (uint32_t)child;
    credit(tree, *node, trace);
    return 0;
}

/* From the newest frame on. */
static int enter_inverted(struct build *b, uint32_t *node, const struct tmi_trace *trace)
{
    const struct tm_traceback *tb = &trace->traceback;
    const uint32_t *frames = b->from->frames + tb->first_frame;
    int err = 0;
    for (uint32_t i = 0; i < tb->nframes; i++) {
        uint32_t inlined;
        const uint32_t *ids = tmi_keys_at(&b->tree->keys, TMI_NOW, frames[i], &inlined);
        for (uint32_t k = 0; k < inlined && err == 0; k++) {
            err = enter(b, node, ids[k], trace);
        }
    }
    return err;
}

static int enter_all(struct build *b, uint32_t *node, const struct tmi_trace *trace)
{
    const struct tm_traceback *tb = &trace->traceback;
    struct tmi_key_walk walk;
    tmi_key_walk_begin(&walk, &b->tree->keys, TMI_NOW, tb, 0);
    int err = 0;
    if (tb->total_nframe > tb->nframes) {
        err = enter(b, node, TMI_CALLTREE_CUT, trace);
    }
    for (uint32_t id; err == 0 && tmi_key_walk_next(&walk, &id);) {
        err = enter(b, node, id, trace);
    }
    return err;
}

static int add_trace(struct build *b, const struct tmi_trace *trace)
{
    struct tmi_calltree *tree = b->tree;
    uint32_t node = 0;
    credit(tree, node, trace);
    int err = b->inverted ? enter_inverted(b, &node, trace) : enter_all(b, &node, trace);
    tmi_add_up(&tree->nodes[node].self_size, trace->values[TMI_INUSE_BYTES]);
    tmi_add_up(&tree->nodes[node].self_count, trace->values[TMI_INUSE_BLOCKS]);
    return err;
}

/* ---- order --------------------------------------------------------------------------
 */

static int descending(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

/* By parent, then the biggest first, equal ones in the order of their names. */
static int compare_sizes(const void *context, uint32_t x, uint32_t y)
{
    const struct tmi_calltree_node *a = (const struct tmi_calltree_node *)context + x;
    const struct tmi_calltree_node *b = (const struct tmi_calltree_node *)context + y;
    int order = descending(b->parent, a->parent);
    order = order != 0 ? order : descending(a->size, b->size);
    order = order != 0 ? order : descending(a->count, b->count);
    return order != 0 ? order : descending(b->id, a->id);
}

static int compare_counts(const void *context, uint32_t x, uint32_t y)
{
    const struct tmi_calltree_node *a = (const struct tmi_calltree_node *)context + x;
    const struct tmi_calltree_node *b = (const struct tmi_calltree_node *)context + y;
    int order = descending(b->parent, a->parent);
    order = order != 0 ? order : descending(a->count, b->count);
    return order != 0 ? order : compare_sizes(context, x, y);
}

static int link_siblings(struct tmi_calltree *tree, bool by_count)
{
    uint32_t n = tree->count;
    uint32_t *order = tmi_arena_alloc(&tree->arena, n * sizeof *order);
    uint32_t *scratch = tmi_arena_alloc(&tree->arena, n * sizeof *scratch);
    if (order == NULL || scratch == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 1; i < n; i++) {
        order[i - 1] = i;
    }
    tmi_order_sort(order, scratch, n - 1, by_count ? compare_counts : compare_sizes,
                   tree->nodes);
    for (uint32_t i = 0; i + 1 < n; i++) {
        struct tmi_calltree_node *node = &tree->nodes[order[i]];
        bool follows = i > 0 && tree->nodes[order[i - 1]].parent == node->parent;
        *(follows ? &tree->nodes[order[i - 1]].next : &tree->nodes[node->parent].first) =
            order[i];
    }
    return 0;
}

/* ---- all ----------------------------------------------------------------------------
 */

int tmi_calltree_make(struct tmi_calltree *tree, const struct tm_snapshot *s, tm_key_t by,
                      bool inverted, bool by_count)
{
    *tree = (struct tmi_calltree){0};
    struct build b = {.tree = tree, .from = s, .inverted = inverted};
    tmi_map_init(&b.children, &tree->arena);
    int err = tmi_snapshot_resolve(s);
    if (err == 0) {
        err = tmi_keys_build(&tree->keys, &s, 1, by, &tree->arena);
    }
    if (err == 0) {
        err = make_room(tree);
        tree->count = 1;
    }
    for (size_t i = 0; i < s->live_count && err == 0; i++) {
        err = add_trace(&b, &s->traces[i]);
    }
    return err == 0 ? link_siblings(tree, by_count) : err;
}

void tmi_calltree_release(struct tmi_calltree *tree)
{
    tmi_arena_release(&tree->arena);
}

uint32_t tmi_calltree_next(const struct tmi_calltree *tree, uint32_t node, bool deeper,
                           uint32_t *depth)
{
    const struct tmi_calltree_node *nodes = tree->nodes;
    if (deeper && nodes[node].first != 0) {
        ++*depth;
        return nodes[node].first;
    }
    while (node != 0 && nodes[node].next == 0) {
        node = nodes[node].parent;
        --*depth;
    }
    return node == 0 ? 0 : nodes[node].next;
}
