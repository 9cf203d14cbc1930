/* SPDX-License-Identifier: MIT */
/*
 * A program of which every stack is known: unwind CONDITION brings one condition about
 * again and again, and at each allocation asks tmalloc, which is preloaded, for the stack
 * of the block. It must have the frames that the source names, and must be as long as
 * backtrace() says, which keeps nothing from one stack to the next. Run by unwind.sh with
 * TMALLOC_UNWIND=check, so that the rest of the allocations is compared too. For an
 * unwinder that finds less, COMPARE=names looks at the names alone, COMPARE=none at
 * nothing: the program still has to live.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "known.h"
#include "tmalloc.h"

#pragma weak tm_get_object_traceback
#pragma weak tm_traceback_len
#pragma weak tm_traceback_address

static const struct {
    const char *name;
    void (*run)(void);
} conditions[] = {
    {"alloca", run_alloca},       {"realigned", run_realigned},
    {"longjmp", run_longjmp},     {"recursion", run_recursion},
    {"callbacks", run_callbacks}, {"signals", run_signals},
    {"alarms", run_alarms},       {"null_call", run_null_call},
    {"contexts", run_contexts},   {"switched", run_switched},
    {"bottom", run_bottom},       {"threads", run_threads},
    {"exits", run_exits},         {"forks", run_forks},
    {"unloads", run_unloads},     {"no_tables", run_no_tables},
    {"written", run_written},     {"exceptions", run_exceptions},
    {"library", run_library},     {"stepped", run_stepped},
    {"guesses", run_guesses},
};

#define FRAMES_MOST 512

static _Thread_local void *others[FRAMES_MOST];

void need(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "FAIL: %s\n", what);
        _exit(1);
    }
}

static enum { ALL, NAMES, NONE } compared;

void need_frames(int truth, const char *what)
{
    need(truth || compared != ALL, what);
}

static const char *name_of(uintptr_t pc)
{
    Dl_info about;
    bool found = dladdr((void *)(pc - 1), &about) != 0 && about.dli_sname != NULL;
    return found ? about.dli_sname : "?";
}

static void tell(const tm_traceback_t *tb, const char *names)
{
    fprintf(stderr, "FAIL: expected %s\n", names);
    for (size_t i = tm_traceback_len(tb); i > 0; i--) {
        uintptr_t pc = tm_traceback_address(tb, i - 1);
        fprintf(stderr, "    %lx %s\n", (unsigned long)pc, name_of(pc));
    }
    _exit(1);
}

/* Frame 0 is the newest. */
static uintptr_t address_of(const tm_traceback_t *tb, size_t i)
{
    return tm_traceback_address(tb, tm_traceback_len(tb) - 1 - i);
}

/* Frame 0 is here() itself; the functions named are from frame 1 on. */
static void compare_names(const tm_traceback_t *tb, const char *names)
{
    size_t i = 1;
    for (const char *at = names; *at != '\0' && compared != NONE; i++) {
        size_t len = strcspn(at, " ");
        if (i >= tm_traceback_len(tb)) {
            tell(tb, names);
        }
        const char *name = name_of(address_of(tb, i));
        if (strlen(name) != len || memcmp(name, at, len) != 0) {
            tell(tb, names);
        }
        at += len;
        at += *at == ' ';
    }
}

/* Where a signal came backtrace() has the address itself, tmalloc the one behind it. */
static void compare_others(const tm_traceback_t *tb, size_t n, const char *names)
{
    bool same = compared != ALL || n == tm_traceback_len(tb);
    for (size_t i = 1; compared == ALL && same && i < n; i++) {
        uintptr_t behind = address_of(tb, i) - (uintptr_t)others[i];
        same = behind <= 1;
    }
    if (!same) {
        for (size_t i = 0; i < n; i++) {
            fprintf(stderr, "    backtrace: %p\n", others[i]);
        }
        tell(tb, names);
    }
}

static const tm_traceback_t *stack_of(void *block)
{
    const tm_traceback_t *tb = tm_get_object_traceback(block);
    need(tb != NULL, "a block without a traceback");
    return tb;
}

/* The first is what comes after other stacks, the second makes tmalloc keep this one. */
void here(const char *names)
{
    size_t n = (size_t)backtrace(others, FRAMES_MOST);
    for (int i = 0; i < 3; i++) {
        char *block = malloc(24);
        memset(block, 1, 24);
        const tm_traceback_t *tb = stack_of(block);
        compare_names(tb, names);
        compare_others(tb, n, names);
        free(block);
    }
}

unsigned long here_alone(const char *names)
{
    char *block = malloc(24);
    memset(block, 1, 24);
    const tm_traceback_t *tb = stack_of(block);
    compare_names(tb, names);
    free(block);
    return tm_traceback_len(tb);
}

void grab(void)
{
    void *volatile block = malloc(40);
    free(block);
}

int main(int argc, char **argv)
{
    need(tm_get_object_traceback != NULL, "tmalloc is not preloaded");
    const char *compare = getenv("COMPARE");
    if (compare != NULL) {
        compared = strcmp(compare, "names") == 0 ? NAMES : NONE;
    }
    backtrace(others, FRAMES_MOST); /* loads what it needs */
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        if (argc == 2 && conditions[i].run != NULL &&
            strcmp(argv[1], conditions[i].name) == 0) {
            conditions[i].run();
            puts("ok");
            return 0;
        }
    }
    return 2;
}
