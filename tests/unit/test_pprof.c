/* SPDX-License-Identifier: MIT */
/*
 * Files: what is written is read back as it was; what others write is understood; what is
 * damaged, in any single byte or by being cut anywhere, is refused with a reason or read
 * as something that is sound. And the promise about the file itself: whole or absent.
 *
 * Profiles of other producers are packed here by protobuf-c from literal messages, and
 * everything read goes through files in memory.
 */
#include "pprof/dump.h"
#include "pprof/load.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "profile.pb-c.h"
#include "support/literal.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

/* ---- help -------------------------------------------------------------------------- */

static char directory[64];

static void begin(void)
{
    strcpy(directory, "/tmp/tmalloc-pprof-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
}

static void end(void)
{
    cr_assert_eq(chdir("/"), 0);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(pprof, .init = begin, .fini = end);

static size_t read_file(const char *path, uint8_t *bytes, size_t room)
{
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    size_t len = fread(bytes, 1, room, f);
    cr_assert_lt(len, room);
    fclose(f);
    return len;
}

/* The uncompressed content of a gzip file, by zlib's own reader. */
static size_t read_content(const char *path, uint8_t *bytes, size_t room)
{
    gzFile f = gzopen(path, "r");
    cr_assert_not_null(f);
    int len = gzread(f, bytes, (unsigned)room);
    cr_assert(len >= 0 && (size_t)len < room);
    cr_assert_eq(gzclose(f), Z_OK);
    return (size_t)len;
}

static int load_bytes(const uint8_t *bytes, size_t len, struct tm_snapshot **s,
                      struct tmi_error *error)
{
    static int fd = -1;
    char path[64];
    if (fd < 0) {
        fd = memfd_create("profile", MFD_CLOEXEC);
    }
    cr_assert_eq(ftruncate(fd, 0), 0);
    cr_assert_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return tmi_pprof_load(path, s, error);
}

static void expect_equal_module(const struct tmi_module *a, const struct tmi_module *b)
{
    cr_assert_str_eq(a->name, b->name);
    cr_assert_eq(a->build_id_bytes, b->build_id_bytes);
    cr_assert_eq(a->build_id == NULL, b->build_id == NULL);
    cr_assert(a->build_id == NULL ||
              memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0);
    cr_assert_eq(a->start, b->start);
    cr_assert_eq(a->limit, b->limit);
    cr_assert_eq(a->offset, b->offset);
}

static void expect_equal_location(const struct tm_snapshot *a, uint32_t i,
                                  const struct tm_snapshot *b, uint32_t k)
{
    const struct tmi_location *x = &a->locations[i];
    const struct tmi_location *y = &b->locations[k];
    cr_assert_eq(x->address, y->address);
    cr_assert_eq(x->module, y->module);
    cr_assert_eq(x->nlines, y->nlines);
    for (uint32_t n = 0; n < x->nlines; n++) {
        const struct tmi_line *p = &a->lines[x->first_line + n];
        const struct tmi_line *q = &b->lines[y->first_line + n];
        cr_assert_str_eq(p->filename, q->filename);
        cr_assert_str_eq(p->function, q->function);
        cr_assert_eq(p->lineno, q->lineno);
    }
}

static void expect_equal(const struct tm_snapshot *a, const struct tm_snapshot *b)
{
    cr_assert(tmi_snapshot_check(a));
    cr_assert(tmi_snapshot_check(b));
    cr_assert_eq(a->about.traceback_limit, b->about.traceback_limit);
    cr_assert_str_eq(a->about.kind, b->about.kind);
    cr_assert_str_eq(a->about.command, b->about.command);
    cr_assert_eq(a->about.pid, b->about.pid);
    cr_assert_eq(a->about.current, b->about.current);
    cr_assert_eq(a->about.peak, b->about.peak);
    cr_assert_eq(a->about.overhead, b->about.overhead);
    cr_assert(a->about.by_libgcc == b->about.by_libgcc &&
              a->about.guessed == b->about.guessed);
    cr_assert_eq(a->about.period, b->about.period);
    cr_assert_eq(a->about.time_nanos, b->about.time_nanos);
    cr_assert_eq(a->module_count, b->module_count);
    for (uint32_t i = 0; i < a->module_count; i++) {
        expect_equal_module(&a->modules[i], &b->modules[i]);
    }
    cr_assert_eq(a->domain_count, b->domain_count);
    for (uint32_t i = 0; i < a->domain_count; i++) {
        cr_assert_eq(a->domains[i].domain, b->domains[i].domain);
        cr_assert_str_eq(a->domains[i].name, b->domains[i].name);
    }
    cr_assert_eq(a->trace_count, b->trace_count);
    cr_assert_eq(a->live_count, b->live_count);
    for (size_t i = 0; i < a->trace_count; i++) {
        const struct tmi_trace *x = &a->traces[i];
        const struct tmi_trace *y = &b->traces[i];
        cr_assert_eq(x->domain, y->domain);
        cr_assert_eq(memcmp(x->values, y->values, sizeof x->values), 0);
        cr_assert_eq(x->traceback.nframes, y->traceback.nframes);
        cr_assert_eq(x->traceback.total_nframe, y->traceback.total_nframe);
        for (uint32_t k = 0; k < x->traceback.nframes; k++) {
            expect_equal_location(a, a->frames[x->traceback.first_frame + k], b,
                                  b->frames[y->traceback.first_frame + k]);
        }
    }
}

/* ---- a snapshot with everything ---------------------------------------------------- */

static void add(struct tm_snapshot *s, tm_domain_t domain, const uint64_t *values,
                uint32_t newest, uint32_t oldest, uint32_t total_nframe)
{
    uint32_t frames[] = {newest, oldest};
    cr_assert_eq(tmi_snapshot_add_trace(s, domain, values, frames, 2, total_nframe), 0);
}

static struct tm_snapshot *full_snapshot(void)
{
    struct tm_snapshot *s = tmi_snapshot_create(25);
    struct tmi_module modules[] = {
        {"/usr/bin/prog", (const uint8_t *)"\0\x12\xAB", 3, 0x400000, 0x410000, 0x1000},
        {"[vdso]", NULL, 0, 0x7fff00000000, 0x7fff00002000, 0},
    };
    s->about.kind = tmi_snapshot_text(s, "peak", 4);
    s->about.command = tmi_snapshot_text(s, "prog --tab\t=1", 13);
    s->about.pid = 4711;
    s->about.current = 1234567890123;
    s->about.peak = UINT64_MAX;
    s->about.overhead = 99;
    s->about.by_libgcc = s->about.guessed = 98765432101;
    s->about.period = 524288;
    s->about.time_nanos = 1700000000123456789;
    tmi_snapshot_add_module(s, &modules[0]);
    tmi_snapshot_add_module(s, &modules[1]);
    uint32_t raw = (uint32_t)tmi_snapshot_add_location(s, 0x400123, 0);
    uint32_t inlined = (uint32_t)tmi_snapshot_add_location(s, 0x400200, 0);
    uint32_t vdso = (uint32_t)tmi_snapshot_add_location(s, 0x7fff00000400, 1);
    uint32_t nowhere = (uint32_t)tmi_snapshot_add_location(s, 0, TMI_NO_MODULE);
    uint32_t last = (uint32_t)tmi_snapshot_add_location(s, UINT64_MAX, TMI_NO_MODULE);
    struct tmi_line lines[] = {
        {"inl.h", "inner<int>", 7}, {"mid.c", "mid", UINT32_MAX}, {"main.c", "main", 3}};
    tmi_snapshot_set_lines(s, inlined, lines, 3);
    tmi_snapshot_set_lines(s, vdso, (struct tmi_line[]){{"", "only_name", 0}}, 1);
    add(s, 0, (uint64_t[]){2, 300, 5, 800, 1}, inlined, raw, 2);
    add(s, 0, (uint64_t[]){0, 0, 7, 70, 7}, vdso, raw, 65535);
    add(s, 9, (uint64_t[]){1, INT64_MAX / 2, 1, 1, 0}, last, nowhere, 0);
    add(s, UINT32_MAX, (uint64_t[]){3, 0, 3, 0, 0}, raw, inlined, 3);
    tmi_snapshot_add_domain(s, 9, "gpu");
    tmi_snapshot_finish(s);
    cr_assert(tmi_snapshot_check(s));
    return s;
}

Test(pprof, load_of_dump_is_the_same)
{
    struct tm_snapshot *s = full_snapshot();
    struct tm_snapshot *loaded;
    struct tmi_error error = {""};
    cr_assert_eq(tmi_pprof_dump(s, "out.pb.gz", &error), 0, "%s", error.text);
    cr_assert_eq(tmi_pprof_load("out.pb.gz", &loaded, &error), 0, "%s", error.text);
    expect_equal(s, loaded);
    cr_assert_eq(loaded->live_count, 3);
    tm_snapshot_free(loaded);
    /* Uncompressed as well. */
    uint8_t content[8192];
    size_t len = read_content("out.pb.gz", content, sizeof content);
    cr_assert_eq(load_bytes(content, len, &loaded, &error), 0, "%s", error.text);
    expect_equal(s, loaded);
    tm_snapshot_free(loaded);
    tm_snapshot_free(s);
}

Test(pprof, many_traces)
{
    struct tm_snapshot *s = literal_snapshot(3);
    for (unsigned i = 0; i < 20000; i++) {
        char frames[64];
        sprintf(frames, "%u:a.c %u:b.c<%u:c.c", 1 + i % 20, 1 + i % 7, 1 + i % 3);
        literal_trace(s, i % 4, i, i % 5, frames);
    }
    tmi_snapshot_finish(s);
    struct tm_snapshot *loaded;
    cr_assert_eq(tmi_pprof_dump(s, "out", NULL), 0);
    cr_assert_eq(tmi_pprof_load("out", &loaded, NULL), 0);
    expect_equal(s, loaded);
    tm_snapshot_free(loaded);
    tm_snapshot_free(s);
}

Test(pprof, an_empty_snapshot)
{
    struct tm_snapshot *s = literal_snapshot(1);
    tmi_snapshot_finish(s);
    struct tm_snapshot *loaded;
    cr_assert_eq(tmi_pprof_dump(s, "out", NULL), 0);
    cr_assert_eq(tmi_pprof_load("out", &loaded, NULL), 0);
    expect_equal(s, loaded);
    tm_snapshot_free(loaded);
    tm_snapshot_free(s);
}

/* ---- what is in the file ----------------------------------------------------------- */

typedef Perftools__Profiles__Profile Profile;
typedef Perftools__Profiles__Sample Sample;
typedef Perftools__Profiles__Label Label;

static const char *string_of(const Profile *p, int64_t index)
{
    cr_assert(index >= 0 && (size_t)index < p->n_string_table);
    return p->string_table[index];
}

static bool has_comment(const Profile *p, const char *text)
{
    for (size_t i = 0; i < p->n_comment; i++) {
        if (strcmp(string_of(p, p->comment[i]), text) == 0) {
            return true;
        }
    }
    return false;
}

static Profile *dumped(struct tm_snapshot *s)
{
    static uint8_t content[65536];
    cr_assert_eq(tmi_pprof_dump(s, "out", NULL), 0);
    size_t len = read_content("out", content, sizeof content);
    Profile *p = perftools__profiles__profile__unpack(NULL, len, content);
    cr_assert_not_null(p, "one message for any reader of protobuf");
    return p;
}

Test(pprof, the_file_is_what_the_format_says)
{
    static const char *const TYPES[][2] = {{"inuse_objects", "count"},
                                           {"inuse_space", "bytes"},
                                           {"alloc_objects", "count"},
                                           {"alloc_space", "bytes"},
                                           {"temporary_objects", "count"}};
    struct tm_snapshot *s = full_snapshot();
    Profile *p = dumped(s);
    cr_assert_eq(p->n_sample_type, 5);
    for (int i = 0; i < 5; i++) {
        cr_assert_str_eq(string_of(p, p->sample_type[i]->type), TYPES[i][0]);
        cr_assert_str_eq(string_of(p, p->sample_type[i]->unit), TYPES[i][1]);
    }
    cr_assert_str_eq(string_of(p, p->default_sample_type), "inuse_space");
    cr_assert_str_eq(string_of(p, 0), "");
    cr_assert_eq(p->time_nanos, 1700000000123456789);
    cr_assert_eq(p->period, 524288);
    cr_assert_str_eq(string_of(p, p->period_type->type), "space");
    cr_assert_str_eq(string_of(p, p->period_type->unit), "bytes");
    cr_assert(has_comment(p, "tmalloc.traceback_limit=25"));
    cr_assert(has_comment(p, "tmalloc.kind=peak"));
    cr_assert(has_comment(p, "tmalloc.current=1234567890123"));
    cr_assert(has_comment(p, "tmalloc.peak=18446744073709551615"));
    cr_assert(has_comment(p, "tmalloc.overhead=99"));
    cr_assert(has_comment(p, "tmalloc.stacks_by_libgcc=98765432101"));
    cr_assert(has_comment(p, "tmalloc.stacks_guessed=98765432101"));
    cr_assert(has_comment(p, "tmalloc.pid=4711"));
    cr_assert(has_comment(p, "tmalloc.command=prog --tab\t=1"));
    cr_assert_eq(p->n_mapping, 2);
    cr_assert_eq(p->mapping[0]->memory_start, 0x400000);
    cr_assert_eq(p->mapping[0]->memory_limit, 0x410000);
    cr_assert_eq(p->mapping[0]->file_offset, 0x1000);
    cr_assert_str_eq(string_of(p, p->mapping[0]->filename), "/usr/bin/prog");
    cr_assert_str_eq(string_of(p, p->mapping[0]->build_id), "0012ab");
    cr_assert(p->mapping[0]->has_functions && p->mapping[0]->has_filenames &&
              p->mapping[0]->has_line_numbers && p->mapping[0]->has_inline_frames);
    cr_assert(p->mapping[1]->has_functions && !p->mapping[1]->has_filenames);
    perftools__profiles__profile__free_unpacked(p, NULL);
    tm_snapshot_free(s);
}

Test(pprof, samples_and_locations_in_the_file)
{
    struct tm_snapshot *s = full_snapshot();
    Profile *p = dumped(s);
    cr_assert_eq(p->n_sample, 4, "also what is not alive");
    const Sample *newest_first = p->sample[0];
    cr_assert_eq(newest_first->n_location_id, 2);
    const Perftools__Profiles__Location *inlined =
        p->location[newest_first->location_id[0] - 1];
    cr_assert_eq(inlined->id, newest_first->location_id[0]);
    cr_assert_eq(inlined->address, 0x4001FF, "the call, not the return");
    cr_assert_eq(inlined->n_line, 3);
    cr_assert_eq(inlined->line[0]->line, 7, "the innermost is the first");
    const Perftools__Profiles__Function *inner =
        p->function[inlined->line[0]->function_id - 1];
    cr_assert_str_eq(string_of(p, inner->name), "inner<int>");
    cr_assert_str_eq(string_of(p, inner->filename), "inl.h");
    cr_assert_eq(newest_first->n_value, 5);
    cr_assert_eq(newest_first->value[1], 300);
    cr_assert_eq(newest_first->value[4], 1);
    bool seen_domain = false;
    for (size_t i = 0; i < p->n_sample; i++) {
        for (size_t k = 0; k < p->sample[i]->n_label; k++) {
            const Label *label = p->sample[i]->label[k];
            const char *key = string_of(p, label->key);
            if (strcmp(key, "domain_name") == 0) {
                cr_assert_str_eq(string_of(p, label->str), "gpu");
                seen_domain = true;
            }
        }
    }
    cr_assert(seen_domain);
    perftools__profiles__profile__free_unpacked(p, NULL);
    tm_snapshot_free(s);
}

/* protobuf's strings are UTF-8, names of files are bytes. */
Test(pprof, names_that_are_not_utf8)
{
    struct tm_snapshot *s = literal_snapshot(1);
    literal_trace(s, 0, 1, 1, "1:a\xFF\xC3.c");
    tmi_snapshot_finish(s);
    Profile *p = dumped(s);
    bool seen = false;
    for (size_t i = 0; i < p->n_string_table; i++) {
        seen |= strcmp(p->string_table[i], "a\xEF\xBF\xBD\xEF\xBF\xBD.c") == 0;
    }
    cr_assert(seen);
    perftools__profiles__profile__free_unpacked(p, NULL);
    tm_snapshot_free(s);
}

/* ---- damage ------------------------------------------------------------------------ */

/* Refused with a reason, or read as something that is sound. */
static void survive(const uint8_t *bytes, size_t len)
{
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    int err = load_bytes(bytes, len, &s, &error);
    if (err == 0) {
        cr_assert(tmi_snapshot_check(s));
        cr_assert_geq(tm_snapshot_traceback_limit(s), 1);
        tm_snapshot_free(s);
    } else {
        cr_assert(err == -EBADMSG, "%d: %s", err, error.text);
        cr_assert_gt(strlen(error.text), 5);
        cr_assert_null(s);
    }
}

static void refuse(const uint8_t *bytes, size_t len)
{
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    cr_assert_eq(load_bytes(bytes, len, &s, &error), -EBADMSG, "read %zu bytes", len);
    cr_assert_null(s);
    cr_assert_gt(strlen(error.text), 5);
}

static void damage_each_byte(uint8_t *bytes, size_t len)
{
    static const uint8_t CHANGES[] = {0x01, 0x80, 0xFF, 0x08, 0x7E};
    for (size_t i = 0; i < len; i++) {
        for (size_t k = 0; k < sizeof CHANGES; k++) {
            bytes[i] ^= CHANGES[k];
            survive(bytes, len);
            bytes[i] ^= CHANGES[k];
        }
    }
}

Test(pprof, damaged_file, .timeout = 120)
{
    uint8_t bytes[8192];
    struct tm_snapshot *s = full_snapshot();
    tmi_pprof_dump(s, "out", NULL);
    size_t len = read_file("out", bytes, sizeof bytes);
    for (size_t cut = 0; cut < len; cut++) {
        refuse(bytes, cut);
    }
    damage_each_byte(bytes, len);
    bytes[len] = 'x';
    refuse(bytes, len + 1);
    tm_snapshot_free(s);
}

Test(pprof, damaged_content, .timeout = 120)
{
    uint8_t bytes[8192];
    struct tm_snapshot *s = full_snapshot();
    tmi_pprof_dump(s, "out", NULL);
    size_t len = read_content("out", bytes, sizeof bytes);
    for (size_t cut = 0; cut < len; cut++) {
        survive(bytes, cut);
    }
    damage_each_byte(bytes, len);
    tm_snapshot_free(s);
}

Test(pprof, two_members_of_gzip_are_one_file)
{
    uint8_t bytes[8192];
    struct tm_snapshot *s = full_snapshot();
    tmi_pprof_dump(s, "out", NULL);
    size_t len = read_content("out", bytes, sizeof bytes);
    gzFile f = gzopen("two", "w");
    gzwrite(f, bytes, 100);
    gzclose(f);
    f = gzopen("two", "a");
    gzwrite(f, bytes + 100, (unsigned)len - 100);
    gzclose(f);
    struct tm_snapshot *loaded;
    cr_assert_eq(tmi_pprof_load("two", &loaded, NULL), 0);
    expect_equal(s, loaded);
    tm_snapshot_free(loaded);
    tm_snapshot_free(s);
}

Test(pprof, what_is_no_profile)
{
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    refuse((const uint8_t *)"", 0);
    refuse((const uint8_t *)"x", 1);
    refuse((const uint8_t *)"\x1F\x8B", 2);
    refuse((const uint8_t *)"hello, world\n", 13);
    refuse((const uint8_t *)"\x32\x00", 2);          /* a string table, no types */
    refuse((const uint8_t *)"\x32\x01z\x0A\x00", 5); /* that does not begin with "" */
    refuse((const uint8_t *)"\x0A\x00", 2);          /* a type, no strings */
    refuse((const uint8_t *)"\x32\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11);
    refuse((const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 11);
    cr_assert_eq(tmi_pprof_load("missing", &s, &error), -ENOENT);
    cr_assert_eq(tmi_pprof_load(".", &s, &error), -EISDIR);
    cr_assert_null(s);
}

/* 400 MiB of content in a file of 400 KiB, on a machine that has 300 MiB. */
Test(pprof, a_file_that_grows_too_much, .timeout = 60)
{
    gzFile f = gzopen("bomb", "w9");
    static uint8_t block[1 << 20];
    memset(block, 0x0A, sizeof block);
    for (int i = 0; i < 400; i++) {
        gzwrite(f, block, sizeof block);
    }
    gzclose(f);
    struct rlimit before;
    getrlimit(RLIMIT_AS, &before);
    struct rlimit tight = {(rlim_t)300 << 20, before.rlim_max};
    setrlimit(RLIMIT_AS, &tight);
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    int err = tmi_pprof_load("bomb", &s, &error);
    setrlimit(RLIMIT_AS, &before);
    cr_assert_eq(err, -ENOMEM, "%d: %s", err, error.text);
}
