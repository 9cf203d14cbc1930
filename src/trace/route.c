/* SPDX-License-Identifier: MIT */
/* See trace/route.h. */
#include "trace/route.h"

#include <string.h>

#include "base/errno.h"
#include "trace/memory.h"
#include "trace/tree.h"

#define LOCATION_MASK ((1u << TMI_ROUTE_LOCATION_BITS) - 1)

static size_t size_of(const struct tmi_routes *routes)
{
    return (size_t)1 << (64 - routes->shift);
}

void tmi_routes_init(struct tmi_routes *routes)
{
    routes->known = routes->first;
    routes->shift = 64 - TMI_ROUTES_FIRST_LOG;
}

/* Twice the size, if there is memory for it. */
static TMI_COLD void grow(struct tmi_routes *routes)
{
    struct tmi_known_route *old = routes->known;
    size_t n = size_of(routes);
    size_t bytes = 2 * n * sizeof *old;
    routes->missed = 0;
    if (n >> TMI_ROUTES_MOST_LOG != 0 || !tmi_memory_allows(bytes)) {
        return;
    }
    struct tmi_known_route *known = tmi_memory_map(bytes);
    if (known == NULL) {
        return;
    }
    routes->known = known;
    routes->shift--;
    for (size_t i = 0; i < n; i++) {
        *tmi_routes_place(routes, old[i].route, old[i].leaf.from) = old[i];
    }
    if (old != routes->first) {
        tmi_memory_unmap(old, n * sizeof *old);
    }
}

/* From `node` inwards, along the locations of one word: the outermost is the lowest. */
static uint32_t go_along(uint32_t node, uint64_t word)
{
    for (; word != 0; word >>= TMI_ROUTE_LOCATION_BITS) {
        node = tmi_tree_child(node, (uint32_t)word & LOCATION_MASK);
    }
    return node;
}

void tmi_routes_forget(struct tmi_routes *routes)
{
    memset(routes->known, 0, size_of(routes) * sizeof *routes->known);
}

TMI_NOINLINE struct tmi_leaf *tmi_routes_learn(struct tmi_routes *routes,
                                               struct tmi_route route, uint32_t from)
{
    int saved = tmi_errno_get();
    uint32_t node = go_along(go_along(from, route.outer), route.inner);
    if (TMI_UNLIKELY(++routes->missed > size_of(routes))) {
        grow(routes);
    }
    struct tmi_leaf *leaf = &routes->cut; /* there may be room for its nodes some time */
    if (!(node & TMI_TREE_CUT)) {
        struct tmi_known_route *place = tmi_routes_place(routes, route, from);
        place->route = route;
        leaf = &place->leaf;
    }
    *leaf = (struct tmi_leaf){0, node, from};
    tmi_errno_set(saved);
    return leaf;
}
