/* SPDX-License-Identifier: MIT */
/*
 * A capture must find just the frames that a made-up stack has (support/madeup.h),
 * whatever the stack was before. They come and go at random over words that others left,
 * with so few kinds and sizes that the same return address comes to lie at the same place
 * time and again with different frames outside of it: the case in which believing too
 * much shows. Then the conditions one by one.
 */
#include "trace/laststack.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../support/madeup.h"
#include "../support/random.h"
#include "trace/module.h"
#include "trace/tree.h"
#include "trace/walk.h"

Test(laststack, whatever_the_stack_was_before)
{
    struct tmi_laststack *last = new_laststack();
    seed = 20;
    for (int round = 0; round < 400000; round++) {
        if (round % 64 == 0 || model.n > DEEPEST - 8) {
            begin((unsigned)random_below(&seed, AREAS), (unsigned)random_below(&seed, 3));
        }
        uint64_t gone = random_below(&seed, 6);
        if (random_below(&seed, 8) == 0) {
            gone = random_below(&seed, model.n);
        }
        model.n -= gone < model.n ? gone : model.n - 1;
        for (uint64_t come = random_below(&seed, 7); come > 0; come--) {
            push_any();
        }
        if (random_below(&seed, 200) == 0) {
            tmi_laststack_drop(last);
        }
        uint64_t times = random_below(&seed, random_below(&seed, 50) == 0 ? 60 : 3);
        for (; times > 0; times--) {
            capture(last);
        }
    }
    free(last);
}

/* ---- one by one: each of the conditions in laststack.h ---------------------------- */

/* A stack that is kept: captured until one frame after the other is, and once more. */
static void settle(struct tmi_laststack *last)
{
    for (int i = 0; i < TMI_WALK_LOOK_EVERY * (TMI_ROUTE_MOST + 2); i++) {
        capture(last);
    }
}

Test(laststack, what_stays_is_kept_soon)
{
    struct tmi_laststack *last = new_laststack();
    begin(0, 0);
    for (int i = 0; i < 20; i++) {
        push(i % 3 == 0 ? rsp48_saved : i == 16 || i == 17 ? deref : rsp16);
    }
    settle(last);
    struct tmi_state newest = model.frames[model.n - 1];
    cr_assert_eq((size_t)(last->kept.now.newest - last->kept.now.frames), model.n - 1);
    cr_assert_eq(last->kept.now.newest->state.pc, newest.pc);
    cr_assert_eq(last->kept.now.newest->state.sp, newest.sp);
    uint32_t node = last->kept.now.newest->leaf.node;
    push(rsp8); /* once is not often */
    capture(last);
    cr_assert_eq(last->kept.now.newest->leaf.node, node);
    tmi_laststack_drop(last);
    cr_assert_lt(last->kept.now.newest, last->kept.now.frames);
    model.n--;
    settle(last);
    cr_assert_eq(last->kept.now.newest->leaf.node, node, "the same node as before");
    free(last);
}

/* Below a frame with alloca the same return addresses lie at the same places. */
Test(laststack, a_base_that_moved)
{
    struct tmi_laststack *last = new_laststack();
    begin(0, 0);
    push(rsp16);
    struct tmi_state outer[2] = {model.frames[1]};
    outer[1] = lay_out(rsp48, &outer[0]);
    outer[1].pc = (uintptr_t)rsp8;
    for (int round = 0; round < 8; round++) {
        model.n = 2;
        if (round % 2 != 0) {
            push(rsp8);
        }
        push(rbp16); /* addressed by rbp: sp says nothing about where its caller is */
        model.frames[model.n - 1].sp = outer[0].sp - 200;
        push(rsp16);
        push(rsp8);
        settle(last);
    }
    free(last);
}

