/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of several processes as one: what is the same code, the same domain, the same
 * stack; what is said of the whole; and, for many random pairs, that every statistic of
 * the sum is the sum of the statistics.
 */
#include "view/merge.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/literal.h"
#include "support/random.h"
#include "view/service.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static struct tm_snapshot *merged(struct tm_snapshot *const *all, size_t n)
{
    struct tmi_merge m;
    cr_assert_eq(tmi_merge_begin(&m), 0);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(tmi_merge_add(&m, all[i]), 0);
        tm_snapshot_free(all[i]);
    }
    struct tm_snapshot *s = tmi_merge_end(&m);
    cr_assert_not_null(s);
    cr_assert(tmi_snapshot_check(s));
    return s;
}

static struct tm_snapshot *merged2(struct tm_snapshot *a, struct tm_snapshot *b)
{
    return merged((struct tm_snapshot *[]){a, b}, 2);
}

/* ---- code -------------------------------------------------------------------------- */

static const uint8_t ID_A[] = {0xAA, 1, 2};
static const uint8_t ID_B[] = {0xBB, 1, 2};

/* One trace of 10 bytes at `address` of a module of 0x1000 bytes at `start`. */
static struct tm_snapshot *at(const char *name, const uint8_t *id, uint64_t start,
                              uint64_t address)
{
    struct tm_snapshot *s = tmi_snapshot_create(1);
    struct tmi_module module = {.name = name,
                                .build_id = id,
                                .build_id_bytes = id == NULL ? 0 : 3,
                                .start = start,
                                .limit = start + 0x1000,
                                .offset = 0x2000};
    tmi_snapshot_add_module(s, &module);
    uint32_t location = (uint32_t)tmi_snapshot_add_location(s, address, 0);
    const uint64_t values[TMI_VALUE_COUNT] = {1, 10, 2, 20, 3};
    tmi_snapshot_add_trace(s, 0, values, &location, 1, 1);
    tmi_snapshot_finish(s);
    return s;
}

Test(merge, one_library_at_two_addresses)
{
    struct tm_snapshot *s = merged2(at("lib.so", ID_A, 0x10000, 0x10123),
                                    at("lib.so", ID_A, 0x70000, 0x70123));
    cr_assert_eq(s->module_count, 1);
    cr_assert_eq(s->modules[0].start, 0x10000, "where the first one had it");
    cr_assert_eq(s->location_count, 1);
    cr_assert_eq(s->locations[0].address, 0x10123);
    cr_assert_eq(s->trace_count, 1);
    const uint64_t twice[TMI_VALUE_COUNT] = {2, 20, 4, 40, 6};
    cr_assert_arr_eq(s->traces[0].values, twice, sizeof twice);
    tm_snapshot_free(s);
}

Test(merge, other_place_in_the_library)
{
    struct tm_snapshot *s = merged2(at("lib.so", ID_A, 0x10000, 0x10123),
                                    at("lib.so", ID_A, 0x70000, 0x70124));
    cr_assert_eq(s->module_count, 1);
    cr_assert_eq(s->location_count, 2);
    cr_assert_eq(s->locations[1].address, 0x10124);
    cr_assert_eq(s->trace_count, 2);
    tm_snapshot_free(s);
}

Test(merge, the_end_of_the_code_is_a_return_address)
{
    struct tm_snapshot *s = merged2(at("lib.so", ID_A, 0x10000, 0x11000),
                                    at("lib.so", ID_A, 0x70000, 0x71000));
    cr_assert_eq(s->location_count, 1);
    tm_snapshot_free(s);
}

static void expect_two(const char *name, const uint8_t *id, uint64_t start)
{
    struct tm_snapshot *s =
        merged2(at("lib.so", ID_A, 0x10000, 0x10123), at(name, id, start, start + 0x123));
    cr_assert_eq(s->module_count, 2);
    cr_assert_eq(s->location_count, 2);
    cr_assert_eq(s->trace_count, 2);
    cr_assert_eq(s->locations[1].address, start + 0x123, "it stays where it was");
    tm_snapshot_free(s);
}

