/* SPDX-License-Identifier: MIT */
/*
 * A library that allocates for its callers under GLib's names, one of them through
 * another; and one exported name that is nobody's wrapper unless the user says so.
 */
#include <stdlib.h>
#include <string.h>

void *g_malloc(size_t bytes);
char *g_strdup(const char *text);
void *pool_get(size_t bytes);

void *__attribute__((noinline)) g_malloc(size_t bytes)
{
    void *volatile p = malloc(bytes);
    return p;
}

char *g_strdup(const char *text)
{
    char *copy = g_malloc(strlen(text) + 1);
    return strcpy(copy, text);
}

void *pool_get(size_t bytes)
{
    void *volatile p = malloc(bytes);
    return p;
}
