/* SPDX-License-Identifier: MIT */
/*
 * The builder, what readers get out of it, the checker (which must see each kind of
 * damage), running out of memory, and the rule that symbols are looked up once however
 * many threads ask.
 */
#include "view/snapshot.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/literal.h"
#include "support/scarcity.h"
#include "view/service.h"

/* ---- a resolver that counts -------------------------------------------------------- */

static int resolve_calls;
static int resolve_result;
static bool has_service = true;

static int resolve(struct tm_snapshot *s)
{
    __atomic_add_fetch(&resolve_calls, 1, __ATOMIC_RELAXED);
    usleep(20000);
    for (uint32_t i = 0; i < s->location_count && resolve_result == 0; i++) {
        struct tmi_line line = {"found.c", "found", 100 + i};
        if (s->locations[i].nlines == 0) {
            cr_assert_eq(tmi_snapshot_set_lines(s, i, &line, 1), 0);
        }
    }
    return resolve_result;
}

const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.resolve = resolve};
    return has_service ? &service : NULL;
}

/* ---- building ---------------------------------------------------------------------- */

Test(snapshot, equal_texts_are_one_pointer)
{
    struct tm_snapshot *s = literal_snapshot(1);
    const char *a = tmi_snapshot_text(s, "abc", 3);
    cr_assert_str_eq(a, "abc");
    cr_assert_eq(tmi_snapshot_text(s, "abcd", 3), a);
    cr_assert_eq(tmi_snapshot_text(s, "abc\0def", 7), a, "a text ends at its NUL");
    const char *longer = tmi_snapshot_text(s, "abcd", 4);
    cr_assert_neq(longer, a);
    char text[32];
    const char *many[5000];
    for (int i = 0; i < 5000; i++) {
        many[i] = tmi_snapshot_text(s, text, (size_t)sprintf(text, "name %d", i));
    }
    for (int i = 0; i < 5000; i++) {
        size_t len = (size_t)sprintf(text, "name %d", i);
        cr_assert_eq(tmi_snapshot_text(s, text, len), many[i]);
        cr_assert_str_eq(many[i], text);
    }
    cr_assert_eq(tmi_snapshot_text(s, "abc", 3), a);
    cr_assert_eq(s->strings.count, 5003, "5000, two of abc, and the empty one");
    tm_snapshot_free(s);
}

/* Where a text lies cannot be known before: no file can make a table slow. */
Test(snapshot, texts_lie_elsewhere_each_time)
{
    unsigned same = 0;
    struct tm_snapshot *a = tmi_snapshot_create(1);
    struct tm_snapshot *b = tmi_snapshot_create(1);
    for (unsigned i = 0; i < 1000; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%u", i);
        cr_assert_not_null(tmi_snapshot_text(a, text, (size_t)len));
        cr_assert_not_null(tmi_snapshot_text(b, text, (size_t)len));
    }
    cr_assert_eq(a->strings.room, b->strings.room);
    for (uint32_t i = 0; i < a->strings.room; i++) {
        const char *x = a->strings.slots[i];
        const char *y = b->strings.slots[i];
        same += x != NULL && y != NULL && strcmp(x, y) == 0;
    }
    cr_assert_lt(same, 50, "%u of 1000", same);
    tm_snapshot_free(a);
    tm_snapshot_free(b);
}

Test(snapshot, only_live_traces_are_shown)
{
    struct tm_snapshot *s = literal_snapshot(7);
    literal_trace(s, 3, 0, 0, "1:dead.c");
    literal_trace(s, 4, 100, 2, "1:a.c 2:b.c");
    literal_trace(s, 5, 0, 0, "2:dead.c");
    literal_trace(s, 6, 0, 9, "3:empty.c");
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_check(s));
    cr_assert_eq(tm_snapshot_traceback_limit(s), 7);
    cr_assert_eq(tm_snapshot_trace_count(s), 2);
    tm_trace_t trace;
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    cr_assert_eq(trace.domain, 4);
    cr_assert_eq(trace.size, 100);
    cr_assert_eq(trace.count, 2);
    cr_assert_str_eq(literal_frames(trace.traceback), "1:a.c 2:b.c");
    cr_assert_eq(tm_snapshot_trace(s, 1, &trace), 0);
    cr_assert_eq(trace.domain, 6, "blocks of size 0 are live too");
    cr_assert_eq(tm_snapshot_trace(s, 2, &trace), -ERANGE);
    cr_assert_eq(s->trace_count, 4, "the others are kept for the file");
    tm_snapshot_free(s);
    tm_snapshot_free(NULL);
}

