/* SPDX-License-Identifier: MIT */
/*
 * The malloc family under libc's names, with libc's semantics to the letter, and
 * mimalloc's other names for the same things. Thin: what happens to a block is in
 * family.h.
 *
 *     malloc(0)         a block of 0 bytes, distinct from every other
 *     realloc(p, 0)     frees p and returns NULL, as glibc does
 *     sizes             above PTRDIFF_MAX, and products that overflow: NULL, ENOMEM
 *     free              keeps errno
 *     usable size       the size asked for: writing beyond it is an overflow
 */
#include <errno.h>

#include "base/bits.h"
#include "entry/family.h"
#include "entry/names.h"

TM_API void *malloc(size_t size)
{
    return tmi_family_alloc(size, false);
}

TM_API void *calloc(size_t n, size_t size)
{
    size_t bytes;
    if (TMI_UNLIKELY(tmi_mul_overflows(n, size, &bytes))) {
        return tmi_family_no_memory();
    }
    return tmi_family_alloc(bytes, true);
}

TM_API void free(void *p)
{
    tmi_family_free(p);
}

TMI_INLINE void *resize(void *p, size_t size)
{
    if (p == NULL) {
        return tmi_family_alloc_any(size, false, TMI_CALLER());
    }
    if (size == 0) {
        tmi_family_free(p);
        return NULL;
    }
    return tmi_family_resize(p, size, TMI_CALLER());
}

TM_API void *realloc(void *p, size_t size)
{
    return resize(p, size);
}

TM_API void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (TMI_UNLIKELY(tmi_mul_overflows(n, size, &bytes))) {
        return tmi_family_no_memory();
    }
    return resize(p, bytes);
}

/* BSD: as realloc, and p is freed when there is no memory. */
TM_API void *reallocf(void *p, size_t size)
{
    void *moved = resize(p, size);
    if (moved == NULL && size != 0) {
        int saved = errno;
        tmi_family_free(p);
        errno = saved;
    }
    return moved;
}

/* NetBSD: `array` is the address of the pointer; 0 or an error number, errno unchanged.
 */
TM_API int reallocarr(void *array, size_t n, size_t size)
{
    int saved = errno;
    void **slot = array;
    size_t bytes;
    if (tmi_mul_overflows(n, size, &bytes)) {
        return EOVERFLOW;
    }
    void *moved = resize(*slot, bytes);
    int err = moved == NULL && bytes != 0 ? errno : 0;
    if (err == 0) {
        *slot = moved;
    }
    errno = saved;
    return err;
}

TM_API size_t malloc_usable_size(void *p)
{
    return tmi_family_size(p);
}

TM_API size_t malloc_size(const void *p)
{
    return tmi_family_size(p);
}

TM_API size_t malloc_good_size(size_t size)
{
    if (size > TMI_FAMILY_MOST) {
        return size;
    }
    return tmi_backend_good_size(size + sizeof(struct tmi_block)) -
           sizeof(struct tmi_block);
}

/* C23: sizes are what the program believes; the header knows better. */
TM_API void free_sized(void *p, size_t size)
{
    (void)size;
    tmi_family_free(p);
}

TM_API void free_aligned_sized(void *p, size_t align, size_t size)
{
    (void)align;
    (void)size;
    tmi_family_free(p);
}

TM_API void cfree(void *p) TMI_ALIAS(free);
TM_API void vfree(void *p) TMI_ALIAS(free);
TM_API void __libc_free(void *p) TMI_ALIAS(free);
TM_API void __libc_cfree(void *p) TMI_ALIAS(free);
TM_API void *__libc_malloc(size_t size) TMI_ALIAS(malloc);
TM_API void *__libc_calloc(size_t n, size_t size) TMI_ALIAS(calloc);
TM_API void *__libc_realloc(void *p, size_t size) TMI_ALIAS(realloc);
