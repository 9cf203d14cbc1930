/* SPDX-License-Identifier: MIT */
/*
 * See sites.h. A call that is the last thing its function does may become a jump, and the
 * function's frame be gone: kept() stands behind each of them.
 */
#include "sites.h"

#include <malloc.h>
#include <stdlib.h>

#if defined(__has_attribute) && __has_attribute(noclone)
#define SITE(name) __attribute__((noinline, noclone, section(name)))
#else
#define SITE(name) __attribute__((noinline, section(name)))
#endif

void *_Znwm(size_t bytes); /* operator new(unsigned long) */

static inline __attribute__((always_inline)) void *kept(void *p)
{
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

SITE("code_of_malloc") void *site_malloc(size_t bytes)
{
    return kept(malloc(bytes));
}

SITE("code_of_deep") void *site_deep(size_t bytes, int depth)
{
    return kept(depth == 0 ? malloc(bytes) : site_deep(bytes, depth - 1));
}

SITE("code_of_calloc") void *site_calloc(size_t n, size_t bytes)
{
    return kept(calloc(n, bytes));
}

SITE("code_of_realloc") void *site_realloc(void *p, size_t bytes)
{
    return kept(realloc(p, bytes));
}

SITE("code_of_reallocarray") void *site_reallocarray(void *p, size_t n, size_t bytes)
{
    return kept(reallocarray(p, n, bytes));
}

SITE("code_of_posix_memalign") void *site_posix_memalign(size_t align, size_t bytes)
{
    void *p = NULL;
    return kept(posix_memalign(&p, align, bytes) == 0 ? p : NULL);
}

SITE("code_of_memalign") void *site_memalign(size_t align, size_t bytes)
{
    return kept(memalign(align, bytes));
}

SITE("code_of_new") void *site_new(size_t bytes)
{
    return kept(_Znwm(bytes));
}

extern const char __start_code_of_malloc[], __stop_code_of_malloc[];
extern const char __start_code_of_deep[], __stop_code_of_deep[];
extern const char __start_code_of_calloc[], __stop_code_of_calloc[];
extern const char __start_code_of_realloc[], __stop_code_of_realloc[];
extern const char __start_code_of_reallocarray[], __stop_code_of_reallocarray[];
extern const char __start_code_of_posix_memalign[], __stop_code_of_posix_memalign[];
extern const char __start_code_of_memalign[], __stop_code_of_memalign[];
extern const char __start_code_of_new[], __stop_code_of_new[];

enum site site_of_address(uintptr_t address)
{
    static const struct {
        const char *start, *stop;
    } code[SITE_COUNT] = {
        [SITE_MALLOC] = {__start_code_of_malloc, __stop_code_of_malloc},
        [SITE_DEEP] = {__start_code_of_deep, __stop_code_of_deep},
        [SITE_CALLOC] = {__start_code_of_calloc, __stop_code_of_calloc},
        [SITE_REALLOC] = {__start_code_of_realloc, __stop_code_of_realloc},
        [SITE_REALLOCARRAY] = {__start_code_of_reallocarray, __stop_code_of_reallocarray},
        [SITE_POSIX_MEMALIGN] = {__start_code_of_posix_memalign,
                                 __stop_code_of_posix_memalign},
        [SITE_MEMALIGN] = {__start_code_of_memalign, __stop_code_of_memalign},
        [SITE_NEW] = {__start_code_of_new, __stop_code_of_new},
    };
    for (int i = 0; i < SITE_COUNT; i++) {
        if (address > (uintptr_t)code[i].start && address <= (uintptr_t)code[i].stop) {
            return (enum site)i;
        }
    }
    return SITE_COUNT;
}
