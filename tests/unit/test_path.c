/* SPDX-License-Identifier: MIT */
/* Names of source files: every rule in one row. */
#include "symbol/path.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct row {
    const char *dir, *name, *path;
} rows[] = {
    {"/b/build", "a.c", "/b/build/a.c"},
    {"/b/build", "../src/a.c", "/b/src/a.c"},
    {"/b/build/", "a.c", "/b/build/a.c"},
    {"/b", "/usr/include/a.h", "/usr/include/a.h"},
    {"/b", "/usr/lib/gcc/12/../../../include/a.h", "/usr/include/a.h"},
    {"/b", "./x/./y//a.c", "/b/x/y/a.c"},
    {"/b", "../../../a.c", "/../../a.c"},
    {"/b/build", "/b/build-static/../Objects/a.c", "/b/Objects/a.c"},
    {"./build", "./build/../x/a.c", "./x/a.c"},
    {"./build", "../x/a.c", "./x/a.c"},
    {"build", "builder/a.c", "build/builder/a.c"},
    {".", "../a.c", "./../a.c"},
    {NULL, "../a.c", "../a.c"},
    {NULL, "a.c", "a.c"},
    {"", "x/../a.c", "a.c"},
    {"/b", "<built-in>", "<built-in>"},
    {"/b", ".hidden/..a/a.c", "/b/.hidden/..a/a.c"},
    {"/", "a.c", "/a.c"},
};

Test(path, rows)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *path = tmi_path_of_source(rows[i].dir, rows[i].name);
        cr_assert_not_null(path);
        cr_expect_str_eq(path, rows[i].path, "%s + %s: %s, not %s",
                         rows[i].dir != NULL ? rows[i].dir : "-", rows[i].name, path,
                         rows[i].path);
        free(path);
    }
}
