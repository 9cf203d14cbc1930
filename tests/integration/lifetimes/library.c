/* SPDX-License-Identifier: MIT */
/*
 * A library that allocates in its constructor, in its destructor and in between.
 */
#include <stdlib.h>
#include <string.h>

void *library_leave(void);
int library_is_whole(void);

static char *text;

__attribute__((constructor)) static void construct(void)
{
    text = malloc(100);
    strcpy(text, "allocated in a constructor");
    free(malloc(100000));
}

__attribute__((destructor)) static void destruct(void)
{
    char *copy = strdup(text);
    free(text);
    free(copy);
}

void *library_leave(void)
{
    return strdup("left by the library");
}

int library_is_whole(void)
{
    return strcmp(text, "allocated in a constructor") == 0;
}
