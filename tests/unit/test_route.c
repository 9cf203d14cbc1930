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
        cr_assert(tmi_route_push(&route, newest_first[i]));
        cr_assert_not(tmi_route_is_empty(route));
    }
    return route;
}

/* What the route stands for, taken one frame at a time. */
static uint32_t way_down(uint32_t outer, const uint32_t *newest_first, size_t n)
{
    for (size_t i = n; i > 0; i--) {
        outer = tmi_tree_child(outer, newest_first[i - 1]);
    }
    return outer;
}

Test(route, has_so_many_frames_and_no_more)
{
    struct tmi_route route = TMI_ROUTE_EMPTY;
    cr_assert(tmi_route_is_empty(route));
    for (int i = 0; i < TMI_ROUTE_MOST; i++) {
        cr_assert(tmi_route_push(&route, 0));
    }
    cr_assert_not(tmi_route_push(&route, 0));
}

Test(route, leads_where_the_tree_leads)
{
    uint32_t most = (1u << TMI_ROUTE_LOCATION_BITS) - 1;
    uint32_t stack[] = {5, most, 1, 2, most};
    for (size_t n = 1; n <= TMI_ROUTE_MOST; n++) {
        for (uint32_t outer = 0; outer < 3; outer++) {
            uint32_t node = way_down(outer, stack, n);
            struct tmi_route route = route_of(stack, n);
            cr_assert_eq(tmi_routes_node(&routes, route, outer), node, "first");
            cr_assert_eq(tmi_routes_node(&routes, route, outer), node, "again");
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
        uint32_t node = tmi_routes_node(&routes, route_of(stack, n), outer);
        cr_assert_eq(node, way_down(outer, stack, n));
        grown = grown || routes.known != routes.first;
    }
    cr_assert(grown, "so many routes have outgrown the first table");
    cr_assert_lt(tmi_memory_bytes() - before, 2 << 20);
}

Test(route, does_without_a_larger_table)
{
    uint64_t random = 1;
    tmi_memory_set_limit(tmi_memory_bytes());
    for (int i = 0; i < 20000; i++) {
        uint32_t stack[] = {1 + (uint32_t)random_below(&random, 3000)};
        uint32_t node = tmi_routes_node(&routes, route_of(stack, 1), 0);
        cr_assert_eq(node, way_down(0, stack, 1));
    }
    cr_assert_eq(routes.known, routes.first);
}
