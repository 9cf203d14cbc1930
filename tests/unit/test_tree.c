/* SPDX-License-Identifier: MIT */
/*
 * The call tree: a stack that goes in comes out again, stacks that are equal outside
 * share their nodes, and threads that build it together build what one alone builds.
 * Return addresses are taken from this program's own text, from libc's, and from nowhere.
 */
#include "trace/tree.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "../support/random.h"
#include "trace/memory.h"
#include "trace/module.h"

#define DEEPEST 40

/* A place in the text of the program or of libc. */
static uintptr_t some_pc(uint64_t *random)
{
    static uintptr_t in_libc;
    if (in_libc == 0) {
        in_libc = (uintptr_t)dlsym(RTLD_DEFAULT, "qsort");
        cr_assert_neq(in_libc, 0);
    }
    uintptr_t base = random_below(random, 2) == 0 ? (uintptr_t)tmi_tree_intern : in_libc;
    return base + 1 + random_below(random, 6);
}

static void expect_stack(uint32_t leaf, const uintptr_t *newest_first, size_t n)
{
    cr_assert_eq(tmi_tree_depth(leaf), n);
    uint32_t node = leaf;
    for (size_t i = 0; i < n; i++) {
        uint32_t location = tmi_tree_location(node);
        cr_assert_eq(tmi_location_address(location), newest_first[i], "frame %zu", i);
        cr_assert_lt(tmi_tree_parent(node), node, "a parent is older");
        node = tmi_tree_parent(node);
    }
    cr_assert_eq(node, 0, "the root is above the oldest frame");
}

/* However many there are: the tree is what tracing needs most memory for. */
Test(tree, a_node_costs_twenty_four_bytes)
{
    uint32_t location = tmi_tree_locate((uintptr_t)tmi_tree_intern + 1);
    size_t before = tmi_memory_bytes();
    uint32_t node = 0;
    for (uint32_t n = 1; n <= 1 << 20; n++) {
        node = tmi_tree_child(node, location);
        cr_assert_eq(node, n);
        size_t bytes = tmi_memory_bytes() - before;
        cr_assert(bytes <= 24ul * (n + 1024), "%u nodes, %zu bytes", n, bytes);
    }
}

Test(tree, a_stack_comes_out_as_it_went_in)
{
    uint64_t random = 1;
    for (int i = 0; i < 3000; i++) {
        uintptr_t stack[DEEPEST];
        size_t n = 1 + random_below(&random, DEEPEST);
        for (size_t f = 0; f < n; f++) {
            stack[f] = some_pc(&random);
        }
        uint32_t leaf = tmi_tree_intern(stack, n);
        cr_assert_neq(leaf, 0);
        expect_stack(leaf, stack, n);
        uint32_t nodes = tmi_tree_node_count();
        cr_assert_eq(tmi_tree_intern(stack, n), leaf, "equal stacks are one node");
        cr_assert_eq(tmi_tree_node_count(), nodes);
    }
}

Test(tree, stacks_share_their_outer_part)
{
    uintptr_t text = (uintptr_t)tmi_tree_intern;
    uintptr_t a[] = {text + 9, text + 2, text + 1};
    uintptr_t b[] = {text + 8, text + 2, text + 1};
    uintptr_t c[] = {text + 1};
    uint32_t before = tmi_tree_node_count();
    uint32_t leaf_a = tmi_tree_intern(a, 3);
    uint32_t leaf_b = tmi_tree_intern(b, 3);
    uint32_t leaf_c = tmi_tree_intern(c, 1);
    cr_assert_eq(tmi_tree_node_count(), before + 4);
    cr_assert_neq(leaf_a, leaf_b);
    cr_assert_eq(tmi_tree_parent(leaf_a), tmi_tree_parent(leaf_b));
    cr_assert_eq(tmi_tree_parent(tmi_tree_parent(leaf_a)), leaf_c);
}

Test(tree, a_location_tells_its_module)
{
    uintptr_t pc = (uintptr_t)tmi_tree_intern + 5;
    uint32_t own = tmi_tree_location(tmi_tree_intern(&pc, 1));
    cr_assert_eq(tmi_location_module(own), tmi_module_find(pc));
    cr_assert_neq(tmi_location_module(own), 0);
    cr_assert_eq(tmi_location_address(own), pc);
}

/* The last instruction of a module may be a call: the return address is behind it. */
Test(tree, a_return_address_belongs_to_its_call)
{
    uint32_t module = tmi_module_find((uintptr_t)tmi_tree_intern);
    uintptr_t end = tmi_module_get(module)->start;
    while (tmi_module_find(end) == module) {
        end++;
    }
    uint32_t location = tmi_tree_location(tmi_tree_intern(&end, 1));
    cr_assert_eq(tmi_location_module(location), module);
    cr_assert_eq(tmi_location_address(location), end);
}

Test(tree, addresses_of_no_module_and_no_frames_at_all)
{
    uintptr_t jit = (uintptr_t)malloc(100);
    uint32_t leaf = tmi_tree_intern(&jit, 1);
    cr_assert_eq(tmi_location_module(tmi_tree_location(leaf)), 0);
    cr_assert_eq(tmi_location_address(tmi_tree_location(leaf)), jit);
    uint32_t unknown = tmi_tree_intern(NULL, 0);
    cr_assert_neq(unknown, 0);
    cr_assert_eq(tmi_tree_depth(unknown), 1);
    cr_assert_eq(tmi_location_module(tmi_tree_location(unknown)), 0);
    cr_assert_eq(tmi_location_address(tmi_tree_location(unknown)), 0);
    uintptr_t null = 0;
    cr_assert_eq(tmi_tree_intern(&null, 1), unknown);
}

