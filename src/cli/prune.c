/* SPDX-License-Identifier: MIT */
/*
 * No node is bigger than its parent, or comes before it in nodes[]. So those that reach a
 * share of the whole are closed under "parent of", and so are the N biggest, if of equal
 * ones those go first that come first.
 */
#include "cli/prune.h"

#include <stdlib.h>

#include "view/order.h"

struct choice {
    const struct tmi_calltree *tree;
    bool by_count;
};

static uint64_t value_of(const struct choice *c, uint32_t node)
{
    return c->by_count ? c->tree->nodes[node].count : c->tree->nodes[node].size;
}

static int compare_values(const void *context, uint32_t x, uint32_t y)
{
    uint64_t a = value_of(context, x);
    uint64_t b = value_of(context, y);
    return a != b ? (a < b) - (a > b) : (x > y) - (x < y);
}

/* Hides all but the `most` biggest of those shown. */
static bool keep_biggest(const struct choice *c, size_t most, bool *shown)
{
    uint32_t n = 0;
    uint32_t *order = calloc(c->tree->count, sizeof(*order));
    uint32_t *scratch = calloc(c->tree->count, sizeof(*scratch));
    bool ready = order != NULL && scratch != NULL;
    if (ready) {
        for (uint32_t i = 1; i < c->tree->count; i++) {
            order[n] = i;
            n += shown[i];
        }
        tmi_order_sort(order, scratch, n, compare_values, c);
        for (size_t i = most; i < n; i++) {
            shown[order[i]] = false;
        }
    }
    free(order);
    free(scratch);
    return ready;
}

bool *tmi_prune_choose(const struct tmi_prune *prune, const struct tmi_calltree *tree,
                       bool by_count, uint32_t *shown_count)
{
    const struct choice c = {tree, by_count};
    double least = (double)value_of(&c, 0) * prune->min_percent / 100;
    bool *shown = calloc(tree->count, sizeof(*shown));
    if (shown == NULL) {
        return NULL;
    }
    uint32_t node = 0;
    uint32_t depth = 0;
    do {
        shown[node] = (double)value_of(&c, node) >= least &&
                      (prune->depth == 0 || depth <= prune->depth);
        node = tmi_calltree_next(tree, node, shown[node], &depth);
    } while (node != 0);
    if (prune->most != 0 && !keep_biggest(&c, prune->most, shown)) {
        free(shown);
        return NULL;
    }
    *shown_count = 0;
    for (uint32_t i = 0; i < tree->count; i++) {
        *shown_count += shown[i];
    }
    return shown;
}