Test(snapshot, modules_are_copied)
{
    struct tm_snapshot *s = literal_snapshot(1);
    char name[] = "/lib/libx.so";
    uint8_t id[] = {0, 0xAB, 0};
    struct tmi_module module = {name, id, 3, 0x1000, 0x2000, 0x300};
    cr_assert_eq(tmi_snapshot_add_module(s, &module), 0);
    struct tmi_module bare = {.name = "b"};
    cr_assert_eq(tmi_snapshot_add_module(s, &bare), 1);
    name[0] = id[1] = 'x';
    cr_assert_str_eq(s->modules[0].name, "/lib/libx.so");
    cr_assert_eq(memcmp(s->modules[0].build_id, "\0\xAB", 3), 0);
    cr_assert_eq(s->modules[0].limit, 0x2000);
    cr_assert_eq(s->modules[0].offset, 0x300);
    cr_assert_null(s->modules[1].build_id);
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_check(s));
    tm_snapshot_free(s);
}

Test(snapshot, a_trace_needs_a_frame)
{
    struct tm_snapshot *s = literal_snapshot(1);
    uint64_t values[TMI_VALUE_COUNT] = {1, 1};
    cr_assert_eq(tmi_snapshot_add_trace(s, 0, values, NULL, 0, 0), -EINVAL);
    cr_assert_eq(s->trace_count, 0);
    tm_snapshot_free(s);
}

Test(snapshot, many_of_everything)
{
    struct tm_snapshot *s = literal_snapshot(25);
    for (uint32_t i = 0; i < 20000; i++) {
        cr_assert_eq(tmi_snapshot_add_location(s, i + 1, TMI_NO_MODULE), i);
        uint64_t values[TMI_VALUE_COUNT] = {i, 2 * i, i, i, 0};
        uint32_t frames[] = {i, i / 2, i / 3};
        cr_assert_eq(tmi_snapshot_add_trace(s, i, values, frames, 3, 1000), 0);
    }
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_check(s));
    cr_assert_eq(tm_snapshot_trace_count(s), 19999);
    for (size_t i = 0; i < 19999; i++) {
        tm_trace_t trace;
        tm_snapshot_trace(s, i, &trace);
        cr_assert_eq(trace.size, 2 * trace.domain);
        cr_assert_eq(tm_traceback_address(trace.traceback, 2), trace.domain + 1);
        cr_assert_eq(tm_traceback_address(trace.traceback, 0), trace.domain / 3 + 1);
    }
    tm_snapshot_free(s);
}

/* ---- checking ---------------------------------------------------------------------- */

static struct tm_snapshot *sound(void)
{
    struct tm_snapshot *s = literal_snapshot(3);
    struct tmi_module module = {.name = "m", .start = 1, .limit = 2};
    tmi_snapshot_add_module(s, &module);
    tmi_snapshot_add_domain(s, 1, "gpu");
    literal_trace(s, 0, 10, 1, "1:a.c 2:b.c");
    literal_trace(s, 1, 0, 0, "1:a.c");
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_check(s));
    return s;
}

#define DAMAGE(name, statement)                                                          \
    Test(snapshot_check, name)                                                           \
    {                                                                                    \
        struct tm_snapshot *s = sound();                                                 \
        statement;                                                                       \
        cr_assert_not(tmi_snapshot_check(s));                                            \
        tm_snapshot_free(s);                                                             \
    }

DAMAGE(frame_without_location, s->frames[1] = s->location_count)
DAMAGE(location_without_module, s->locations[0].module = 1)
DAMAGE(location_without_lines, s->locations[0].nlines = 100)
DAMAGE(lines_past_the_end, s->locations[0].first_line = UINT32_MAX)
DAMAGE(text_not_interned, s->lines[0].filename = "a.c")
DAMAGE(function_missing, s->lines[1].function = NULL)
DAMAGE(module_backwards, s->modules[0].start = 3)
DAMAGE(module_unnamed, s->modules[0].name = NULL)
DAMAGE(build_id_without_length, s->modules[0].build_id = (const uint8_t *)"x")
DAMAGE(domain_unnamed, s->domains[0].name = "gpu")
DAMAGE(foreign_trace, s->traces[0].traceback.home = NULL)
DAMAGE(empty_traceback, s->traces[0].traceback.nframes = 0)
DAMAGE(frames_past_the_end, s->traces[0].traceback.nframes = 4)
DAMAGE(frames_elsewhere, s->traces[0].traceback.first_frame = UINT64_MAX)
DAMAGE(total_too_small, s->traces[0].traceback.total_nframe = 1)
DAMAGE(live_behind_dead, s->traces[1].values[TMI_INUSE_BYTES] = 1)
DAMAGE(dead_among_live, s->live_count = 2)
DAMAGE(kind_missing, s->about.kind = NULL)

