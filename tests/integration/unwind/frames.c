/* SPDX-License-Identifier: MIT */
/* Conditions of frames: how big they are, what they are addressed by, how they go. */
#include <alloca.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "known.h"
#include "tmalloc.h"

#pragma weak tm_get_object_traceback
#pragma weak tm_traceback_total_nframe

/*
 * ---- alloca: the sum is always the same, so the innermost frames lie at the same places
 * and have the same return addresses, whoever is outside: only rbp tells ---------------
 */

static const char *wanted;

KEEP void alloca_leaf(void)
{
    here(wanted);
    stay();
}

KEEP void alloca_middle(size_t n, int through)
{
    char *room = alloca(n);
    __asm__ volatile("" ::"r"(room) : "memory");
    if (through) {
        through_rbp(alloca_leaf);
    } else {
        alloca_leaf();
    }
    stay();
}

KEEP void alloca_one(size_t n, size_t sum, int through)
{
    char *room = alloca(n);
    __asm__ volatile("" ::"r"(room) : "memory");
    wanted = through ? "alloca_leaf through_rbp alloca_middle alloca_one run_alloca main"
                     : "alloca_leaf alloca_middle alloca_one run_alloca main";
    alloca_middle(sum - n, through);
    stay();
}

KEEP void alloca_two(size_t n, size_t sum, int through)
{
    char *room = alloca(n);
    __asm__ volatile("" ::"r"(room) : "memory");
    wanted = through ? "alloca_leaf through_rbp alloca_middle alloca_two run_alloca main"
                     : "alloca_leaf alloca_middle alloca_two run_alloca main";
    alloca_middle(sum - n, through);
    stay();
}

void run_alloca(void)
{
    void (*volatile chosen)(size_t, size_t, int); /* one place that calls both */
    for (size_t i = 0; i < 2000; i++) {
        chosen = i % 3 == 0 ? alloca_one : alloca_two;
        chosen(16 + i * 48 % 4000, 4096, i / 10 % 2 != 0);
    }
}

/* ---- frames that align themselves ------------------------------------------------- */

struct wide {
    _Alignas(64) char room[64];
};

/*
 * Arguments on the stack and alloca: gcc finds the caller through *(rbp - 8), and rbp is
 * the same for callers whose stacks differ by less than the alignment.
 */
KEEP void realigned_leaf(long a, long b, long c, long d, long e, long f, long g, size_t n)
{
    struct wide wide;
    char *room = alloca(n);
    memset(&wide, (int)(a + b + c + d + e + f + g), sizeof wide);
    __asm__ volatile("" ::"r"(&wide), "r"(room) : "memory");
    here(wanted);
    need(((uintptr_t)&wide & 63) == 0, "not aligned: nothing was tested");
}

KEEP void realigned_one(size_t shift, size_t n)
{
    char *room = alloca(shift);
    __asm__ volatile("" ::"r"(room) : "memory");
    wanted = "realigned_leaf realigned_one run_realigned main";
    realigned_leaf(1, 2, 3, 4, 5, 6, 7, n);
    stay();
}

KEEP void realigned_two(size_t shift, size_t n)
{
    char *room = alloca(shift);
    __asm__ volatile("" ::"r"(room) : "memory");
    wanted = "realigned_leaf realigned_two run_realigned main";
    realigned_leaf(1, 2, 3, 4, 5, 6, 7, n);
    stay();
}

/* The same from callers of fixed size, which do without rbp where the compiler may. */
KEEP void fixed_one(size_t n, size_t unused)
{
    wanted = "realigned_leaf fixed_one go_down";
    realigned_leaf(1, 2, 3, 4, 5, 6, 7, n + unused);
    stay();
}

KEEP void fixed_two(size_t n, size_t unused)
{
    char room[16];
    __asm__ volatile("" ::"r"(room) : "memory");
    wanted = "realigned_leaf fixed_two go_down";
    realigned_leaf(1, 2, 3, 4, 5, 6, 7, n + unused);
    stay();
}

/* So many frames down, and there both by turns: their stacks differ by a few words. */
KEEP void go_down(int depth)
{
    if (depth > 0) {
        go_down(depth - 1);
    } else {
        void (*volatile chosen)(size_t, size_t);
        for (int i = 0; i < 20; i++) {
            chosen = i % 3 == 0 ? fixed_one : fixed_two;
            chosen(64, 0);
        }
    }
    stay();
}

void run_realigned(void)
{
    void (*volatile chosen)(size_t, size_t);
    for (size_t i = 0; i < 2000; i++) {
        chosen = i % 3 == 0 ? realigned_one : realigned_two;
        chosen(16 + i * 16 % 256, 16 + i / 32 * 48 % 512);
    }
    for (int depth = 0; depth < 20; depth++) {
        go_down(depth);
    }
}

/* ---- longjmp ---------------------------------------------------------------------- */

static jmp_buf back;
static volatile int back_is_set = 1;

KEEP void jump_down(int depth)
{
    if (depth > 0) {
        jump_down(depth - 1);
    } else if (back_is_set) {
        grab();
        longjmp(back, 1);
    }
    stay();
}

KEEP void jump_after(int more)
{
    if (more > 0) {
        here("jump_after run_longjmp main");
    }
    here("jump_after run_longjmp main");
    stay();
}

void run_longjmp(void)
{
    for (volatile int i = 0; i < 2000; i++) {
        if (setjmp(back) == 0) {
            jump_down(i % 60);
        }
        jump_after(i % 2);
    }
}

/* ---- recursion -------------------------------------------------------------------- */

static unsigned long frames_at_bottom;
static unsigned long total_at_bottom;

KEEP void recurse(int depth)
{
    if (depth == 0) {
        frames_at_bottom = here_alone("recurse recurse");
        char *block = malloc(10);
        *block = 1;
        total_at_bottom = tm_traceback_total_nframe(tm_get_object_traceback(block));
        free(block);
        return;
    }
    recurse(depth - 1);
    stay();
}

/* Every turn on the way down and on the way up allocates. */
KEEP void recurse_allocating(int depth)
{
    grab();
    if (depth > 0) {
        recurse_allocating(depth - 1);
        grab();
    }
}

void run_recursion(void)
{
    recurse(1);
    unsigned long base = total_at_bottom - 2;
    static const int depths[] = {100, 3000, 65000, 70000, 100, 3000};
    for (int i = 0; i < 6; i++) {
        unsigned long wanted = base + (unsigned long)depths[i] + 1;
        wanted = wanted > 65535 ? 65535 : wanted;
        recurse(depths[i]);
        need_frames(total_at_bottom == wanted, "total frames of a recursion");
        need_frames(frames_at_bottom == wanted + (wanted < 65535),
                    "frames of a recursion");
    }
    recurse_allocating(300);
    recurse_allocating(1000);
    stay();
}

/* ---- called by libraries ---------------------------------------------------------- */

KEEP int compare(const void *a, const void *b)
{
    here("compare");
    return *(const int *)a - *(const int *)b;
}

KEEP int compare_deeper(const void *a, const void *b)
{
    int order = compare(a, b);
    stay();
    return order;
}

void run_callbacks(void)
{
    int numbers[300];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 300; i++) {
            numbers[i] = i * 7919 % 301;
        }
        qsort(numbers, 300, sizeof *numbers, round % 2 == 0 ? compare : compare_deeper);
        int wanted = 7;
        bsearch(&wanted, numbers, 300, sizeof *numbers, compare);
    }
    stay();
}