Test(merge, two_builds_of_one_name)
{
    expect_two("lib.so", ID_B, 0x10000);
    expect_two("lib.so", NULL, 0x10000);
}

Test(merge, one_build_under_two_names)
{
    expect_two("other.so", ID_A, 0x10000);
}

Test(merge, without_build_ids_the_name_decides)
{
    struct tm_snapshot *s = merged2(at("lib.so", NULL, 0x10000, 0x10123),
                                    at("lib.so", NULL, 0x70000, 0x70123));
    cr_assert_eq(s->module_count, 1);
    cr_assert_eq(s->location_count, 1);
    tm_snapshot_free(s);
}

Test(merge, outside_of_its_module_an_address_says_nothing)
{
    struct tm_snapshot *s =
        merged2(at("lib.so", ID_A, 0x10000, 0x50), at("lib.so", ID_A, 0x70000, 0x50));
    cr_assert_eq(s->module_count, 1);
    cr_assert_eq(s->locations[0].address, 0x50);
    tm_snapshot_free(s);
}

/* ---- lines ------------------------------------------------------------------------- */

static struct tm_snapshot *with_line(struct tm_snapshot *s, const char *function)
{
    struct tmi_line lines[] = {{"in.h", "inner", 7}, {"a.c", function, 12}};
    tmi_snapshot_set_lines(s, 0, lines, 2);
    return s;
}

Test(merge, the_one_that_knows_lines_tells_the_other)
{
    for (int order = 0; order < 2; order++) {
        struct tm_snapshot *raw = at("lib.so", ID_A, 0x10000, 0x10123);
        struct tm_snapshot *known = with_line(at("lib.so", ID_A, 0x70000, 0x70123), "f");
        struct tm_snapshot *s = order == 0 ? merged2(raw, known) : merged2(known, raw);
        cr_assert_eq(s->location_count, 1);
        cr_assert_eq(s->locations[0].nlines, 2);
        cr_assert_str_eq(s->lines[s->locations[0].first_line + 1].function, "f");
        tm_snapshot_free(s);
    }
}

/* An interpreter's addresses may be anything: what it says of the line counts. */
Test(merge, one_address_with_two_lines)
{
    struct tm_snapshot *s = merged2(with_line(at("lib.so", ID_A, 0x10000, 0x10123), "f"),
                                    with_line(at("lib.so", ID_A, 0x10000, 0x10123), "g"));
    cr_assert_eq(s->location_count, 2);
    cr_assert_eq(s->trace_count, 2);
    tm_snapshot_free(s);
}

Test(merge, what_was_not_found_is_not_kept)
{
    struct tm_snapshot *a = at("lib.so", ID_A, 0x10000, 0x10123);
    tmi_snapshot_set_lines(a, 0, (struct tmi_line[]){{"lib.so", "", 0}}, 1);
    struct tm_snapshot *s = merged2(a, at("lib.so", ID_A, 0x10000, 0x10123));
    cr_assert_eq(s->location_count, 1);
    cr_assert_eq(s->locations[0].nlines, 0);
    tm_snapshot_free(s);
}

/* ---- domains ----------------------------------------------------------------------- */

static void add_in(struct tm_snapshot *s, tm_domain_t domain, uint64_t size)
{
    literal_trace(s, domain, size, 1, "1:a.c");
}

/* The size in a domain, of which there is at most one trace. */
static uint64_t size_in(const struct tm_snapshot *s, tm_domain_t domain)
{
    uint64_t size = 0;
    for (size_t i = 0; i < s->trace_count; i++) {
        size += s->traces[i].domain == domain ? s->traces[i].values[TMI_INUSE_BYTES] : 0;
    }
    return size;
}

static tm_domain_t number_of(const struct tm_snapshot *s, const char *name)
{
    for (uint32_t i = 0; i < s->domain_count; i++) {
        if (strcmp(s->domains[i].name, name) == 0) {
            return s->domains[i].domain;
        }
    }
    cr_assert_fail("no domain %s", name);
    return 0;
}

