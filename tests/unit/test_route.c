/* SPDX-License-Identifier: MIT */
/*
 * Routes lead where the call tree leads, frame by frame; what is remembered of them is
 * never another route's, however many there are and whichever table they are in.
 */
#include "trace/route.h"

#include <criterion/criterion.h>

#include "../support/random.h"
#include "trace/memory.h"
#include "trace/tree.h"

static struct tmi_routes routes;

static void set_up(void)
{
    tmi_routes_init(&routes);
}

TestSuite(route, .init = set_up);

static struct tmi_route route_of(const uint32_t *newest_first, size_t n)
{
    struct tmi_route route = TMI_ROUTE_EMPTY;
    for (size_t i = 0; i < n; i++) {
        uint64_t *word = i < TMI_ROUTE_WORD ? &route.inner : &route.outer;
        *word = *word << TMI_ROUTE_LOCATION_BITS | newest_first[i];
    }
    return route;
}

static uint32_t node_of(struct tmi_route route, uint32_t outer)
{
    struct tmi_known_route *place = tmi_routes_place(&routes, route, outer);
    return tmi_routes_leaf(&routes, place, route, outer)->node;
}

/* What the route stands for, taken one frame at a time. */
static uint32_t way_down(uint32_t outer, const uint32_t *newest_first, size_t n)
{
    for (size_t i = n; i > 0; i--) {
        outer = tmi_tree_child(outer, newest_first[i - 1]);
    }
    return outer;
}

Test(route, without_frames_is_empty)
{
    uint32_t one = 1;
    cr_assert(tmi_route_is_empty(route_of(&one, 0)));
    cr_assert_not(tmi_route_is_empty(route_of(&one, 1)));
}

Test(route, leads_where_the_tree_leads)
{
    uint32_t most = (1u << TMI_ROUTE_LOCATION_BITS) - 1;
    uint32_t stack[] = {5, most, 1, 2, most, most};
    for (size_t n = 1; n <= TMI_ROUTE_MOST; n++) {
        for (uint32_t outer = 0; outer < 3; outer++) {
            uint32_t node = way_down(outer, stack, n);
            struct tmi_route route = route_of(stack, n);
            cr_assert_eq(node_of(route, outer), node, "first");
            cr_assert_eq(node_of(route, outer), node, "again");
        }
    }
}

/* Of few locations, so that routes are alike in parts: (a, b) and (b), (a, a) and (a). */
Test(route, is_never_taken_for_another)
{
    uint64_t random = 1;
    size_t before = tmi_memory_bytes();
    bool grown = false;
    for (int i = 0; i < 200000; i++) {
        uint32_t stack[TMI_ROUTE_MOST];
        size_t n = 1 + random_below(&random, TMI_ROUTE_MOST);
        for (size_t f = 0; f < n; f++) {
            stack[f] = 1 + (uint32_t)random_below(&random, 6);
        }
        uint32_t outer = (uint32_t)random_below(&random, 6);
        uint32_t node = node_of(route_of(stack, n), outer);
        cr_assert_eq(node, way_down(outer, stack, n));
        grown = grown || routes.known != routes.first;
    }
    cr_assert(grown, "so many routes have outgrown the first table");
    size_t of_nodes = 25ul * tmi_tree_node_count();
    cr_assert_lt(tmi_memory_bytes() - before - of_nodes, 1 << 20);
}

Test(route, does_without_a_larger_table)
{
    uint64_t random = 1;
    tmi_memory_set_limit(tmi_memory_bytes());
    for (int i = 0; i < 20000; i++) {
        uint32_t stack[] = {1 + (uint32_t)random_below(&random, 3000)};
        uint32_t node = node_of(route_of(stack, 1), 0);
        cr_assert_eq(node, way_down(0, stack, 1));
    }
    cr_assert_eq(routes.known, routes.first);
}

/* A note is of one leaf, until its place is another's, or all are forgotten. */
Test(route, notes_stay_with_their_leaf)
{
    uint32_t stack[] = {7, 8};
    struct tmi_route route = route_of(stack, 2);
    struct tmi_known_route *place = tmi_routes_place(&routes, route, 0);
    struct tmi_leaf *leaf = tmi_routes_leaf(&routes, place, route, 0);
    cr_assert_eq(leaf->note, 0);
    leaf->note = 99;
    cr_assert_eq(tmi_routes_leaf(&routes, place, route, 0)->note, 99);
    place->route.inner++; /* somebody else's now */
    cr_assert_eq(tmi_routes_leaf(&routes, place, route, 0)->note, 0);
    leaf->note = 99;
    tmi_routes_forget(&routes);
    cr_assert_eq(tmi_routes_leaf(&routes, place, route, 0)->note, 0);
}
