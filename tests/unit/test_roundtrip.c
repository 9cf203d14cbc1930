/* SPDX-License-Identifier: MIT */
/*
 * What was dumped loads equal: many random snapshots, with all that a snapshot can have
 * in it, written and read back and compared as their readers see them. And once more:
 * what the second file has is what the first one has, byte by byte.
 *
 * Not told apart by a file: names that are not UTF-8 (repaired, see test_pprof.c), values
 * above 2^63 - 1, domains that no trace is in, and a return address of 1, which is none.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pprof/dump.h"
#include "pprof/load.h"
#include "support/random.h"
#include "view/frame.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static uint64_t state;

static uint64_t below(uint64_t n)
{
    return random_below(&state, n);
}

static char long_name[5000];

static const char *name(void)
{
    static const char *const NAMES[] = {
        "",
        " ",
        "a.c",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "operator new(unsigned long)",
        "std::map<int, char*>::insert<'\"'>(\\)",
        "\xC3\xA9t\xC3\xA9.c",
        "\xE6\x97\xA5\xE6\x9C\xAC/\xF0\x9F\x8E\x89.rs",
        "\xEF\xBF\xBD",
        "tab\tnewline\nescape\033[1m\177",
        "<unknown>",
        "tmalloc.kind=live",
        "e\xCC\x81",
    };
    memset(long_name, 'n', sizeof long_name - 1);
    uint64_t i = below(sizeof NAMES / sizeof *NAMES + 1);
    return i < sizeof NAMES / sizeof *NAMES ? NAMES[i] : long_name;
}

/* Small and large ones alike, never 1. */
static uint64_t number(unsigned bits)
{
    uint64_t n = next_random(&state) >> (64 - 1 - below(bits));
    return n == 1 ? 2 : n;
}

static uint64_t or_zero(uint64_t n)
{
    return below(3) == 0 ? 0 : n;
}

static void describe(struct tm_snapshot *s)
{
    const char *command = name();
    s->about.kind = below(2) ? tmi_snapshot_text(s, "live", 4) : s->about.kind;
    s->about.command = tmi_snapshot_text(s, command, strlen(command));
    s->about.pid = (int)or_zero(1 + number(30));
    s->about.processes = (uint32_t)below(2) * (2 + (uint32_t)number(30));
    s->about.current = or_zero(number(64));
    s->about.peak = or_zero(number(64));
    s->about.overhead = or_zero(number(64));
    s->about.by_libgcc = or_zero(number(64));
    s->about.guessed = or_zero(number(64));
    s->about.period = or_zero(number(63));
    s->about.time_nanos = (int64_t)or_zero(number(63));
}

static void add_modules(struct tm_snapshot *s)
{
    static const uint8_t ID[] = "\x00\xFF\x12 some build id that is rather long";
    for (uint64_t n = below(5); n > 0; n--) {
        struct tmi_module module = {.name = name(),
                                    .build_id = ID,
                                    .build_id_bytes = (uint32_t)below(sizeof ID),
                                    .start = or_zero(number(62)),
                                    .offset = or_zero(number(64))};
        module.limit = module.start + or_zero(number(40));
        cr_assert_geq(tmi_snapshot_add_module(s, &module), 0);
    }
}

static void add_locations(struct tm_snapshot *s)
{
    for (uint64_t n = 1 + below(20); n > 0; n--) {
        uint64_t m = below(s->module_count + (uint64_t)1);
        uint32_t module = m == s->module_count ? TMI_NO_MODULE : (uint32_t)m;
        int64_t location = tmi_snapshot_add_location(s, or_zero(number(64)), module);
        struct tmi_line lines[4];
        uint32_t count = (uint32_t)below(5);
        for (uint32_t i = 0; i < count; i++) {
            lines[i] = (struct tmi_line){name(), name(), (uint32_t)or_zero(number(32))};
        }
        cr_assert_eq(tmi_snapshot_set_lines(s, (uint32_t)location, lines, count), 0);
    }
}

