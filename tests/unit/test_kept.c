/* SPDX-License-Identifier: MIT */
/* Two kept stacks: when both stay, when a second one does not pay, and what a drop takes
 * away. What is kept of one stack is held against the stack itself in test_laststack.c.
 */
#include "trace/kept.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "../support/madeup.h"
#include "../support/random.h"

/* A program that goes to and fro: both stacks stay kept, and neither for the other. */
Test(kept, two_stacks_in_turn)
{
    const char *const code[] = {rsp8, rsp48};
    struct tmi_laststack *last = new_laststack();
    begin(0, 0);
    for (int i = 0; i < 6; i++) {
        push(rsp16);
    }
    size_t shared = model.n;
    for (int turn = 0; turn < 400; turn++) {
        const char *here = code[turn % 2];
        model.n = shared;
        for (int i = 0; i < TMI_ROUTE_MOST + 3; i++) {
            push(here);
        }
        for (int times = 0; times < 3; times++) {
            capture(last);
        }
        const struct tmi_kept *kept = &last->kept;
        if (turn >= 200) {
            const char *there = code[(turn + 1) % 2];
            cr_assert_eq(kept->now.newest->state.pc, (uintptr_t)here, "turn %d", turn);
            cr_assert_eq(kept->other.newest->state.pc, (uintptr_t)there, "turn %d", turn);
            cr_assert_geq((size_t)(kept->now.newest - kept->now.frames), shared + 6);
            cr_assert_geq((size_t)(kept->other.newest - kept->other.frames), shared + 6);
            cr_assert_gt(kept->luck, 0u);
        }
    }
    tmi_laststack_drop(last); /* an unload: neither may be believed */
    cr_assert_lt(last->kept.now.newest, last->kept.now.frames);
    cr_assert_lt(last->kept.other.newest, last->kept.other.frames);
    free(last);
}

/* No second stack where it never serves: each is another one. */
Test(kept, stacks_that_do_not_come_again)
{
    struct tmi_laststack *last = new_laststack();
    seed = 21;
    for (int turn = 0; turn < 2000; turn++) {
        begin(0, 0);
        for (int i = 0; i < 30; i++) {
            push(random_below(&seed, 2) == 0 ? rsp8 : rsp48);
        }
        capture(last);
    }
    cr_assert_leq(last->kept.luck, 1u);
    free(last);
}
