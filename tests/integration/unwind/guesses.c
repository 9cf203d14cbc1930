/* SPDX-License-Identifier: MIT */
/*
 * Conditions of TMALLOC_UNWIND=guess: over code without tables that has a frame pointer
 * the stack goes on, behind one frame of address 0; where something else is in rbp it
 * ends where backtrace() does, whatever that is. x86-64 only.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "known.h"

#define STACK_BYTES 65536

/* In switch.s, without tables: by frame pointer; and with anything in rbp. */
void bare_with_rbp(void (*function)(void));
void bare_with(void (*function)(void), uintptr_t rbp);
void call_on_stack(void (*function)(void), void *top);

static unsigned long plain; /* frames from run_guesses() on, here_alone() included */
static void (*written)(void (*function)(void));

/* ---- where there is one -------------------------------------------------------------
 */

KEEP void found_by_bare(void)
{
    unsigned long n = here_alone("found_by_bare bare_with_rbp ? run_guesses main");
    need(n == plain + 3, "frames over code without tables");
}

KEEP void found_by_written(void)
{
    unsigned long n = here_alone("found_by_written ? ? run_guesses main");
    need(n == plain + 3, "frames over code that is in no module");
}

KEEP void found_by_both(void)
{
    unsigned long n = here_alone("found_by_both ? ? between bare_with_rbp ? run_guesses");
    need(n == plain + 6, "frames over both");
}

KEEP void between(void)
{
    written(found_by_both);
    stay();
}

/* push rbp; mov rbp, rsp; call *rdi; pop rbp; ret */
static void *write_code(void)
{
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(page != MAP_FAILED, "no page");
    memcpy(page, code, sizeof code);
    need(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
    return page;
}

/* ---- where there is none ------------------------------------------------------------
 */

KEEP void not_found(void)
{
    here("not_found bare_with");
    stay();
}

/* What looks like a frame in every way is believed; the program lives, whatever comes. */
KEEP void perhaps_found(void)
{
    here_alone("perhaps_found bare_with");
    stay();
}

static uintptr_t behind_a_call;

KEEP void look_behind(void)
{
    behind_a_call = (uintptr_t)__builtin_return_address(0);
}

KEEP void try_wrong(void)
{
    struct {
        uintptr_t next, pc;
    } records[64] = {{0, 0}};
    static uintptr_t elsewhere[64];
    look_behind();
    uintptr_t here = (uintptr_t)&records[8];
    static const uintptr_t numbers[] = {0, 1, 8, 4096, UINTPTR_MAX, UINTPTR_MAX - 7};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bare_with(not_found, numbers[i]);
    }
    bare_with(not_found, here + 4);
    bare_with(not_found, here); /* nothing but zeros */
    bare_with(not_found, here - (1 << 20));
    bare_with(not_found, here + ((uintptr_t)1 << 40));
    elsewhere[1] = records[8].pc = behind_a_call;
    bare_with(not_found, (uintptr_t)elsewhere);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        records[8].next = numbers[i]; /* the next frame's rbp */
        bare_with(perhaps_found, here);
    }
    records[8].next = here;
    records[8].pc = (uintptr_t)not_found + 1; /* in code, not behind a call */
    bare_with(not_found, here);
    records[8].pc = 12345; /* round and round */
    bare_with(not_found, here);
    stay();
}

KEEP void not_found_elsewhere(void)
{
    here("not_found_elsewhere bare_with_rbp");
    stay();
}

KEEP void on_another_stack(void)
{
    bare_with_rbp(not_found_elsewhere);
    stay();
}

void run_guesses(void)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(stack != MAP_FAILED, "no stack");
    written = (void (*)(void (*)(void)))(uintptr_t)write_code();
    plain = here_alone("run_guesses main");
    for (int i = 0; i < 300; i++) {
        bare_with_rbp(found_by_bare);
        written(found_by_written);
        bare_with_rbp(between);
        try_wrong();
        call_on_stack(on_another_stack, stack + STACK_BYTES);
        here("run_guesses main");
    }
}
