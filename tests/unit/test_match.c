/* SPDX-License-Identifier: MIT */
/*
 * Patterns. Each row is a rule of Python's fnmatchcase or of tracemalloc's handling of
 * ".pyc"; the names are the shortest that tell the rule from its neighbours: POSIX
 * fnmatch(), the shell, regular expressions, bytes in place of characters.
 */
#include "view/match.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

struct row {
    const char *pattern;
    const char *matches[6];
    const char *others[6];
};

static void expect(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < 6 && rows[i].matches[k] != NULL; k++) {
            cr_expect(tmi_match_name(rows[i].pattern, rows[i].matches[k]), "%s: %s",
                      rows[i].pattern, rows[i].matches[k]);
        }
        for (size_t k = 0; k < 6 && rows[i].others[k] != NULL; k++) {
            cr_expect_not(tmi_match_name(rows[i].pattern, rows[i].others[k]), "%s: %s",
                          rows[i].pattern, rows[i].others[k]);
        }
    }
}

#define EXPECT(rows) expect(rows, sizeof(rows) / sizeof *(rows))

Test(match, whole_names_case_and_all)
{
    static const struct row ROWS[] = {
        {"", {""}, {"a"}},
        {"a.c", {"a.c"}, {"A.c", "a.cc", "xa.c", "aXc", ""}},
        {"/usr/a.c", {"/usr/a.c"}, {"\\usr\\a.c", "/usr//a.c"}},
        {"a\\b", {"a\\b"}, {"ab", "a/b"}},
        {"a\\*", {"a\\", "a\\xyz"}, {"a*", "a"}},
        {"^a$.(|)+{1}", {"^a$.(|)+{1}"}, {"a", "a$"}},
    };
    EXPECT(ROWS);
}

Test(match, star_is_any_run)
{
    static const struct row ROWS[] = {
        {"*", {"", "a", "a/b/c", ".hidden", "two\nlines", "\xC3\xA9"}, {NULL}},
        {"**", {"", "ab"}, {NULL}},
        {"*.c", {".c", "a.c", "dir/.a.c", "a.c.c"}, {"a.c ", "a.h", "c"}},
        {"a*", {"a", "ab", "a/b"}, {"", "ba"}},
        {"a*b*c", {"abc", "aXbYc", "abbcc", "abcabc"}, {"acb", "ab", "abcX"}},
        {"*iss*ip*", {"mississippi"}, {"mipiss-", "ipmiss"}},
        {"*aab", {"aaab", "aabaab"}, {"aaba", "ab"}},
    };
    EXPECT(ROWS);
}

Test(match, question_mark_is_one_character)
{
    static const struct row ROWS[] = {
        {"?",
         {"a", "/", ".", "\n", "\xC3\xA9", "\xF0\x9F\x98\x80"},
         {"", "ab", "e\xCC\x81"}},
        {"??", {"ab", "e\xCC\x81"}, {"\xC3\xA9", "a"}},
        {"*?", {"a", "ab"}, {""}},
        {"?*", {"a", "ab"}, {""}},
        {"a?c", {"abc", "a?c"}, {"ac", "abbc"}},
    };
    EXPECT(ROWS);
}

Test(match, brackets)
{
    static const struct row ROWS[] = {
        {"[abc]", {"a", "c"}, {"d", "", "ab", "[abc]"}},
        {"[!abc]", {"d", "!", "\xC3\xA9"}, {"a", "", "dd"}},
        {"[^a]", {"^", "a"}, {"b"}},
        {"[a^]", {"^", "a"}, {"b"}},
        {"[a!]", {"a", "!"}, {"b"}},
        {"[!!]", {"a"}, {"!"}},
        {"[]]", {"]"}, {"[", "a"}},
        {"[]a]", {"]", "a"}, {"b"}},
        {"[!]a]", {"b"}, {"]", "a"}},
        {"[[]", {"["}, {"]"}},
        {"[*]", {"*"}, {"a", ""}},
        {"[?]", {"?"}, {"a"}},
        {"[\\]", {"\\"}, {"]"}},
        {"[\\]]", {"\\]"}, {"]"}},
        {"[a/b]", {"/"}, {"c"}},
        {"x[0-9].c", {"x1.c"}, {"x.c", "x10.c", "xa.c"}},
    };
    EXPECT(ROWS);
}

