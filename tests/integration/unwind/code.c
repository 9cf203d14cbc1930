/* SPDX-License-Identifier: MIT */
/* Conditions of code: unloaded, replaced, written by the program, without tables. */
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "known.h"

/* ---- libraries that come where others were: see place.S ---------------------------- */

typedef void pass_on(void (*function)(void));

static void *load(const char *file, const char *function, pass_on **place)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    need(library != NULL, file);
    *place = (pass_on *)(uintptr_t)dlsym(library, function);
    need(*place != NULL, function);
    return library;
}

static const char *wanted;

KEEP void called_by_place(void)
{
    here(wanted);
    stay();
}

/*
 * Two libraries have frames of 200 and of 1000 bytes. With 800 bytes of room the one time
 * and none the other all that is inside of them lies at the same places.
 */
KEEP void calls_place(pass_on *place, void (*function)(void), size_t room)
{
    char *more = alloca(16 + room);
    __asm__ volatile("" ::"r"(more) : "memory");
    place(function);
    place(function);
    stay();
}

/* Another thread, which loads nothing: it learns of the unloads from the first. */
static pthread_barrier_t turn;
static pass_on *present;
static size_t present_room;

static void *call_in_turn(void *unused)
{
    for (;;) {
        pthread_barrier_wait(&turn);
        if (present == NULL) {
            return unused;
        }
        calls_place(present, called_by_place, present_room);
        pthread_barrier_wait(&turn);
    }
}

static void *load_by_turns(int i, pass_on **place, size_t *room)
{
    bool one = i % 2 == 0;
    wanted = one ? "called_by_place place_one calls_place"
                 : "called_by_place place_two calls_place";
    *room = one ? 800 : 0;
    return one ? load("./one.so", "place_one", place)
               : load("./two.so", "place_two", place);
}

void run_unloads(void)
{
    pthread_t other;
    pthread_barrier_init(&turn, NULL, 2);
    need(pthread_create(&other, NULL, call_in_turn, NULL) == 0, "pthread_create");
    uintptr_t first = 0;
    for (int i = 0; i < 100; i++) {
        void *library = load_by_turns(i, &present, &present_room);
        first = i == 0 ? (uintptr_t)present : first;
        need((uintptr_t)present == first, "at another address: nothing was tested");
        pthread_barrier_wait(&turn);
        pthread_barrier_wait(&turn);
        calls_place(present, called_by_place, present_room);
        dlclose(library);
    }
    present = NULL;
    pthread_barrier_wait(&turn);
    pthread_join(other, NULL);
}

/* ---- functions without tables: see switch.s ------------------------------------------
 */

void bare_with_rbp(void (*function)(void));
void bare(void (*function)(void));

KEEP void called_by_bare_with_rbp(void)
{
    here("called_by_bare_with_rbp bare_with_rbp");
    stay();
}

KEEP void called_by_bare(void)
{
    here("called_by_bare bare");
    stay();
}

void run_no_tables(void)
{
    for (int i = 0; i < 500; i++) {
        bare_with_rbp(called_by_bare_with_rbp);
        bare(called_by_bare);
        grab();
    }
}

/* ---- code that the program writes itself ---------------------------------------------
 */

static unsigned long frames;

KEEP void called_by_written(void)
{
    here("called_by_written ?"); /* and backtrace() goes no further either */
    frames = here_alone("called_by_written ?");
    stay();
}

/* push rbp; nops; call *rdi; pop rbp; ret, on the page of `at` and at its place there. */
static void *write_code(uintptr_t at, int nops)
{
    static const unsigned char code[] = {0x55, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd7};
    void *page =
        mmap((void *)(at & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    need(page != MAP_FAILED, "no page at that address");
    unsigned char *to = (unsigned char *)page + (at & 4095);
    memset(to, 0xcc, 64);
    to[0] = code[0];
    memcpy(to + 1, code + 1, (size_t)nops);
    memcpy(to + 1 + nops, code + 5, 2);
    memcpy(to + 3 + nops, "\x5d\xc3", 2);
    need(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
    return to;
}

static void call_written(uintptr_t at, int nops)
{
    void *code = write_code(at, nops);
    calls_place((pass_on *)(uintptr_t)code, called_by_written, 0);
    need_frames(frames == 3, "frames with written code");
    munmap((void *)((uintptr_t)code & ~(uintptr_t)4095), 4096);
}

/* The same addresses by turns are written code, nothing, and a library's code. */
void run_written(void)
{
    for (int i = 0; i < 200; i++) {
        call_written(0, i % 5);
    }
    pass_on *place;
    size_t room;
    dlclose(load_by_turns(0, &place, &room));
    uintptr_t first = (uintptr_t)place;
    for (int i = 0; i < 80; i++) {
        call_written(first, i % 5);
        void *library = load_by_turns(i, &place, &room);
        need((uintptr_t)place == first, "at another address: nothing was tested");
        calls_place(place, called_by_place, room);
        dlclose(library);
    }
}
