/* SPDX-License-Identifier: MIT */
/*
 * A third opinion on every stack: preloaded before libtmalloc.so, this is what a program
 * calls for memory. It asks tmalloc for the block, then tmalloc for the block's stack,
 * and compares that, frame by frame, with what libunwind finds from the same place by
 * unw_step.
 *
 *     program -> malloc (here) -> __libc_malloc (tmalloc)      frames from `program` on
 *                    `-> compare: unw_step, unw_step, ...      have to be the same
 *
 * At exit a line with how many were compared
 * and how many differ, by kind: libunwind went on where tmalloc ended ("longer"), the
 * other way round ("shorter"), another frame ("other"). The first ones of a kind are
 * told.
 */
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "tmalloc.h"

#define TOLD 2

enum kind { SAME, LONGER, SHORTER, OTHER, KINDS };
static const char *const kind_names[] = {"same", "longer", "shorter", "other"};
static unsigned long counts[KINDS];
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

static void say(const char *format, ...)
{
    char line[300];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0 && write(2, line, (size_t)n < sizeof line ? (size_t)n : sizeof line) < 0) {
        return; /* programs close it before they end */
    }
}

/* Frame i of a traceback, 0 the newest; 0 when there is none. */
static uintptr_t frame(const tm_traceback_t *tb, size_t i)
{
    size_t len = tm_traceback_len(tb);
    return i < len ? tm_traceback_address(tb, len - 1 - i) : 0;
}

/* mov $15, %rax; syscall: what a signal handler returns to. */
static bool is_sigreturn(uintptr_t pc)
{
    return memcmp((const void *)pc, "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9) == 0;
}

/* The next frame outwards: 0 at the end. */
static uintptr_t step(unw_cursor_t *cursor)
{
    unw_word_t pc;
    if (unw_step(cursor) <= 0 || unw_get_reg(cursor, UNW_REG_IP, &pc) != 0) {
        return 0;
    }
    return pc;
}

static void tell_frame(const char *who, uintptr_t pc)
{
    Dl_info about = {0};
    bool found = dladdr((void *)(pc - 1), &about) != 0;
    say("    %-9s %#lx %s (%s)\n", who, pc,
        found && about.dli_sname != NULL ? about.dli_sname : "?",
        found ? about.dli_fname : "no module");
}

static void tell(enum kind kind, const tm_traceback_t *tb, size_t at, uintptr_t theirs)
{
    say("libunwind: %s, at frame %zu of %zu\n", kind_names[kind], at,
        tm_traceback_len(tb));
    if (at > 1) {
        tell_frame("before", frame(tb, at - 1));
    }
    tell_frame("tmalloc", frame(tb, at));
    tell_frame("libunwind", theirs);
}

/* Called by a function of this file that has just called tmalloc. */
static void __attribute__((noinline)) compare_stacks(const tm_traceback_t *tb)
{
    unw_context_t here;
    unw_cursor_t cursor;
    unw_getcontext(&here);
    if (unw_init_local(&cursor, &here) != 0) {
        return;
    }
    step(&cursor); /* to compare() */
    step(&cursor); /* to the function that the program called */
    size_t i = 0;
    uintptr_t ours = 0;
    uintptr_t theirs;
    do {
        bool interrupted = ours != 0 && is_sigreturn(ours); /* tmalloc: one too high */
        ours = frame(tb, ++i);
        theirs = step(&cursor);
        theirs += interrupted && theirs != 0;
    } while (ours == theirs && ours != 0);
    enum kind kind = ours == theirs ? SAME
                     : ours == 0    ? LONGER
                     : theirs == 0  ? SHORTER
                                    : OTHER;
    if (__atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED) < TOLD && kind != SAME) {
        tell(kind, tb, i, theirs);
    }
}

static void *__attribute__((noinline)) compare(void *p)
{
    int saved = errno;
    if (p != NULL && !inside) {
        inside = true;
        const tm_traceback_t *tb = tm_get_object_traceback(p);
        if (tb != NULL) {
            compare_stacks(tb);
        }
        inside = false;
    }
    errno = saved;
    return p;
}

/*
 * The loader's own calls are passed on as they are: tmalloc knows by their return address
 * that modules may have been unloaded.
 */
static bool is_loader(const void *caller)
{
    static uintptr_t start;
    static uintptr_t end;
    if (end == 0) {
        start = getauxval(AT_BASE);
        const ElfW(Ehdr) *elf = (const void *)start;
        const ElfW(Phdr) *h = (const void *)(start + elf->e_phoff);
        for (int i = 0; i < elf->e_phnum; i++) {
            if (h[i].p_type == PT_LOAD && start + h[i].p_vaddr + h[i].p_memsz > end) {
                end = start + h[i].p_vaddr + h[i].p_memsz;
            }
        }
    }
    return (uintptr_t)caller >= start && (uintptr_t)caller < end;
}

#define PASS_ON_LOADERS(call)                                                            \
    if (is_loader(__builtin_return_address(0))) {                                        \
        return call;                                                                     \
    }

void *malloc(size_t size)
{
    PASS_ON_LOADERS(__libc_malloc(size))
    void *volatile p = compare(__libc_malloc(size));
    return p;
}

void *calloc(size_t n, size_t size)
{
    PASS_ON_LOADERS(__libc_calloc(n, size))
    void *volatile p = compare(__libc_calloc(n, size));
    return p;
}

void *realloc(void *old, size_t size)
{
    PASS_ON_LOADERS(__libc_realloc(old, size))
    void *volatile p = compare(__libc_realloc(old, size));
    return p;
}

void *aligned_alloc(size_t align, size_t size)
{
    PASS_ON_LOADERS(__libc_memalign(align, size))
    void *volatile p = compare(__libc_memalign(align, size));
    return p;
}

/* operator new and operator new[] */
void *_Znwm(size_t size);
void *_Znam(size_t size);

void *_Znwm(size_t size)
{
    void *volatile p = compare(__libc_malloc(size));
    return p != NULL ? p : (abort(), NULL);
}

void *_Znam(size_t size)
{
    void *volatile p = compare(__libc_malloc(size));
    return p != NULL ? p : (abort(), NULL);
}

/* What libunwind remembers of code does not outlive it. */
int dlclose(void *library)
{
    int (*next)(void *) = (int (*)(void *))(uintptr_t)dlsym(RTLD_NEXT, "dlclose");
    int result = next(library);
    unw_flush_cache(unw_local_addr_space, 0, 0);
    return result;
}

__attribute__((destructor)) static void report(void)
{
    say("libunwind: %lu stacks the same, %lu longer, %lu shorter, %lu other\n",
        counts[SAME], counts[LONGER], counts[SHORTER], counts[OTHER]);
}
