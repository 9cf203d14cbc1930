/* SPDX-License-Identifier: MIT */
/*
 * Patterns of filters. Input: a pattern and a name, with a NUL between. Without brackets
 * the answer must be that of a table of all pairs of prefixes, the slow and plain way; in
 * any case a name matches itself when what is special in it is put into brackets, and
 * more matches when there is a star in front.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "view/match.h"
#include "view/utf8.h"

#define LENGTH_MOST 512

/* As match.c has it: a byte that is no UTF-8 is a character of its own. */
static size_t characters(const char *text, uint32_t out[LENGTH_MOST])
{
    size_t n = 0;
    size_t len = strlen(text);
    if (len >= 4 && strcmp(text + len - 4, ".pyc") == 0) {
        len--;
    }
    for (size_t i = 0; i < len; n++) {
        size_t bytes = tmi_utf8_decode(text + i, len - i, &out[n]);
        if (bytes == 0) {
            out[n] = 0x80000000u | (uint8_t)text[i];
            bytes = 1;
        }
        i += bytes;
    }
    return n;
}

static bool matches_plainly(const char *pattern, const char *name)
{
    static uint32_t p[LENGTH_MOST], s[LENGTH_MOST];
    static bool rows[2][LENGTH_MOST + 1];
    size_t plen = characters(pattern, p);
    size_t slen = characters(name, s);
    memset(rows, 0, sizeof rows);
    rows[0][0] = true;
    for (size_t i = 0; i < plen; i++) {
        bool *before = rows[i % 2];
        bool *after = rows[(i + 1) % 2];
        after[0] = before[0] && p[i] == '*';
        for (size_t k = 1; k <= slen; k++) {
            after[k] = p[i] == '*' ? before[k] || after[k - 1]
                                   : before[k - 1] && (p[i] == '?' || p[i] == s[k - 1]);
        }
    }
    return rows[plen % 2][slen];
}

static void check_itself(const char *name)
{
    size_t len = strlen(name);
    char *quoted = malloc(3 * len + 1);
    fuzz_need(quoted != NULL);
    char *to = quoted;
    for (const char *c = name; *c != '\0'; c++) {
        bool special = strchr("*?[", *c) != NULL;
        if (special) {
            *to++ = '[';
        }
        *to++ = *c;
        if (special) {
            *to++ = ']';
        }
    }
    *to = '\0';
    fuzz_need(tmi_match_name(quoted, name));
    free(quoted);
}

static void check_star(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);
    char *starred = malloc(len + 2);
    fuzz_need(starred != NULL);
    starred[0] = '*';
    memcpy(starred + 1, pattern, len + 1);
    fuzz_need(tmi_match_name(starred, name));
    free(starred);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len >= LENGTH_MOST) {
        return 0;
    }
    char *pattern = fuzz_text(bytes, len);
    const char *name = fuzz_second(pattern, len);
    bool matched = tmi_match_name(pattern, name);
    if (strchr(pattern, '[') == NULL) {
        fuzz_need(matched == matches_plainly(pattern, name));
    }
    if (matched) {
        check_star(pattern, name);
    }
    fuzz_need(tmi_match_name("*", name));
    check_itself(name);
    free(pattern);
    return 0;
}
