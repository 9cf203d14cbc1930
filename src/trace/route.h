/* SPDX-License-Identifier: MIT */
/*
 * Routes: the few frames between a malloc and the frame further out whose node is known,
 * as a number to look the whole stack's node up by.
 *
 *     route    { before, last }  three locations of 21 bits a word, under a leading 1;
 *                                pushed from the newest frame outwards, into `last`
 *     routes   hash of (node outside, route) -> { route, node outside, node }
 *
 * So a stack that was met lately costs one look-up, however many of its frames are new;
 * another takes its way down the call tree, and is learned in the place of whatever is
 * there. A route tells its locations, so nothing else need be noted of the frames. Nodes
 * are for ever, and what is remembered of them needs no condition to be true. The table
 * begins small, inside of its owner, and grows where much is missed.
 * Locking: none; owner only.
 */
#ifndef TMI_ROUTE_H
#define TMI_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/hash.h"

#define TMI_ROUTE_LOCATION_BITS 21
#define TMI_ROUTE_MOST          5 /* frames: a word that is full is the inner one */

struct tmi_route {
    uint64_t before, last;
};

struct tmi_known_route {
    struct tmi_route route;
    uint32_t outer; /* the node outside */
    uint32_t node;
};

#define TMI_ROUTES_FIRST_LOG 8
#define TMI_ROUTES_MOST_LOG  13

struct tmi_routes {
    struct tmi_known_route *known; /* NULL before the beginning */
    unsigned shift;                /* 64 - log of their number */
    uint32_t missed;               /* since there are so many */
    struct tmi_known_route first[1 << TMI_ROUTES_FIRST_LOG];
};

#define TMI_ROUTE_EMPTY ((struct tmi_route){0, 1})

TMI_INLINE bool tmi_route_is_empty(struct tmi_route route)
{
    return (route.before | (route.last ^ 1)) == 0;
}

/* One frame further out, whose location fits its bits; false: that is one too many. */
TMI_INLINE bool tmi_route_push(struct tmi_route *route, uint64_t location)
{
    route->last = route->last << TMI_ROUTE_LOCATION_BITS | location;
    if (TMI_UNLIKELY((int64_t)route->last < 0)) { /* full */
        if (route->before != 0) {
            return false;
        }
        *route = (struct tmi_route){route->last, 1};
    }
    return true;
}

TMI_INLINE struct tmi_known_route *
tmi_routes_place(struct tmi_routes *routes, struct tmi_route route, uint64_t outer)
{
    uint64_t hash = (route.last + (route.before + outer) * TMI_HASH_ODD2) * TMI_HASH_ODD1;
    return &routes->known[hash >> routes->shift];
}

/* Take the route down the tree, and learn it. Keeps errno. */
uint32_t tmi_routes_learn(struct tmi_routes *routes, struct tmi_route route,
                          uint32_t outer);

/* The node that the route leads to from `outer`. */
TMI_INLINE uint32_t tmi_routes_node(struct tmi_routes *routes, struct tmi_route route,
                                    uint32_t outer)
{
    const struct tmi_known_route *known = tmi_routes_place(routes, route, outer);
    if (TMI_LIKELY(known->route.last == route.last && known->outer == outer &&
                   known->route.before == route.before)) {
        return known->node;
    }
    return tmi_routes_learn(routes, route, outer);
}

void tmi_routes_init(struct tmi_routes *routes);

#endif
