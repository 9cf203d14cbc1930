/* SPDX-License-Identifier: MIT */
/*
 * The nodes against plain arrays that hold every (parent, location) in the order in which
 * they were added; readers beside a writer; and siblings chosen to hang in one long row.
 */
#include "trace/node.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "../support/random.h"
#include "base/lock.h"

#define MOST 150000 /* three chunks */

static struct {
    uint32_t parent, location;
} model[MOST + 1];

/* Some nodes get very many children, most get none. */
static uint32_t some_parent(uint64_t *random, uint32_t count)
{
    return one_in(random, 3) ? (uint32_t)random_below(random, count < 8 ? count + 1 : 8)
                             : (uint32_t)random_below(random, count + 1);
}

Test(node, agrees_with_an_array)
{
    uint64_t random = 1;
    uint32_t count = 0;
    cr_assert_eq(tmi_node_find(0, 1), 0, "the root has no children yet");
    while (count < MOST) {
        uint32_t parent = some_parent(&random, count);
        uint32_t location = 1 + (uint32_t)random_below(&random, 6000);
        uint32_t known = tmi_node_find(parent, location);
        uint32_t id = tmi_node_add(parent, location);
        if (known == 0) {
            cr_assert_eq(id, ++count, "ids are dense");
            model[count].parent = parent;
            model[count].location = location;
        } else {
            cr_assert_eq(id, known);
            cr_assert_eq(model[id].parent, parent);
            cr_assert_eq(model[id].location, location);
        }
        cr_assert_eq(tmi_node_count(), count);
    }
    for (uint32_t id = 1; id <= MOST; id++) {
        cr_assert_eq(tmi_node_parent(id), model[id].parent);
        cr_assert_eq(tmi_node_links(id)->location, model[id].location);
        cr_assert_eq(tmi_node_find(model[id].parent, model[id].location), id);
    }
}

Test(node, locations_that_share_their_low_bits_are_told_apart)
{
    uint32_t first = tmi_node_add(0, 1);
    for (unsigned bit = 0; bit < 32; bit++) {
        cr_assert_eq(tmi_node_add(first, 1u << bit), first + 1 + bit);
    }
    cr_assert_eq(tmi_node_add(first, UINT32_MAX), first + 33);
    for (unsigned bit = 0; bit < 32; bit++) {
        cr_assert_eq(tmi_node_find(first, 1u << bit), first + 1 + bit);
    }
    cr_assert_eq(tmi_node_find(first, UINT32_MAX), first + 33);
    cr_assert_eq(tmi_node_find(first, 3), 0);
}

#define TOGETHER    4
#define OF_A_THREAD 20000

static uint32_t given[TOGETHER][OF_A_THREAD]; /* id, by what all of them add */

/* Each adds the same children in an order of its own, looking before it locks. */
static void *add_all(void *arg)
{
    uint32_t *ids = arg;
    uint64_t random = (uintptr_t)arg;
    uint32_t at = (uint32_t)random_below(&random, OF_A_THREAD);
    for (uint32_t n = 0; n < OF_A_THREAD; n++) {
        at = (at + 7919) % OF_A_THREAD; /* a prime, so each comes once */
        uint32_t parent = at % 5, location = 1 + at / 5;
        uint32_t id = tmi_node_find(parent, location);
        if (id == 0) {
            tmi_lock(TMI_LOCK_TREE);
            id = tmi_node_add(parent, location);
            tmi_unlock(TMI_LOCK_TREE);
        }
        cr_assert_eq(tmi_node_links(id)->location, location);
        cr_assert_eq(tmi_node_parent(id), parent);
        ids[at] = id;
    }
    return NULL;
}

Test(node, threads_give_one_id_to_one_child)
{
    for (uint32_t parent = 1; parent < 5; parent++) {
        cr_assert_eq(tmi_node_add(0, 100000 + parent), parent);
    }
    pthread_t threads[TOGETHER];
    for (int t = 0; t < TOGETHER; t++) {
        cr_assert_eq(pthread_create(&threads[t], NULL, add_all, given[t]), 0);
    }
    for (int t = 0; t < TOGETHER; t++) {
        pthread_join(threads[t], NULL);
    }
    cr_assert_eq(tmi_node_count(), OF_A_THREAD + 4);
    for (int t = 1; t < TOGETHER; t++) {
        cr_assert_arr_eq(given[t], given[0], sizeof given[0]);
    }
}
