/* SPDX-License-Identifier: MIT */
/*
 * Routes: the few frames between a malloc and the frame further out whose node is known,
 * as a number to look the whole stack's node up by.
 *
 *     route    { inner, outer }  three locations of 21 bits a word, none of them 0; from
 *                                the newest frame outwards: `inner`, then `outer`
 *     routes   hash of (node outside, route) -> { route, leaf }
 *     leaf     where the node of a stack stands, with the node outside, and room for a
 *              word of whoever asks for stacks
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
#define TMI_ROUTE_WORD          3 /* frames of a word */
#define TMI_ROUTE_MOST          (2 * TMI_ROUTE_WORD)

struct tmi_route {
    uint64_t inner, outer;
};

struct tmi_leaf {
    uint64_t note; /* 0 at first; owner only. trace/quick.h */
    uint32_t node;
    uint32_t from; /* of a route: the node outside, from which it leads here */
};

struct tmi_known_route {
    struct tmi_route route;
    struct tmi_leaf leaf;
};

#define TMI_ROUTES_FIRST_LOG 8
#define TMI_ROUTES_MOST_LOG  13

struct tmi_routes {
    struct tmi_known_route *known; /* NULL before tmi_routes_init() */
    unsigned shift;                /* 64 - log of their number */
    uint32_t missed;               /* since there are so many */
    struct tmi_leaf cut;           /* the latest one that is not to be remembered */
    struct tmi_known_route first[1 << TMI_ROUTES_FIRST_LOG];
};

#define TMI_ROUTE_EMPTY ((struct tmi_route){0, 0})

TMI_INLINE bool tmi_route_is_empty(struct tmi_route route)
{
    return route.inner == 0;
}

TMI_INLINE struct tmi_known_route *tmi_routes_place(struct tmi_routes *routes,
                                                    struct tmi_route route, uint64_t from)
{
    uint64_t hash = (route.inner + (route.outer + from) * TMI_HASH_ODD2) * TMI_HASH_ODD1;
    return &routes->known[hash >> routes->shift];
}

/* Take the route down the tree, and learn it. Keeps errno. */
struct tmi_leaf *tmi_routes_learn(struct tmi_routes *routes, struct tmi_route route,
                                  uint32_t from);

/* What the route leads to from `from`, until something else is asked for; `place` is its
 * place. */
TMI_INLINE struct tmi_leaf *tmi_routes_leaf(struct tmi_routes *routes,
                                            struct tmi_known_route *place,
                                            struct tmi_route route, uint32_t from)
{
    if (TMI_LIKELY(place->route.inner == route.inner && place->leaf.from == from &&
                   place->route.outer == route.outer)) {
        return &place->leaf;
    }
    return tmi_routes_learn(routes, route, from);
}

void tmi_routes_init(struct tmi_routes *routes);

/* Remember none. */
void tmi_routes_forget(struct tmi_routes *routes);

#endif
