/* SPDX-License-Identifier: MIT */
/*
 * Names of source files as compilers record them, made such that one file has one name
 * and can be found:
 *
 *     dir /b/build   name ../src/a.c         ->  /b/src/a.c
 *     dir ./build    name ./build/../x/a.c   ->  ./x/a.c      (the reader joined them)
 *     dir /b         name /usr/include/a.h   ->  /usr/include/a.h
 *     dir /b         name <built-in>         ->  <built-in>
 *
 * Only the text is looked at, never the file system: the build machine's directories are
 * not here. So `a/..` falls away as if `a` were no symbolic link, as it hardly ever is.
 */
#include "symbol/path.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * A relative name whose directory is relative too may have been joined already: libdw
 * does so for files in the first directory of a line table.
 */
static bool begins_with_dir(const char *name, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(name, dir, len) == 0 && name[len] == '/';
}

static char *join(const char *dir, const char *name)
{
    if (dir == NULL || dir[0] == '\0' || name[0] == '/' || name[0] == '<' ||
        begins_with_dir(name, dir)) {
        return strdup(name);
    }
    size_t dir_len = strlen(dir), name_len = strlen(name);
    char *text = malloc(dir_len + 1 + name_len + 1);
    if (text != NULL) {
        memcpy(text, dir, dir_len);
        text[dir_len] = '/';
        memcpy(text + dir_len + 1, name, name_len + 1);
    }
    return text;
}

/* The start of the last component of text[0..end), or NULL when `..` cannot undo it. */
static char *last_component(char *text, char *end)
{
    char *start = end;
    while (start > text && start[-1] != '/') {
        start--;
    }
    size_t len = (size_t)(end - start);
    bool fixed = len == 0 || (len == 1 && start[0] == '.') ||
                 (len == 2 && start[0] == '.' && start[1] == '.');
    return fixed ? NULL : start;
}

/* Drops `.`, `//` and `a/..` in place; a leading `./` stays. */
static void straighten(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0';) {
        size_t len = strcspn(in, "/");
        char *last = out > text ? last_component(text, out - 1) : NULL;
        bool here = len == 0 || (len == 1 && in[0] == '.');
        bool up = len == 2 && in[0] == '.' && in[1] == '.';
        if (here && in != text) {
            in += len;
        } else if (up && last != NULL) {
            out = last;
            in += len;
        } else {
            memmove(out, in, len);
            out += len;
            in += len;
            if (*in == '/') {
                *out++ = '/';
            }
        }
        in += *in == '/';
    }
    *out = '\0';
}

char *tmi_path_of_source(const char *dir, const char *name)
{
    char *text = join(dir, name);
    if (text != NULL && text[0] != '<') {
        straighten(text);
    }
    return text;
}