Test(merge, domains_go_by_name)
{
    struct tm_snapshot *a = literal_snapshot(1);
    add_in(a, 1, 100);
    add_in(a, 2, 200);
    add_in(a, 0, 7);
    tmi_snapshot_add_domain(a, 1, "gpu");
    tmi_snapshot_add_domain(a, 2, "net");
    tmi_snapshot_finish(a);
    struct tm_snapshot *b = literal_snapshot(1);
    add_in(b, 1, 2000);
    add_in(b, 2, 1000);
    add_in(b, 0, 70);
    tmi_snapshot_add_domain(b, 1, "net");
    tmi_snapshot_add_domain(b, 2, "gpu");
    tmi_snapshot_finish(b);
    struct tm_snapshot *s = merged2(a, b);
    cr_assert_eq(s->domain_count, 2);
    cr_assert_eq(size_in(s, number_of(s, "gpu")), 1100);
    cr_assert_eq(size_in(s, number_of(s, "net")), 2200);
    cr_assert_eq(size_in(s, 0), 77);
    cr_assert_eq(number_of(s, "gpu"), 1, "its first number");
    tm_snapshot_free(s);
}

Test(merge, domains_without_name_keep_their_numbers)
{
    struct tm_snapshot *a = literal_snapshot(1);
    add_in(a, 5, 100);
    tmi_snapshot_add_domain(a, 5, "gpu");
    tmi_snapshot_finish(a);
    struct tm_snapshot *b = literal_snapshot(1);
    add_in(b, 5, 1);
    add_in(b, 1, 2);
    add_in(b, UINT32_MAX, 3);
    tmi_snapshot_finish(b);
    struct tm_snapshot *s = merged2(a, b);
    cr_assert_eq(size_in(s, 5), 1);
    cr_assert_eq(size_in(s, 1), 2);
    cr_assert_eq(size_in(s, UINT32_MAX), 3);
    cr_assert_eq(size_in(s, number_of(s, "gpu")), 100);
    cr_assert_eq(number_of(s, "gpu"), 2, "the first that is free");
    tm_snapshot_free(s);
}

/* ---- stacks ------------------------------------------------------------------------ */

Test(merge, the_depth_of_a_stack_is_part_of_it)
{
    struct tm_snapshot *a = literal_snapshot(2);
    literal_trace(a, 0, 1, 1, "1:a.c 2:b.c");
    tmi_snapshot_finish(a);
    struct tm_snapshot *b = literal_snapshot(2);
    literal_trace(b, 0, 2, 1, "1:a.c 2:b.c");
    b->traces[0].traceback.total_nframe = 9;
    literal_trace(b, 0, 4, 1, "2:b.c 1:a.c");
    literal_trace(b, 0, 8, 1, "2:b.c");
    tmi_snapshot_finish(b);
    struct tm_snapshot *s = merged2(a, b);
    cr_assert_eq(s->trace_count, 4);
    tm_snapshot_free(s);
}

Test(merge, what_nobody_holds_comes_along)
{
    struct tm_snapshot *a = literal_snapshot(1);
    literal_trace(a, 0, 0, 0, "1:a.c");
    a->traces[0].values[TMI_ALLOC_BYTES] = 70;
    tmi_snapshot_finish(a);
    struct tm_snapshot *b = literal_snapshot(1);
    literal_trace(b, 0, 5, 1, "1:a.c");
    tmi_snapshot_finish(b);
    struct tm_snapshot *s = merged2(a, b);
    cr_assert_eq(s->trace_count, 1);
    cr_assert_eq(tm_snapshot_trace_count(s), 1);
    cr_assert_eq(s->traces[0].values[TMI_ALLOC_BYTES], 70);
    tm_snapshot_free(s);
}