Test(match, ranges)
{
    static const struct row ROWS[] = {
        {"[a-c]", {"a", "b", "c"}, {"-", "d", "B"}},
        {"[!a-c]", {"-", "d", "B"}, {"a", "b", "c"}},
        {"[a-]", {"a", "-"}, {"b"}},
        {"[-a]", {"a", "-"}, {"b"}},
        {"[!-a]", {"b"}, {"a", "-"}},
        {"[a-c-e]", {"a", "c", "-", "e"}, {"d"}},
        {"[--0]", {"-", ".", "/", "0"}, {"1", ","}},
        {"[c-a]", {NULL}, {"a", "b", "c", "-", "[c-a]"}},
        {"[!c-a]", {"a", "b", "-"}, {"", "ab"}},
        {"[c-ax]", {"x"}, {"b", "-"}},
        {"[\xC3\xA0-\xC3\xBF]", {"\xC3\xA9"}, {"e", "\xC3"}},
        {"[A-z]", {"_", "b"}, {"1"}},
    };
    EXPECT(ROWS);
}

Test(match, what_is_no_set)
{
    static const struct row ROWS[] = {
        {"[", {"["}, {"", "a"}},
        {"[a", {"[a"}, {"a"}},
        {"[]", {"[]"}, {"", "]"}},
        {"[!]", {"[!]"}, {"a", "!"}},
        {"*[", {"[", "a["}, {"a"}},
        {"[[:alpha:]]", {":]", "a]", "[]"}, {"b]", "a", "z"}},
        {"[[.a.]]", {"a]", ".]"}, {"a"}},
        {"[[=a=]]", {"a]", "=]"}, {"a"}},
    };
    EXPECT(ROWS);
}

Test(match, compiled_files_go_by_their_source)
{
    static const struct row ROWS[] = {
        {"a.py", {"a.py", "a.pyc"}, {"a.pyo", "a.PYC", "a.pyc.pyc"}},
        {"a.pyc", {"a.py", "a.pyc"}, {"a.pyo"}},
        {"*.pyc", {"x.py", ".pyc", "x.pyc"}, {"x.pyo", "x.PYC", "pyc"}},
        {"*.py?", {"a.pyo", "a.PYC.pyX"}, {"a.pyc", "a.py"}},
        {"*.py[c]", {NULL}, {"a.pyc"}},
        {"a.pyc.pyc", {"a.pyc.py", "a.pyc.pyc"}, {"a.py", "a.pyc"}},
        {"*.PYC", {"a.PYC"}, {"a.PY", "a.pyc"}},
        {".pyc", {".py", ".pyc"}, {"py"}},
    };
    EXPECT(ROWS);
}

/* Such a byte is a character of its own, above all others, and equal to itself only. */
Test(match, bytes_that_are_not_utf8)
{
    static const struct row ROWS[] = {
        {"a\xFF"
         "b",
         {"a\xFF"
          "b"},
         {"a\xFE"
          "b",
          "ab"}},
        {"?", {"\xFF", "\xC3"}, {"\xFF\xFF", "\xC3\xC3"}},
        {"[\xFF]", {"\xFF"}, {"\xFE", "\xC3\xBF"}},
        {"[!a]", {"\xFF"}, {"a"}},
        {"[a-z]", {NULL}, {"\xE1", "\x80"}},
        {"\xC3*",
         {"\xC3"
          "x"},
         {"\xC3\xA9"}},
    };
    EXPECT(ROWS);
}

/* Where trying every place for every star would take ages. */
Test(match, many_stars_are_no_trap, .timeout = 10)
{
    char name[5001];
    memset(name, 'a', 5000);
    name[5000] = '\0';
    cr_assert_not(tmi_match_name("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
    cr_assert(tmi_match_name("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*?", name));
}
