/* SPDX-License-Identifier: MIT */
/* See base/errno.h. */
#include "base/errno.h"

#if defined(__x86_64__) && defined(__LP64__)

intptr_t tmi_errno_distance TMI_READ_MOSTLY;

void tmi_errno_init(void)
{
    uintptr_t thread_pointer;
    __asm__("movq %%fs:0, %0" : "=r"(thread_pointer));
    tmi_errno_distance = (intptr_t)((uintptr_t)&errno - thread_pointer);
}

#else

void tmi_errno_init(void) {}

#endif