Test(merge, more_than_there_are_numbers)
{
    struct tm_snapshot *parts[3];
    for (int i = 0; i < 3; i++) {
        parts[i] = literal_snapshot(1);
        literal_trace(parts[i], 0, (uint64_t)INT64_MAX, 1, "1:a.c");
        tmi_snapshot_finish(parts[i]);
    }
    struct tm_snapshot *s = merged(parts, 3);
    cr_assert_eq(s->trace_count, 1);
    cr_assert_eq(s->traces[0].values[TMI_INUSE_BYTES], UINT64_MAX);
    cr_assert_eq(s->traces[0].values[TMI_INUSE_BLOCKS], 3);
    tm_snapshot_free(s);
}

/* ---- the whole --------------------------------------------------------------------- */

static struct tm_snapshot *about(int limit, const char *kind, const char *command,
                                 int64_t nanos, uint64_t peak)
{
    struct tm_snapshot *s = literal_snapshot(limit);
    literal_trace(s, 0, 1, 1, "1:a.c");
    s->about.kind = tmi_snapshot_text(s, kind, strlen(kind));
    s->about.command = tmi_snapshot_text(s, command, strlen(command));
    s->about.pid = 17;
    s->about.time_nanos = nanos;
    s->about.current = 10;
    s->about.peak = peak;
    s->about.overhead = 3;
    s->about.by_libgcc = 4;
    s->about.guessed = 5;
    tmi_snapshot_finish(s);
    return s;
}

Test(merge, what_is_said_of_the_whole)
{
    struct tm_snapshot *s =
        merged((struct tm_snapshot *[]){about(5, "live", "prog a", 900, 50),
                                        about(25, "live", "prog b", 0, 70),
                                        about(1, "live", "prog a", 800, 90)},
               3);
    cr_assert_eq(s->about.traceback_limit, 25);
    cr_assert_str_eq(s->about.kind, "live");
    cr_assert_str_eq(s->about.command, "prog a + prog b");
    cr_assert_eq(s->about.pid, 0);
    cr_assert_eq(s->about.processes, 3);
    cr_assert_eq(s->about.time_nanos, 800);
    cr_assert_eq(s->about.current, 30);
    cr_assert_eq(s->about.peak, 210);
    cr_assert_eq(s->about.overhead, 9);
    cr_assert_eq(s->about.by_libgcc, 12);
    cr_assert_eq(s->about.guessed, 15);
    s = merged2(s, about(1, "peak", "", 1, UINT64_MAX));
    cr_assert_eq(s->about.processes, 4);
    cr_assert_str_eq(s->about.kind, "");
    cr_assert_eq(s->about.peak, UINT64_MAX);
    tm_snapshot_free(s);
}

Test(merge, one_alone_stays_what_it_is)
{
    struct tm_snapshot *one = about(5, "peak", "prog", 900, 50);
    struct tm_snapshot *s = merged(&one, 1);
    cr_assert_eq(s->about.pid, 17);
    cr_assert_eq(s->about.processes, 1);
    cr_assert_str_eq(s->about.kind, "peak");
    cr_assert_str_eq(s->about.command, "prog");
    tm_snapshot_free(s);
}

Test(merge, nothing_at_all)
{
    struct tm_snapshot *s = merged(NULL, 0);
    cr_assert_eq(s->trace_count, 0);
    cr_assert_eq(tm_snapshot_traceback_limit(s), 1);
    tm_snapshot_free(s);
}

Test(merge, a_thousand_commands_are_cut_between_two)
{
    struct tm_snapshot *all[200];
    for (int i = 0; i < 200; i++) {
        char command[32];
        snprintf(command, sizeof command, "program --number=%03d", i);
        all[i] = about(1, "live", command, 1, 1);
    }
    struct tm_snapshot *s = merged(all, 200);
    size_t len = strlen(s->about.command);
    cr_assert(len > 900 && len < TMI_MERGE_COMMAND_BYTES);
    cr_assert_eq((len + 3) % 23, 0, "commands of 20 bytes, 3 between two");
    tm_snapshot_free(s);
}