Test(tree, the_deepest_stack)
{
    uintptr_t *stack = calloc(TMI_TREE_DEPTH_MOST, sizeof *stack);
    uint64_t random = 9;
    for (size_t i = 0; i < TMI_TREE_DEPTH_MOST; i++) {
        stack[i] = some_pc(&random);
    }
    expect_stack(tmi_tree_intern(stack, TMI_TREE_DEPTH_MOST), stack, TMI_TREE_DEPTH_MOST);
    free(stack);
}

#define THREADS 4
#define STACKS  4000

static struct {
    uintptr_t frames[DEEPEST];
    size_t n;
} pool[STACKS];

static uint32_t leaves[THREADS][STACKS];

/* Every thread interns every stack, each in an order of its own. */
static void *build(void *arg)
{
    size_t self = (size_t)arg;
    uint64_t random = self + 100;
    size_t order[STACKS];
    for (size_t i = 0; i < STACKS; i++) {
        size_t j = random_below(&random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < STACKS; i++) {
        size_t s = order[i];
        leaves[self][s] = tmi_tree_intern(pool[s].frames, pool[s].n);
    }
    return NULL;
}

static int compare_reversed(const void *a, const void *b)
{
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    for (size_t i = 0; i < pool[x].n && i < pool[y].n; i++) {
        uintptr_t f = pool[x].frames[pool[x].n - 1 - i];
        uintptr_t g = pool[y].frames[pool[y].n - 1 - i];
        if (f != g) {
            return f < g ? -1 : 1;
        }
    }
    return (pool[x].n > pool[y].n) - (pool[x].n < pool[y].n);
}

/* Different outer parts in the pool: sorted from outside, each adds what is new in it. */
static size_t count_prefixes(void)
{
    static size_t sorted[STACKS];
    for (size_t i = 0; i < STACKS; i++) {
        sorted[i] = i;
    }
    qsort(sorted, STACKS, sizeof *sorted, compare_reversed);
    size_t prefixes = pool[sorted[0]].n;
    for (size_t i = 1; i < STACKS; i++) {
        size_t x = sorted[i - 1];
        size_t y = sorted[i];
        size_t common = 0;
        while (common < pool[x].n && common < pool[y].n &&
               pool[x].frames[pool[x].n - 1 - common] ==
                   pool[y].frames[pool[y].n - 1 - common]) {
            common++;
        }
        prefixes += pool[y].n - common;
    }
    return prefixes;
}

Test(tree, threads_together_build_what_one_builds)
{
    uint64_t random = 3;
    for (size_t i = 0; i < STACKS; i++) {
        pool[i].n = 1 + random_below(&random, DEEPEST);
        for (size_t f = 0; f < pool[i].n; f++) {
            pool[i].frames[f] = some_pc(&random);
        }
    }
    uint32_t before = tmi_tree_node_count();
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, build, (void *)i);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(tmi_tree_node_count() - before, count_prefixes());
    uint32_t nodes = tmi_tree_node_count();
    for (size_t s = 0; s < STACKS; s++) {
        uint32_t alone = tmi_tree_intern(pool[s].frames, pool[s].n);
        for (size_t i = 0; i < THREADS; i++) {
            cr_assert_eq(leaves[i][s], alone);
        }
        expect_stack(alone, pool[s].frames, pool[s].n);
    }
    cr_assert_eq(tmi_tree_node_count(), nodes, "the rebuild adds nothing");
}

/* What is known goes on to be found; what is not is given to its outer part. */
Test(tree, a_stack_for_which_there_is_no_room_is_cut)
{
    const uintptr_t known[] = {0x3000, 0x2000, 0x1000};
    const uintptr_t other[] = {0x5000, 0x4000, 0x2000, 0x1000};
    const uintptr_t foreign[] = {0x6000};
    uint32_t unknown = tmi_tree_intern(NULL, 0);
    uint32_t whole = tmi_tree_intern(known, 3);
    uint32_t outer = tmi_tree_parent(whole);
    tmi_memory_set_limit(1);
    cr_assert_eq(tmi_tree_intern(known, 3), whole);
    cr_assert_eq(tmi_tree_cuts(), 0);
    uint32_t cut = tmi_tree_intern(other, 4);
    cr_assert_eq(cut, outer | TMI_TREE_CUT);
    cr_assert_eq(tmi_tree_cuts(), 1, "once for a stack");
    cr_assert_eq(tmi_tree_parent(cut), outer);
    cr_assert_eq(tmi_tree_location(cut), tmi_tree_location(unknown));
    cr_assert_eq(tmi_tree_depth(cut), 3);
    cr_assert_eq(tmi_tree_child(cut, tmi_tree_location(whole)), cut, "nothing inside");
    uint32_t nothing = tmi_tree_intern(foreign, 1);
    cr_assert_eq(tmi_tree_parent(nothing), 0);
    cr_assert_eq(tmi_tree_depth(nothing), 1);
    cr_assert_eq(tmi_location_address(tmi_tree_location(nothing)), 0);
    tmi_memory_set_limit(SIZE_MAX);
    cr_assert_eq(tmi_tree_depth(tmi_tree_intern(other, 4)), 4, "there is room again");
}
