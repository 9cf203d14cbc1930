/* SPDX-License-Identifier: MIT */
/*
 * The texts of debug info: names of source files and linker's names of functions. Input:
 * a directory and a name, with a NUL between. What comes out has no detour left that can
 * be taken out, is no longer than what went in, and stays as it is when asked again.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "symbol/demangle.h"
#include "symbol/path.h"

/* "//", "/./" and "/x/../" inside, or "/." at the end, where there is more than that. */
static bool has_detour(const char *path)
{
    return strstr(path, "//") != NULL || strstr(path, "/./") != NULL;
}

static void check_path(const char *dir, const char *name)
{
    char *path = tmi_path_of_source(dir, name);
    fuzz_need(path != NULL);
    fuzz_need(strlen(path) <= strlen(name) + 1 + (dir == NULL ? 0 : strlen(dir)));
    if (path[0] != '<') {
        fuzz_need(!has_detour(path));
        char *again = tmi_path_of_source(NULL, path);
        fuzz_need(again != NULL && strcmp(again, path) == 0);
        free(again);
    }
    free(path);
}

static void check_name(const char *name)
{
    char *written = tmi_demangle(name);
    fuzz_need(written != NULL);
    fuzz_need(strncmp(name, "_Z", 2) == 0 || strlen(written) <= strlen(name));
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *dir = fuzz_text(bytes, len);
    const char *name = fuzz_second(dir, len);
    check_path(dir, name);
    check_path(NULL, name);
    check_path(NULL, dir);
    check_name(name);
    free(dir);
    return 0;
}
