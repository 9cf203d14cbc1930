/* SPDX-License-Identifier: MIT */
/*
 * The runtime's voice: one line a report, on stderr, cut where it is too long, and
 * nothing but that: errno and stdout are left alone.
 */
#include "base/report.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "../support/stderr.h"

Test(report, a_line_begins_with_our_name_and_ends)
{
    stderr_catch();
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    tmi_put_text(&w, "double free of ");
    tmi_put_hex(&w, 0xbeef);
    tmi_report(&w);
    cr_assert_str_eq(stderr_caught(), "tmalloc: double free of 0xbeef\n");
}

Test(report, up_to_three_pieces)
{
    stderr_catch();
    tmi_report_text("one", NULL, NULL);
    tmi_report_text("a", "b", "c");
    tmi_report_text(NULL, "b", NULL);
    cr_assert_str_eq(stderr_caught(), "tmalloc: one\ntmalloc: abc\ntmalloc: b\n");
}

/* Whole, or its beginning and three dots: one line either way, and no longer than said.
 */
Test(report, a_long_line_is_cut_and_says_so)
{
    for (size_t len = 340; len < 420; len++) {
        char text[512] = "";
        memset(text, 'x', len);
        char whole[600];
        snprintf(whole, sizeof whole, "tmalloc: %s\n", text);
        stderr_catch();
        tmi_report_text(text, NULL, NULL);
        const char *line = stderr_caught();
        size_t got = strlen(line);
        cr_assert_lt(got, TMI_REPORT_BYTES, "%zu characters gave %zu", len, got);
        if (strcmp(line, whole) != 0) {
            cr_assert_gt(len, 360, "%zu characters would have fitted", len);
            cr_assert_str_eq(line + got - 4, "...\n");
            cr_assert_eq(strncmp(line, whole, got - 4), 0);
        }
    }
}

Test(report, a_closed_stderr_is_no_trouble)
{
    int kept = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = 4711;
    tmi_report_text("nobody hears this", NULL, NULL);
    cr_assert_eq(errno, 4711);
    dup2(kept, STDERR_FILENO);
}

#define LINES 200

static void *speak(void *letter)
{
    char text[101];
    memset(text, *(const char *)letter, 100);
    text[100] = '\0';
    for (int i = 0; i < LINES; i++) {
        tmi_report_text(text, NULL, NULL);
    }
    return NULL;
}

/* stderr is a file opened to append: each write(2) is one piece there. */
Test(report, lines_of_threads_do_not_mix)
{
    stderr_catch();
    pthread_t threads[2];
    char letters[2] = {'a', 'b'};
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, speak, &letters[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    int lines = 0;
    const char *text = stderr_caught();
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        cr_assert_eq(strncmp(line, "tmalloc: ", 9), 0);
        char letter = line[9];
        cr_assert(letter == 'a' || letter == 'b');
        for (int i = 0; i < 100; i++) {
            cr_assert_eq(line[9 + i], letter);
        }
        cr_assert_eq(line[109], '\n');
        lines++;
    }
    cr_assert_eq(lines, 2 * LINES);
}