/* ---- sums -------------------------------------------------------------------------- */

/* Up to 30 traces of a program of 12 lines, through the public builder. */
static struct tm_snapshot *random_snapshot(uint64_t *state)
{
    static const char *const FILES[] = {"", "a.c", "\xC3\xA9.c", "<unknown>"};
    struct tm_snapshot *s = tm_snapshot_new(5);
    for (uint64_t n = random_below(state, 30); n > 0; n--) {
        tm_frame_t frames[5];
        size_t nframes = 1 + random_below(state, 5);
        for (size_t i = 0; i < nframes; i++) {
            frames[i] = (tm_frame_t){.filename = FILES[random_below(state, 4)],
                                     .lineno = 1 + (uint32_t)random_below(state, 3),
                                     .module = random_below(state, 2) ? "m" : NULL};
        }
        cr_assert_eq(tm_snapshot_add(s, (tm_domain_t)random_below(state, 3),
                                     random_below(state, 1000), random_below(state, 5),
                                     frames, nframes, 0),
                     0);
    }
    return s;
}

/* What a snapshot has of a group, which another one gave. */
static tm_statistic_t find(const tm_statistics_t *st, const tm_statistic_t *group)
{
    for (size_t i = 0; i < tm_statistics_count(st); i++) {
        tm_statistic_t here;
        char text[2048];
        tm_statistics_get(st, i, &here);
        strcpy(text, literal_frames(here.traceback));
        if (strcmp(text, literal_frames(group->traceback)) == 0 &&
            here.domain == group->domain) {
            return here;
        }
    }
    return (tm_statistic_t){.size = 0};
}

static void expect_sums(struct tm_snapshot *const part[2], const struct tm_snapshot *sum,
                        tm_key_t key, bool cumulative)
{
    tm_statistics_t *all = tm_snapshot_statistics(sum, key, cumulative);
    tm_statistics_t *of[2];
    size_t found[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        of[i] = tm_snapshot_statistics(part[i], key, cumulative);
    }
    for (size_t i = 0; i < tm_statistics_count(all); i++) {
        tm_statistic_t group;
        tm_statistics_get(all, i, &group);
        tm_statistic_t a = find(of[0], &group);
        tm_statistic_t b = find(of[1], &group);
        cr_assert_eq(group.size, a.size + b.size);
        cr_assert_eq(group.count, a.count + b.count);
        found[0] += a.traceback != NULL;
        found[1] += b.traceback != NULL;
    }
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(found[i], tm_statistics_count(of[i]), "none is missing");
        tm_statistics_free(of[i]);
    }
    tm_statistics_free(all);
}

Test(merge, statistics_of_the_sum_are_the_sum_of_statistics, .timeout = 60)
{
    uint64_t state = 20;
    for (int round = 0; round < 200; round++) {
        struct tm_snapshot *part[2] = {random_snapshot(&state), random_snapshot(&state)};
        struct tmi_merge m;
        cr_assert_eq(tmi_merge_begin(&m), 0);
        cr_assert_eq(tmi_merge_add(&m, part[0]), 0);
        cr_assert_eq(tmi_merge_add(&m, part[1]), 0);
        struct tm_snapshot *sum = tmi_merge_end(&m);
        cr_assert(tmi_snapshot_check(sum));
        cr_assert_leq(sum->trace_count, part[0]->trace_count + part[1]->trace_count);
        expect_sums(part, sum, TM_KEY_LINENO, false);
        expect_sums(part, sum, TM_KEY_LINENO, true);
        expect_sums(part, sum, TM_KEY_FILENAME, false);
        expect_sums(part, sum, TM_KEY_TRACEBACK, false);
        expect_sums(part, sum, TM_KEY_MODULE, false);
        expect_sums(part, sum, TM_KEY_DOMAIN, false);
        tm_snapshot_free(sum);
        tm_snapshot_free(part[0]);
        tm_snapshot_free(part[1]);
    }
}