/* The state is equal but for rbp, and the words between are, too. */
Test(laststack, another_rbp_leads_elsewhere)
{
    struct tmi_laststack *last = new_laststack();
    struct tmi_state inner[2];
    struct tmi_state saved[2][4];
    for (int i = 0; i < 2; i++) { /* two chains, both in the words at the same time */
        begin((unsigned)i + 1, 0);
        push(i == 0 ? rsp16 : rsp8);
        push(rbp16);
        memcpy(saved[i], model.frames, sizeof saved[i]);
        inner[i] = (struct tmi_state){(uintptr_t)rbp16, (uintptr_t)&areas[0][100],
                                      model.frames[2].rbp};
    }
    for (int round = 0; round < 20; round++) {
        int i = round / 5 % 2;
        memcpy(model.frames, saved[i], sizeof saved[i]);
        model.frames[2] = inner[i];
        model.n = 3;
        if (round >= 10) {
            push(rsp16); /* needs rbp only for the frame outside of it */
        }
        capture(last);
    }
    free(last);
}

/* A word outside changes, nothing else: a return address, an rbp, a signal's registers.
 */
Test(laststack, one_word_changes)
{
    static const char *const kinds[] = {rsp8, rsp48_saved, rbp16, deref, signal_return};
    struct tmi_laststack *last = new_laststack();
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        begin(0, 0);
        push(rsp48);
        push(rbp16);
        push(kinds[k]);
        push(rsp16);
        push(rbp16);
        push(rsp8);
        settle(last);
        uintptr_t *word = (uintptr_t *)model.frames[1].sp - 1; /* that returns to it */
        *word = model.frames[1].pc = (uintptr_t)rsp8;
        write_word(model.frames[1].sp, (uintptr_t)end); /* rsp8: its caller is next */
        model.frames[0].sp = model.frames[1].sp + 8;
        settle(last);
    }
    free(last);
}

Test(laststack, the_word_that_ended_it_gets_a_caller)
{
    struct tmi_laststack *last = new_laststack();
    begin(0, 1);
    uintptr_t *bottom = (uintptr_t *)(model.frames[0].sp + 8);
    push(rsp48);
    push(rsp8);
    settle(last);
    *bottom = (uintptr_t)end;
    memmove(model.frames + 1, model.frames, 3 * sizeof *model.frames);
    model.frames[0].pc = (uintptr_t)end;
    model.n = 4;
    settle(last);
    *bottom = 0;
    memmove(model.frames, model.frames + 1, 3 * sizeof *model.frames);
    model.n = 3;
    settle(last);
    free(last);
}

/* Words that only the old stack had, on a page that is gone: none of them is read. */
Test(laststack, what_is_outside_may_be_gone)
{
    struct tmi_laststack *last = new_laststack();
    uintptr_t *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    model.frames[0] = (struct tmi_state){(uintptr_t)end, (uintptr_t)(page + 400), 0};
    model.n = 1;
    push(rsp16);
    push(rbp16); /* on the page; what is inside of it is not, and below */
    uintptr_t rbp = model.frames[2].rbp;
    begin(0, 0);
    uintptr_t sp = (uintptr_t)&areas[0][1000];
    cr_assert_lt(sp, (uintptr_t)page);
    model.frames[0] = (struct tmi_state){(uintptr_t)end, (uintptr_t)(page + 400), 0};
    model.frames[1] = lay_out(rsp16, &model.frames[0]);
    model.frames[2] = (struct tmi_state){(uintptr_t)rbp16, sp, rbp};
    model.n = 3;
    push(rsp16);
    uintptr_t *leads_out = (uintptr_t *)model.frames[2].sp - 1;
    push(rsp8);
    settle(last);
    munmap(page, 4096);
    *leads_out = (uintptr_t)end;
    model.frames[0] = (struct tmi_state){(uintptr_t)end, sp, rbp};
    memmove(model.frames + 1, model.frames + 3, 2 * sizeof *model.frames);
    model.n = 3;
    settle(last);
    free(last);
}

/* A return address into libc whose frame is a fixed number of words, rbp unchanged. */
static uintptr_t foreign_code(intptr_t *frame)
{
    for (uintptr_t pc = (uintptr_t)dlsym(RTLD_DEFAULT, "qsort") + 1;; pc++) {
        tmi_step step = tmi_step_find(pc);
        if (tmi_step_kind(step) == TMI_RULE_RSP && tmi_step_rbp(step) == 0) {
            *frame = tmi_step_cfa(step);
            return pc;
        }
    }
}

