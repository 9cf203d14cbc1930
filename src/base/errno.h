/* SPDX-License-Identifier: MIT */
/*
 * errno for a hot path. free() has to keep it, and mimalloc may make a system call that
 * fails; calling __errno_location() twice a free would cost a tenth of the whole pair.
 * errno lies in libc's part of the static TLS block, at the same distance from the thread
 * pointer in every thread: that distance is found once, and then errno is one load away.
 * On other processors errno is what libc says.
 */
#ifndef TMI_ERRNO_H
#define TMI_ERRNO_H

#include <errno.h>
#include <stdint.h>

#include "base/compiler.h"

#if defined(__x86_64__) && defined(__LP64__)

extern TMI_HIDDEN intptr_t tmi_errno_distance; /* 0: not known yet */

TMI_INLINE int tmi_errno_get(void)
{
    int value;
    __asm__ volatile("movl %%fs:(%1), %0" : "=r"(value) : "r"(tmi_errno_distance));
    return value;
}

TMI_INLINE void tmi_errno_set(int value)
{
    __asm__ volatile("movl %0, %%fs:(%1)" : : "r"(value), "r"(tmi_errno_distance));
}

#else

TMI_INLINE int tmi_errno_get(void)
{
    return errno;
}
TMI_INLINE void tmi_errno_set(int value)
{
    errno = value;
}

#endif

/* Before the first use. */
void tmi_errno_init(void);

#endif
