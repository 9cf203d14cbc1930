/* SPDX-License-Identifier: MIT */
/*
 * Tracebacks: order, ranges, what is shown where little is known, and the text with its
 * limits. Frames are machine frames; only the text shows inlined calls one by one.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/literal.h"
#include "view/frame.h"
#include "view/service.h"

static int resolve_result;

/* Symbols for what has none: one line, in deep.c, at a hundred times its address. */
static int resolve(struct tm_snapshot *s)
{
    for (uint32_t i = 0; i < s->location_count && resolve_result == 0; i++) {
        struct tmi_line line = {"deep.c", "deep",
                                (uint32_t)s->locations[i].address * 100};
        if (s->locations[i].nlines == 0) {
            tmi_snapshot_set_lines(s, i, &line, 1);
        }
    }
    return resolve_result;
}

const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.resolve = resolve};
    return &service;
}

static const tm_traceback_t *only(struct tm_snapshot *s)
{
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_check(s));
    tm_trace_t trace;
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    return trace.traceback;
}

static const tm_traceback_t *traceback(const char *frames)
{
    struct tm_snapshot *s = literal_snapshot(25);
    literal_trace(s, 0, 1, 1, frames);
    return only(s);
}

Test(traceback, the_oldest_frame_is_first)
{
    const tm_traceback_t *tb = traceback("10:main.c 20:a.c 30:b.c");
    cr_assert_eq(tm_traceback_len(tb), 3);
    cr_assert_eq(tm_traceback_total_nframe(tb), 3);
    cr_assert_str_eq(literal_frames(tb), "10:main.c 20:a.c 30:b.c");
    /* Addresses were given in the order of appearance. */
    cr_assert_eq(tm_traceback_address(tb, 0), 0x1001);
    cr_assert_eq(tm_traceback_address(tb, 2), 0x1003);
    cr_assert_eq(tm_traceback_address(tb, 3), 0);
    tm_frame_t frame;
    cr_assert_eq(tm_traceback_frame(tb, 1, &frame), 0);
    cr_assert_str_eq(frame.function, "in_a.c");
    cr_assert_eq(frame.address, 0x1002);
    cr_assert_eq(tm_traceback_frame(tb, 3, &frame), -ERANGE);
    cr_assert_eq(tm_traceback_frame(tb, SIZE_MAX, &frame), -ERANGE);
    tm_snapshot_free(tb->home);
}

Test(traceback, a_frame_is_its_innermost_call)
{
    const tm_traceback_t *tb = traceback("10:main.c 5:i.h<6:j.h<20:a.c");
    cr_assert_eq(tm_traceback_len(tb), 2);
    cr_assert_str_eq(literal_frames(tb), "10:main.c 5:i.h");
    tm_snapshot_free(tb->home);
}

Test(traceback, symbols_are_looked_up_when_asked_for)
{
    const tm_traceback_t *tb = traceback("10:main.c ?");
    cr_assert_eq(tm_traceback_address(tb, 1), 0x1002);
    cr_assert_eq(tb->home->resolve_once, 0, "an address needs no symbols");
    cr_assert_str_eq(literal_frames(tb), "10:main.c 409800:deep.c");
    tm_snapshot_free(tb->home);
}

Test(traceback, no_memory_for_symbols)
{
    const tm_traceback_t *tb = traceback("?");
    tm_frame_t frame;
    char text[10];
    resolve_result = -ENOMEM;
    cr_assert_eq(tm_traceback_frame(tb, 0, &frame), -ENOMEM);
    cr_assert_eq(tm_traceback_format(tb, 1, false, text, sizeof text), -ENOMEM);
    tm_snapshot_free(tb->home);
}

static void expect_frame(const char *module, const char *filename, const char *function,
                         uint32_t lineno, const char *shown_file, uint32_t shown_line)
{
    struct tm_snapshot *s = literal_snapshot(1);
    uint32_t m = TMI_NO_MODULE;
    if (module != NULL) {
        m = (uint32_t)tmi_snapshot_add_module(s, &(struct tmi_module){.name = module});
    }
    uint32_t location = (uint32_t)tmi_snapshot_add_location(s, 77, m);
    struct tmi_line line = {filename, function, lineno};
    tmi_snapshot_set_lines(s, location, &line, 1);
    tm_frame_t frame;
    tmi_frame_get(s, location, 0, &frame);
    cr_assert_str_eq(frame.filename, shown_file);
    cr_assert_eq(frame.lineno, shown_line);
    cr_assert_str_eq(frame.function, function);
    cr_assert_str_eq(frame.module, module == NULL ? "" : module);
    cr_assert_eq(frame.address, 77);
    tm_snapshot_free(s);
}

