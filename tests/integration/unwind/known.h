/* SPDX-License-Identifier: MIT */
/*
 * Functions that stay in the stack, and what must be found of them.
 */
#ifndef KNOWN_H
#define KNOWN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CONDITION __attribute__((weak))

/* A function with a frame and a name of its own, which dladdr() can tell. */
#if defined(__clang__)
#define KEEP __attribute__((noinline, visibility("default")))
#else
#define KEEP __attribute__((noipa, visibility("default")))
#endif

/* After the last call of such a function: else that call would be a jump. */
static inline void stay(void)
{
    __asm__ volatile("" ::: "memory");
}

/*
 * Allocates three times. The stacks that tmalloc has for the blocks must have these
 * functions, newest first and without this one, and then whatever backtrace() says, to
 * the last frame.
 */
KEEP void here(const char *names);

/* The same for the names alone, where backtrace() cannot go. Returns how many frames. */
KEEP unsigned long here_alone(const char *names);

/* Allocates and frees; no questions. */
KEEP void grab(void);

/* Calls a function; keeps rbp for it, and has something else in rbp meanwhile: switch.s
 */
void through_rbp(void (*function)(void));

/* Ends the process with a word about it unless `truth`. */
void need(int truth, const char *what);

/* The same where it is a number of frames that counts: see COMPARE in main.c. */
void need_frames(int truth, const char *what);

/* One function for each condition; weak: not each of them is for every processor. */
CONDITION void run_alloca(void);
CONDITION void run_realigned(void);
CONDITION void run_longjmp(void);
CONDITION void run_recursion(void);
CONDITION void run_callbacks(void);
CONDITION void run_signals(void);
CONDITION void run_alarms(void);
CONDITION void run_stepped(void);
CONDITION void run_null_call(void);
CONDITION void run_contexts(void);
CONDITION void run_switched(void);
CONDITION void run_bottom(void);
CONDITION void run_threads(void);
CONDITION void run_exits(void);
CONDITION void run_forks(void);
CONDITION void run_unloads(void);
CONDITION void run_no_tables(void);
CONDITION void run_written(void);
CONDITION void run_guesses(void);
CONDITION void run_exceptions(void);
CONDITION void run_library(void);

#ifdef __cplusplus
}
#endif

#endif
