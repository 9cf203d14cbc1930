/* SPDX-License-Identifier: MIT */
/*
 * A library to load, to allocate through and to unload: built several times with a
 * different number, the same code, and so the same address for the same call.
 */
#include <stddef.h>
#include <stdlib.h>

extern const int plug_number;
extern const int plug_line;
void *plug_allocate(size_t bytes);

const int plug_number = PLUG;
const int plug_line = __LINE__ + 4;

void *plug_allocate(size_t bytes)
{
    void *p = malloc(bytes);
    __asm__ volatile("" : "+r"(p));
    return p;
}
