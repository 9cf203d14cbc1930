/* SPDX-License-Identifier: MIT */
/*
 * Texts that are made to fit. What needs a terminal is tried in
 * integration/cli_reports.sh.
 */
#include "cli/term.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void expect(const char *text, size_t room, bool keep_end, const char *expected)
{
    char *fitted = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&fitted, &len);
    tmi_term_ink(out, TMI_INK_BOLD);
    tmi_term_fit(out, text, room, keep_end);
    cr_expect_eq(tmi_term_width(out), 0);
    fclose(out);
    cr_expect_str_eq(fitted, expected);
    free(fitted);
}

Test(term, what_fits_stays)
{
    expect("abcdefgh", 8, false, "abcdefgh");
    expect("abcdefgh", 8, true, "abcdefgh");
    expect("abcdefgh", 0, false, "abcdefgh");
    expect("", 5, false, "");
}

Test(term, what_does_not_fit_is_shortened_at_one_end)
{
    expect("abcdefgh", 7, false, "abcd...");
    expect("abcdefgh", 7, true, "...efgh");
    expect("abcdefgh", 5, false, "ab...");
}

Test(term, characters_count_not_bytes)
{
    expect("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 4, false,
           "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f");
    expect("\xe2\x82\xac\xc3\xb6\xc3\xbc\xc3\x9f-xyz", 5, false,
           "\xe2\x82\xac\xc3\xb6...");
    expect("xyz-\xc3\xa4\xc3\xb6\xe2\x82\xac\xc3\x9f", 5, true,
           "...\xe2\x82\xac\xc3\x9f");
}

Test(term, bytes_that_are_no_characters)
{
    expect("\x80\x80\x80\x80\x80\x80\x80", 5, false, "\x80\x80\x80\x80\x80\x80\x80");
    expect("abcd\xff\xff\xff\xff", 6, false, "abc...");
}