static void add_traces(struct tm_snapshot *s)
{
    for (uint64_t n = below(30); n > 0; n--) {
        uint32_t frames[70];
        uint32_t nframes = (uint32_t)(below(4) ? 1 + below(5) : 1 + below(70));
        uint64_t values[TMI_VALUE_COUNT];
        for (uint32_t i = 0; i < nframes; i++) {
            frames[i] = (uint32_t)below(s->location_count);
        }
        for (int i = 0; i < TMI_VALUE_COUNT; i++) {
            values[i] = or_zero(number(63)); /* their sums fit in no number */
        }
        uint32_t total = (uint32_t)or_zero(nframes + below(65536 - nframes));
        tm_domain_t domain = below(2) ? (tm_domain_t)below(3) : (tm_domain_t)number(32);
        cr_assert_eq(tmi_snapshot_add_trace(s, domain, values, frames, nframes, total),
                     0);
        bool named = false;
        for (uint32_t i = 0; i < s->domain_count; i++) {
            named = named || s->domains[i].domain == domain;
        }
        const char *text = name();
        if (!named && text[0] != '\0') {
            cr_assert_eq(tmi_snapshot_add_domain(s, domain, text), 0);
        }
    }
}

/* As the runtime makes them: modules, addresses, and symbols where they are known. */
static struct tm_snapshot *of_a_process(void)
{
    struct tm_snapshot *s = tmi_snapshot_create(1 + (int)below(65535));
    describe(s);
    add_modules(s);
    add_locations(s);
    add_traces(s);
    tmi_snapshot_finish(s);
    return s;
}

/* As a program makes them of its own numbers. */
static struct tm_snapshot *of_own_numbers(void)
{
    struct tm_snapshot *s = tm_snapshot_new(1 + (int)below(65535));
    for (uint64_t n = below(30); n > 0; n--) {
        tm_frame_t frames[9];
        char names[9][3][sizeof long_name];
        size_t nframes = 1 + below(9);
        for (size_t i = 0; i < nframes; i++) {
            strcpy(names[i][0], name());
            strcpy(names[i][1], name());
            strcpy(names[i][2], name());
            frames[i] = (tm_frame_t){.filename = below(4) ? names[i][0] : NULL,
                                     .lineno = (uint32_t)or_zero(number(32)),
                                     .function = below(4) ? names[i][1] : NULL,
                                     .module = below(2) ? names[i][2] : NULL,
                                     .address = or_zero(number(64))};
        }
        cr_assert_eq(tm_snapshot_add(s, (tm_domain_t)or_zero(number(32)), number(58),
                                     number(58), frames, nframes, 0),
                     0);
    }
    return s;
}

/* ---- equal, as readers see it ------------------------------------------------------ */

static void expect_equal_module(const struct tmi_module *a, const struct tmi_module *b)
{
    cr_assert_str_eq(a->name, b->name);
    cr_assert_eq(a->build_id_bytes, b->build_id_bytes);
    cr_assert(a->build_id_bytes == 0 ||
              memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0);
    cr_assert(a->start == b->start && a->limit == b->limit && a->offset == b->offset);
}

static void expect_equal_location(const struct tm_snapshot *a, uint32_t i,
                                  const struct tm_snapshot *b, uint32_t k)
{
    const struct tmi_location *x = &a->locations[i];
    const struct tmi_location *y = &b->locations[k];
    cr_assert_eq(x->module, y->module);
    cr_assert_eq(tmi_frame_count(x), tmi_frame_count(y));
    for (uint32_t n = 0; n < tmi_frame_count(x); n++) {
        tm_frame_t p, q;
        tmi_frame_get(a, i, n, &p);
        tmi_frame_get(b, k, n, &q);
        cr_assert_str_eq(p.filename, q.filename);
        cr_assert_str_eq(p.function, q.function);
        cr_assert_str_eq(p.module, q.module);
        cr_assert_eq(p.lineno, q.lineno);
        cr_assert_eq(p.address, q.address);
    }
}