Test(traceback, what_is_not_known)
{
    expect_frame("libm.so", "a.c", "f", 3, "a.c", 3);
    expect_frame("libm.so", "a.c", "", 0, "a.c", 0);
    expect_frame("libm.so", "", "f", 3, "libm.so", 0);
    expect_frame("libm.so", "", "", 0, "libm.so", 0);
    expect_frame("", "", "f", 0, "<unknown>", 0);
    expect_frame(NULL, "", "f", 9, "<unknown>", 0);
}

/* ---- text -------------------------------------------------------------------------- */

static void expect_text(const tm_traceback_t *tb, int limit, bool most_recent_first,
                        const char *expected)
{
    char text[4096];
    int len = tm_traceback_format(tb, limit, most_recent_first, text, sizeof text);
    cr_assert_str_eq(text, expected);
    cr_assert_eq(len, (int)strlen(expected));
}

#define A "  File \"no-a\", line 1\n"
#define B "  File \"no-b\", line 2\n"
#define C "  File \"no-c\", line 3\n"

Test(traceback, limits)
{
    const tm_traceback_t *tb = traceback("1:no-a 2:no-b 3:no-c");
    expect_text(tb, INT_MAX, false, A B C);
    expect_text(tb, INT_MAX, true, C B A);
    expect_text(tb, 3, false, A B C);
    expect_text(tb, 2, false, B C);
    expect_text(tb, 1, false, C);
    expect_text(tb, 2, true, C B);
    expect_text(tb, 0, false, "");
    expect_text(tb, 0, true, "");
    expect_text(tb, -1, false, A);
    expect_text(tb, -2, false, A B);
    expect_text(tb, -2, true, B A);
    expect_text(tb, -3, false, A B C);
    expect_text(tb, -4, false, A B C);
    expect_text(tb, INT_MIN, true, C B A);
    tm_snapshot_free(tb->home);
}

/* "A<B" is A inlined into B: B called it, so B is the older. */
Test(traceback, inlined_calls_are_frames_of_the_text)
{
    const tm_traceback_t *tb = traceback("2:no-b<1:no-a 3:no-c");
    expect_text(tb, INT_MAX, false, A B C);
    expect_text(tb, INT_MAX, true, C B A);
    expect_text(tb, 2, false, B C);
    expect_text(tb, -1, false, A);
    expect_text(tb, -2, true, B A);
    tm_snapshot_free(tb->home);
    tb = traceback("3:no-c<2:no-b<1:no-a");
    expect_text(tb, INT_MAX, false, A B C);
    expect_text(tb, 1, true, C);
    tm_snapshot_free(tb->home);
}

Test(traceback, with_source_lines)
{
    char directory[] = "/tmp/tmalloc-traceback-XXXXXX";
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
    FILE *f = fopen("a.c", "w");
    fputs("int main(void)\n{\n    \treturn f(1);\n\n", f);
    fclose(f);
    const tm_traceback_t *tb = traceback("1:a.c 3:a.c 4:a.c 9:a.c 2:a.c");
    expect_text(tb, INT_MAX, false,
                "  File \"a.c\", line 1\n    int main(void)\n"
                "  File \"a.c\", line 3\n    return f(1);\n"
                "  File \"a.c\", line 4\n"
                "  File \"a.c\", line 9\n"
                "  File \"a.c\", line 2\n    {\n");
    tm_snapshot_free(tb->home);
    unlink("a.c");
    cr_assert_eq(chdir("/"), 0);
    rmdir(directory);
}

Test(traceback, a_short_buffer_holds_the_beginning)
{
    const tm_traceback_t *tb = traceback("1:no-a 2:no-b");
    const char *whole = A B;
    for (size_t room = 0; room <= strlen(whole) + 1; room++) {
        char text[100];
        memset(text, '#', sizeof text);
        cr_assert_eq(tm_traceback_format(tb, 2, false, room == 0 ? NULL : text, room),
                     (int)strlen(whole));
        if (room > 0) {
            cr_assert_eq(memcmp(text, whole, room - 1), 0);
            cr_assert_eq(text[room - 1], '\0');
        }
        cr_assert_eq(text[room], '#');
    }
    tm_snapshot_free(tb->home);
}
