/* SPDX-License-Identifier: MIT */
/*
 * The members of the family that take an alignment. They differ in what they make of one
 * that is no power of two, and in how they say so:
 *
 *     posix_memalign          EINVAL unless a power of two and a multiple of a pointer's
 * size aligned_alloc           up to glibc 2.37 as memalign; from 2.38 on NULL, EINVAL
 *     memalign                rounded up to a power of two; NULL, EINVAL when there is
 * none valloc, pvalloc         a page; pvalloc rounds the size up to pages too
 */
#include <errno.h>
#include <features.h>

#include "base/bits.h"
#include "base/sys.h"
#include "entry/family.h"
#include "entry/names.h"

#if defined(__GLIBC_PREREQ) && !__GLIBC_PREREQ(2, 38)
#define ALIGNED_ALLOC_ROUNDS true
#else
#define ALIGNED_ALLOC_ROUNDS false
#endif

static void *refuse(void)
{
    errno = EINVAL;
    return NULL;
}

TM_API void *memalign(size_t align, size_t size)
{
    size_t rounded = tmi_ceil_pow2(align);
    if (rounded == 0) {
        return refuse();
    }
    return tmi_family_alloc_aligned(size, rounded, TMI_CALLER());
}

TM_API void *aligned_alloc(size_t align, size_t size)
{
    size_t rounded = tmi_ceil_pow2(align);
    if (rounded == 0 || (!ALIGNED_ALLOC_ROUNDS && rounded != align)) {
        return refuse();
    }
    return tmi_family_alloc_aligned(size, rounded, TMI_CALLER());
}

TM_API int posix_memalign(void **out, size_t align, size_t size)
{
    if (!tmi_is_pow2(align) || align % sizeof(void *) != 0) {
        return EINVAL;
    }
    int saved = errno;
    void *p = tmi_family_alloc_aligned(size, align, TMI_CALLER());
    errno = saved;
    if (p == NULL) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

TM_API void *valloc(size_t size)
{
    return tmi_family_alloc_aligned(size, tmi_sys_page_bytes(), TMI_CALLER());
}

TM_API void *pvalloc(size_t size)
{
    size_t page = tmi_sys_page_bytes();
    size_t rounded = tmi_align_up(size, page);
    if (rounded < size) {
        return tmi_family_no_memory();
    }
    return tmi_family_alloc_aligned(rounded, page, TMI_CALLER());
}

TM_API void *_aligned_malloc(size_t size, size_t align)
{
    if (!tmi_is_pow2(align)) {
        return refuse();
    }
    return tmi_family_alloc_aligned(size, align, TMI_CALLER());
}

TM_API int __posix_memalign(void **out, size_t align, size_t size)
    TMI_ALIAS(posix_memalign);
TM_API void *__libc_memalign(size_t align, size_t size) TMI_ALIAS(memalign);
TM_API void *__libc_valloc(size_t size) TMI_ALIAS(valloc);
TM_API void *__libc_pvalloc(size_t size) TMI_ALIAS(pvalloc);