/* A frame of tmalloc counts where it called back, and not where it allocates itself. */
Test(laststack, own_frames)
{
    struct tmi_laststack *last = new_laststack();
    tmi_module_init(); /* this program is "tmalloc itself" from now on */
    cr_assert(tmi_module_is_own((uintptr_t)rsp16));
    intptr_t bytes;
    uintptr_t foreign = foreign_code(&bytes);
    uintptr_t *top = &areas[0][AREA_WORDS - 1];
    *top = 0;
    model.frames[0] =
        (struct tmi_state){foreign, (uintptr_t)(top + 1) - (uintptr_t)bytes, 0};
    model.frames[1] = lay_out(rsp16, &model.frames[0]);
    struct tmi_state own = model.frames[1];
    write_word(own.sp - 8, own.pc);
    model.frames[2] = (struct tmi_state){foreign, own.sp - (uintptr_t)bytes, 0};
    for (int round = 0; round < 3; round++) {
        model.n = 3;
        settle(last);
        model.n = 1;
        expect_model(capture_at(last, &own));
    }
    free(last);
}

/* What has no rule of ours is left to others; it does no harm to what comes after. */
Test(laststack, a_frame_for_others)
{
    struct tmi_laststack *last = new_laststack();
    begin(0, 0);
    push(rsp16);
    push(rsp48);
    settle(last);
    struct tmi_state strange = lay_out(rsp16, &model.frames[2]);
    strange.pc = (uintptr_t)rbx;
    struct tmi_state inner = lay_out(rsp16, &strange);
    cr_assert_eq(capture_at(last, &inner), 0);
    cr_assert_eq(capture_at(last, &strange), 0);
    settle(last);
    free(last);
}

/* A frame whose caller is below it, or where it is itself, would have no end. */
Test(laststack, a_loop_is_no_stack)
{
    struct tmi_laststack *last = new_laststack();
    for (intptr_t below = 0; below < 3; below++) {
        uintptr_t sp = (uintptr_t)&areas[1][1000];
        struct tmi_state s = {(uintptr_t)rbp16, sp, sp - 16 - 8 * (uintptr_t)below};
        write_word(s.rbp, s.rbp);
        write_word(s.rbp + 8, s.pc);
        cr_assert_eq(capture_at(last, &s), 0);
    }
    uintptr_t sp = (uintptr_t)&areas[1][1000];
    struct tmi_state s = {(uintptr_t)signal_return, sp, 0};
    write_word(sp + 168, s.pc - 1);
    write_word(sp + 160, sp);
    cr_assert_eq(capture_at(last, &s), 0);
    free(last);
}

/* A handler of the signal that calling NULL raised: the stack ends at the signal. */
Test(laststack, a_signal_at_no_code)
{
    struct tmi_laststack *last = new_laststack();
    uintptr_t sp = (uintptr_t)&areas[1][1000];
    model.frames[0] = (struct tmi_state){(uintptr_t)signal_return, sp, 0};
    model.n = 1;
    memset((void *)sp, 0, 256);
    write_word(sp + 160, sp + 512);
    push(rsp16);
    settle(last);
    free(last);
}

/* Exact up to the most that the tree keeps; beyond, others have to do it. */
Test(laststack, recursion)
{
    struct tmi_laststack *last = new_laststack();
    size_t words = TMI_TREE_DEPTH_MOST + 1000ul;
    uintptr_t *stack = malloc(words * sizeof *stack);
    for (size_t i = 0; i < words; i++) {
        stack[i] = (uintptr_t)rsp8;
    }
    stack[words - 1] = (uintptr_t)end;
    static const size_t depths[] = {1,     100,   3000, 40000, 65533, 65534,
                                    65535, 65999, 2,    65534, 50000, 65533};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        size_t depth = depths[i];
        struct tmi_state s = {(uintptr_t)rsp8, (uintptr_t)(stack + words - depth), 0};
        tmi_laststack_drop(last);
        for (int times = 0; times < 20; times++) {
            uint32_t node = capture_at(last, &s);
            size_t frames = depth + 1;
            cr_assert_eq(node == 0 ? 0 : tmi_tree_depth(node),
                         frames <= TMI_TREE_DEPTH_MOST ? frames : 0, "%zu", depth);
        }
    }
    free(stack);
    free(last);
}
