/* SPDX-License-Identifier: MIT */
/* A library that known.c loads, calls and unloads again: its blocks stay. */
#include <stdlib.h>

void *allocate_and_go(int bytes);
void *allocate_and_go(int bytes)
{
    void *p = malloc((size_t)bytes); /* mark: gone */
    __asm__ volatile("" : "+r"(p));  /* no tail call */
    return p;
}
