/* SPDX-License-Identifier: MIT */
/*
 * Names of allocation wrappers, and the patterns that a user gives for his own. Input:
 * the patterns and a name, with a NUL between. What the built-in list has stays a wrapper
 * with any patterns; for the rest the answer must be that of a table of all pairs of
 * prefixes, the slow and plain way, for one of the patterns.
 */
#include <stdbool.h>

#include "base/wrapper.h"
#include "fuzz.h"

#define LENGTH_MOST 512

static bool fits_plainly(const char *pattern, size_t plen, const char *name, size_t len)
{
    static bool rows[2][LENGTH_MOST + 1];
    memset(rows, 0, sizeof rows);
    rows[0][0] = true;
    for (size_t i = 0; i < plen; i++) {
        bool star = pattern[i] == '*';
        bool *before = rows[i % 2];
        bool *after = rows[(i + 1) % 2];
        after[0] = before[0] && star;
        for (size_t k = 1; k <= len; k++) {
            after[k] = star ? before[k] || after[k - 1]
                            : before[k - 1] && pattern[i] == name[k - 1];
        }
    }
    return rows[plen % 2][len];
}

static bool any_fits(const char *patterns, const char *name)
{
    if (strncmp(name, "__GI_", 5) == 0) {
        name += 5;
    }
    size_t len = strlen(name);
    size_t plain = len == 0 ? 0 : 1 + strcspn(name + 1, ".@");
    for (const char *p = patterns; *p != '\0' && len > 0;) {
        size_t n = strcspn(p, ",");
        if (fits_plainly(p, n, name, len) || fits_plainly(p, n, name, plain)) {
            return true;
        }
        p += n + (p[n] == ',');
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len >= LENGTH_MOST) {
        return 0;
    }
    char *patterns = fuzz_text(bytes, len);
    const char *name = fuzz_second(patterns, len);
    bool listed = tmi_wrapper_is_name(name, NULL);
    bool found = tmi_wrapper_is_name(name, patterns);
    fuzz_need(found == (listed || any_fits(patterns, name)));
    fuzz_need(!tmi_wrapper_are_patterns(patterns) ||
              (patterns[0] != '\0' && strpbrk(patterns, " \t\n") == NULL &&
               strstr(patterns, ",,") == NULL));
    tmi_wrapper_is_library(name);
    free(patterns);
    return 0;
}