/* ---- memory ------------------------------------------------------------------------ */

static int add_everything(struct tm_snapshot *s, uint32_t i)
{
    char text[32];
    sprintf(text, "file %u", i);
    struct tmi_line lines[] = {{text, "f", i}, {"outer.c", text, i}};
    struct tmi_module module = {.name = text, .build_id = (uint8_t *)text, .limit = 1};
    module.build_id_bytes = 20;
    uint64_t values[TMI_VALUE_COUNT] = {1, 1};
    int64_t m = tmi_snapshot_add_module(s, &module);
    int64_t l = m < 0 ? m : tmi_snapshot_add_location(s, i + 1, (uint32_t)m);
    int64_t err = l < 0 ? l : tmi_snapshot_set_lines(s, (uint32_t)l, lines, 2);
    uint32_t frames[] = {(uint32_t)l, (uint32_t)l};
    err = err < 0 ? err : tmi_snapshot_add_trace(s, i, values, frames, 2, 2);
    err = err < 0 ? err : tmi_snapshot_add_domain(s, i, text);
    return (int)err;
}

/* Wherever memory ends, the snapshot stays sound. */
Test(snapshot, no_memory_leaves_nothing_half_added)
{
    for (size_t spare = 1; spare < 40; spare++) {
        struct tm_snapshot *s = literal_snapshot(1);
        scarcity_begin(spare * 300 * 1024);
        int err = 0;
        for (uint32_t i = 0; err == 0; i++) {
            err = add_everything(s, i);
        }
        scarcity_end();
        cr_assert_eq(err, -ENOMEM);
        tmi_snapshot_finish(s);
        cr_assert(tmi_snapshot_check(s));
        tm_snapshot_free(s);
    }
}

/* ---- symbols ----------------------------------------------------------------------- */

static void *ask(void *snapshot)
{
    tm_trace_t trace;
    tm_frame_t frame;
    tm_snapshot_trace(snapshot, 0, &trace);
    cr_assert_eq(tm_traceback_frame(trace.traceback, 0, &frame), 0);
    cr_assert_str_eq(frame.filename, "found.c");
    cr_assert_eq(frame.lineno, 100);
    return NULL;
}

Test(snapshot_resolve, once_for_all_threads, .timeout = 30)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, 1, 1, "?");
    tmi_snapshot_finish(s);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, ask, s);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(resolve_calls, 1);
    tm_snapshot_free(s);
}

static void *resolve_it(void *snapshot)
{
    return (void *)(intptr_t)tmi_snapshot_resolve(snapshot);
}

Test(snapshot_resolve, after_a_failure_each_waiter_tries, .timeout = 30)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, 1, 1, "?");
    tmi_snapshot_finish(s);
    resolve_result = -ENOMEM;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, resolve_it, s);
    }
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        cr_assert_eq((intptr_t)result, -ENOMEM);
    }
    cr_assert_eq(resolve_calls, 4);
    resolve_result = 0;
    cr_assert_eq(tmi_snapshot_resolve(s), 0);
    cr_assert_eq(tmi_snapshot_resolve(s), 0);
    cr_assert_eq(resolve_calls, 5);
    tm_snapshot_free(s);
}

Test(snapshot_resolve, nobody_is_asked_when_all_is_known)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, 1, 1, "1:a.c");
    tmi_snapshot_finish(s);
    cr_assert_eq(tmi_snapshot_resolve(s), 0);
    cr_assert_eq(resolve_calls, 0);
    tm_snapshot_free(s);
}

Test(snapshot_resolve, without_the_plug_in_nothing_is_known)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, 1, 1, "?");
    tmi_snapshot_finish(s);
    has_service = false;
    tm_trace_t trace;
    tm_frame_t frame;
    tm_snapshot_trace(s, 0, &trace);
    cr_assert_eq(tm_traceback_frame(trace.traceback, 0, &frame), 0);
    cr_assert_str_eq(frame.filename, "<unknown>");
    tm_snapshot_free(s);
}

/* Who holds the symbols keeps the resolver out, and lets it in again. */
Test(snapshot_resolve, waits_for_the_holder, .timeout = 30)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, 1, 1, "?");
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_hold_symbols(s));
    pthread_t thread;
    pthread_create(&thread, NULL, resolve_it, s);
    usleep(50000);
    cr_assert_eq(resolve_calls, 0);
    tmi_snapshot_release_symbols(s, false);
    pthread_join(thread, NULL);
    cr_assert_eq(resolve_calls, 1);
    cr_assert_not(tmi_snapshot_hold_symbols(s), "complete");
    tm_snapshot_free(s);
}
