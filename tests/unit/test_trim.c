/* SPDX-License-Identifier: MIT */
/*
 * Stacks before and after, as text: functions, the newest first, separated by blanks, and
 * by "<" where one is inlined into the next.
 */
#include "cli/trim.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "view/frame.h"
#include "view/service.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static struct tm_snapshot *s;

/* The location of functions inlined into each other, the innermost first, '<' between. */
static uint32_t location_of(const char *functions, uint32_t module)
{
    struct tmi_line lines[8] = {{0}};
    char words[256];
    char *rest = words;
    uint32_t n = 0;
    snprintf(words, sizeof words, "%s", functions);
    for (char *word; (word = strsep(&rest, "<")) != NULL; n++) {
        lines[n] =
            (struct tmi_line){"a.c", tmi_snapshot_text(s, word, strlen(word)), n + 1};
    }
    int64_t location = tmi_snapshot_add_location(s, 0x1000 + s->location_count, module);
    cr_assert_eq(tmi_snapshot_set_lines(s, (uint32_t)location, lines, n), 0);
    return (uint32_t)location;
}

/* A stack of functions, the newest first, blanks between; "@" is an unknown one. */
static void add_stack(const char *functions, uint32_t beyond)
{
    uint64_t values[TMI_VALUE_COUNT] = {[TMI_INUSE_BYTES] = 8, [TMI_INUSE_BLOCKS] = 1};
    uint32_t frames[16];
    uint32_t n = 0;
    char words[256];
    char *rest = words;
    snprintf(words, sizeof words, "%s", functions);
    for (char *word; (word = strsep(&rest, " ")) != NULL; n++) {
        frames[n] = strcmp(word, "@") != 0
                        ? location_of(word, TMI_NO_MODULE)
                        : (uint32_t)tmi_snapshot_add_location(s, 0x2000, TMI_NO_MODULE);
    }
    cr_assert_eq(tmi_snapshot_add_trace(s, 0, values, frames, n, n + beyond), 0);
}

/* What is left of the i-th stack, in the same words. */
static const char *stack(size_t i)
{
    static char text[256];
    const struct tm_traceback *tb = &s->traces[i].traceback;
    size_t len = 0;
    for (uint32_t f = 0; f < tb->nframes; f++) {
        uint32_t location = s->frames[tb->first_frame + f];
        for (uint32_t k = 0; k < tmi_frame_count(&s->locations[location]); k++) {
            tm_frame_t frame;
            tmi_frame_get(s, location, k, &frame);
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s",
                                    k > 0   ? "<"
                                    : f > 0 ? " "
                                            : "",
                                    frame.function[0] != '\0' ? frame.function : "@");
        }
    }
    return text;
}

static void expect(const char *before, const char *patterns, const char *after)
{
    s = tmi_snapshot_create(25);
    add_stack(before, 0);
    add_stack(before, 3);
    tmi_snapshot_finish(s);
    tmi_snapshot_release_symbols(s, true);
    cr_assert_eq(tmi_trim_wrappers(s, patterns), 0);
    for (size_t i = 0; i < 2; i++) {
        cr_expect_str_eq(stack(i), after, "%s: %s, not %s", before, stack(i), after);
        const struct tm_traceback *tb = &s->traces[i].traceback;
        cr_expect_eq(tb->total_nframe, tb->nframes + (i == 1 ? 3 : 0));
    }
    cr_expect(tmi_snapshot_check(s));
    tm_snapshot_free(s);
}

Test(trim, the_newest_wrappers_go)
{
    expect("strdup add_book main", NULL, "add_book main");
    expect("malloc strdup add_book main", NULL, "add_book main");
    expect("add_book main", NULL, "add_book main");
    expect("add_book strdup main", NULL, "add_book strdup main");
    expect("PyObject_Malloc PyList_New", NULL, "PyList_New");
}

Test(trim, one_frame_stays)
{
    expect("malloc", NULL, "malloc");
    expect("malloc strdup", NULL, "strdup");
    expect("malloc calloc<strdup", NULL, "calloc<strdup");
}

Test(trim, inlined_wrappers_leave_the_function_that_holds_them)
{
    expect("calloc<grow main", NULL, "grow main");
    expect("malloc calloc<g_malloc<grow<fill main", NULL, "grow<fill main");
    expect("malloc<grow", NULL, "grow");
    expect("grow<malloc main", NULL, "grow<malloc main");
}

Test(trim, what_is_not_known_is_no_wrapper)
{
    expect("@ main", NULL, "@ main");
    expect("malloc @ main", NULL, "@ main");
}

Test(trim, more_names_of_the_users)
{
    expect("malloc xmalloc main", NULL, "xmalloc main");
    expect("malloc xmalloc pool_new pool_get main", "xmalloc,pool_*", "main");
    expect("malloc main", "", "main");
}

Test(trim, code_of_an_allocators_library_goes_whatever_its_name)
{
    uint64_t values[TMI_VALUE_COUNT] = {[TMI_INUSE_BYTES] = 8, [TMI_INUSE_BLOCKS] = 1};
    struct tmi_module library = {.name = "/usr/lib/libmimalloc.so.2", .limit = 0x100000};
    s = tmi_snapshot_create(25);
    uint32_t module = (uint32_t)tmi_snapshot_add_module(s, &library);
    uint32_t frames[] = {location_of("mi_heap_malloc", module),
                         location_of("main", TMI_NO_MODULE)};
    cr_assert_eq(tmi_snapshot_add_trace(s, 0, values, frames, 2, 2), 0);
    tmi_snapshot_finish(s);
    tmi_snapshot_release_symbols(s, true);
    cr_assert_eq(tmi_trim_wrappers(s, NULL), 0);
    cr_expect_str_eq(stack(0), "main");
}