static void expect_equal_about(const struct tm_snapshot *a, const struct tm_snapshot *b)
{
    const struct tmi_snapshot_about *x = &a->about;
    const struct tmi_snapshot_about *y = &b->about;
    cr_assert_eq(x->traceback_limit, y->traceback_limit);
    cr_assert_str_eq(x->kind, y->kind);
    cr_assert_str_eq(x->command, y->command);
    cr_assert(x->pid == y->pid && x->processes == y->processes);
    cr_assert(x->current == y->current && x->peak == y->peak);
    cr_assert(x->overhead == y->overhead && x->by_libgcc == y->by_libgcc &&
              x->guessed == y->guessed && x->time_nanos == y->time_nanos);
    cr_assert_eq(x->period, y->period);
    cr_assert_eq(a->empty_is_name, b->empty_is_name);
}

/* The first trace with a domain tells its name: in what order is nothing to rely on. */
static void expect_equal_domains(const struct tm_snapshot *a, const struct tm_snapshot *b)
{
    cr_assert_eq(a->domain_count, b->domain_count);
    for (uint32_t i = 0; i < a->domain_count; i++) {
        uint32_t k = 0;
        while (k < b->domain_count && b->domains[k].domain != a->domains[i].domain) {
            k++;
        }
        cr_assert_lt(k, b->domain_count);
        cr_assert_str_eq(a->domains[i].name, b->domains[k].name);
    }
}

static void expect_equal(const struct tm_snapshot *a, const struct tm_snapshot *b)
{
    cr_assert(tmi_snapshot_check(a));
    cr_assert(tmi_snapshot_check(b));
    expect_equal_about(a, b);
    expect_equal_domains(a, b);
    cr_assert_eq(a->module_count, b->module_count);
    for (uint32_t i = 0; i < a->module_count; i++) {
        expect_equal_module(&a->modules[i], &b->modules[i]);
    }
    cr_assert_eq(a->trace_count, b->trace_count);
    cr_assert_eq(tm_snapshot_trace_count(a), tm_snapshot_trace_count(b));
    for (size_t i = 0; i < a->trace_count; i++) {
        const struct tmi_trace *x = &a->traces[i];
        const struct tmi_trace *y = &b->traces[i];
        cr_assert_eq(x->domain, y->domain);
        cr_assert_arr_eq(x->values, y->values, sizeof x->values);
        cr_assert_eq(x->traceback.nframes, y->traceback.nframes);
        cr_assert_eq(x->traceback.total_nframe, y->traceback.total_nframe);
        for (uint32_t k = 0; k < x->traceback.nframes; k++) {
            expect_equal_location(a, a->frames[x->traceback.first_frame + k], b,
                                  b->frames[y->traceback.first_frame + k]);
        }
    }
}

/* ---- there and back ---------------------------------------------------------------- */

static char *slurp(const char *path, size_t *len)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    *len = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*len + 1);
    cr_assert_eq(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

static void go_and_return(struct tm_snapshot *s)
{
    char paths[2][64];
    struct tm_snapshot *loaded;
    struct tmi_error error = {""};
    size_t len[2];
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "/dev/shm/tmalloc-roundtrip-%d-%d", getpid(),
                 i);
    }
    cr_assert_eq(tmi_pprof_dump(s, paths[0], &error), 0, "%s", error.text);
    cr_assert_eq(tmi_pprof_load(paths[0], &loaded, &error), 0, "%s", error.text);
    expect_equal(s, loaded);
    cr_assert_eq(tmi_pprof_dump(loaded, paths[1], &error), 0, "%s", error.text);
    char *first = slurp(paths[0], &len[0]);
    char *second = slurp(paths[1], &len[1]);
    cr_assert_eq(len[0], len[1]);
    cr_assert_arr_eq(first, second, len[0]);
    free(first);
    free(second);
    unlink(paths[0]);
    unlink(paths[1]);
    tm_snapshot_free(loaded);
    tm_snapshot_free(s);
}

Test(roundtrip, of_processes, .timeout = 120)
{
    for (state = 0; state < 300;) {
        uint64_t seed = state;
        go_and_return(of_a_process());
        state = seed + 1;
    }
}

Test(roundtrip, of_own_numbers, .timeout = 120)
{
    for (state = 1000; state < 1200;) {
        uint64_t seed = state;
        go_and_return(of_own_numbers());
        state = seed + 1;
    }
}
