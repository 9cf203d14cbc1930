/* SPDX-License-Identifier: MIT */
/*
 * Profiles that others wrote, and what is wrong with bad ones: literal messages, packed
 * by protobuf-c, with one detail at a time changed.
 *
 *     foreign/   sample types of others, ids, labels, what is left out
 *     wrong/     each id, index, number and sum that must be refused, with its reason
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pprof/load.h"
#include "profile.pb-c.h"
#include "support/literal.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

/* ---- a small profile, each part of which can be changed ---------------------------- */

enum { NO_TEXT, SPACE_TYPE, BYTES, OBJECTS, COUNT, PROG, MAIN, MAIN_C, KEY, LIMIT, HEX };

static char *strings[] = {"",       "inuse_space", "bytes", "inuse_objects",
                          "count",  "/bin/prog",   "main",  "main.c",
                          "domain", "x",           "c0ffee"};

static Perftools__Profiles__ValueType types[2];
static Perftools__Profiles__Mapping mapping;
static Perftools__Profiles__Function function;
static Perftools__Profiles__Line line;
static Perftools__Profiles__Location location;
static Perftools__Profiles__Label label;
static Perftools__Profiles__Sample sample;
static Perftools__Profiles__Profile profile;
static Perftools__Profiles__ValueType *type_list[] = {&types[0], &types[1]};
static Perftools__Profiles__Mapping *mapping_list[] = {&mapping, &mapping};
static Perftools__Profiles__Function *function_list[] = {&function, &function};
static Perftools__Profiles__Line *line_list[] = {&line};
static Perftools__Profiles__Location *location_list[] = {&location, &location};
static Perftools__Profiles__Label *label_list[] = {&label};
static Perftools__Profiles__Sample *sample_list[] = {&sample, &sample, &sample};
static uint64_t ids[] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
static int64_t values[] = {500, 2, 0};
static int64_t comments[] = {LIMIT};

static void fill_tables(void)
{
    mapping = (Perftools__Profiles__Mapping)PERFTOOLS__PROFILES__MAPPING__INIT;
    mapping.id = 1ull << 63;
    mapping.memory_start = 0x1000;
    mapping.memory_limit = 0x9000;
    mapping.filename = PROG;
    mapping.build_id = HEX;
    function = (Perftools__Profiles__Function)PERFTOOLS__PROFILES__FUNCTION__INIT;
    function.id = 77;
    function.name = MAIN;
    function.filename = MAIN_C;
    line = (Perftools__Profiles__Line)PERFTOOLS__PROFILES__LINE__INIT;
    line.function_id = 77;
    line.line = 12;
    location = (Perftools__Profiles__Location)PERFTOOLS__PROFILES__LOCATION__INIT;
    location.id = UINT64_MAX;
    location.mapping_id = 1ull << 63;
    location.address = 0x1FFF;
    location.n_line = 1;
    location.line = line_list;
}

static void fill(void)
{
    for (int i = 0; i < 2; i++) {
        types[i] = (Perftools__Profiles__ValueType)PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
        types[i].type = i == 0 ? SPACE_TYPE : OBJECTS;
        types[i].unit = i == 0 ? BYTES : COUNT;
    }
    fill_tables();
    label = (Perftools__Profiles__Label)PERFTOOLS__PROFILES__LABEL__INIT;
    sample = (Perftools__Profiles__Sample)PERFTOOLS__PROFILES__SAMPLE__INIT;
    sample.n_location_id = 1;
    sample.location_id = ids;
    sample.n_value = 2;
    sample.value = values;
    sample.label = label_list;
    profile = (Perftools__Profiles__Profile)PERFTOOLS__PROFILES__PROFILE__INIT;
    profile.n_sample_type = 2;
    profile.sample_type = type_list;
    profile.n_sample = profile.n_mapping = profile.n_location = profile.n_function = 1;
    profile.sample = sample_list;
    profile.mapping = mapping_list;
    profile.location = location_list;
    profile.function = function_list;
    profile.n_string_table = sizeof strings / sizeof *strings;
    profile.string_table = strings;
    profile.comment = comments;
}

static int load(struct tm_snapshot **s, struct tmi_error *error)
{
    size_t len = perftools__profiles__profile__get_packed_size(&profile);
    uint8_t *bytes = malloc(len);
    perftools__profiles__profile__pack(&profile, bytes);
    int fd = memfd_create("profile", MFD_CLOEXEC);
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    free(bytes);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int err = tmi_pprof_load(path, s, error);
    close(fd);
    return err;
}

static struct tm_snapshot *loaded(void)
{
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    cr_assert_eq(load(&s, &error), 0, "%s", error.text);
    cr_assert(tmi_snapshot_check(s));
    return s;
}

static void expect_first(uint64_t size, uint64_t count)
{
    struct tm_snapshot *s = loaded();
    tm_trace_t trace;
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    cr_assert_eq(trace.size, size);
    cr_assert_eq(trace.count, count);
    tm_snapshot_free(s);
}

TestSuite(foreign, .init = fill);
TestSuite(wrong, .init = fill);

Test(foreign, as_it_is)
{
    struct tm_snapshot *s = loaded();
    tm_trace_t trace;
    tm_frame_t frame;
    cr_assert_eq(tm_snapshot_trace_count(s), 1);
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    cr_assert_eq(trace.domain, 0);
    cr_assert_eq(trace.size, 500);
    cr_assert_eq(trace.count, 2);
    cr_assert_eq(tm_traceback_len(trace.traceback), 1);
    cr_assert_eq(tm_traceback_total_nframe(trace.traceback), 0, "not known");
    cr_assert_eq(tm_traceback_frame(trace.traceback, 0, &frame), 0);
    cr_assert_str_eq(frame.filename, "main.c");
    cr_assert_eq(frame.lineno, 12);
    cr_assert_str_eq(frame.function, "main");
    cr_assert_str_eq(frame.module, "/bin/prog");
    cr_assert_eq(frame.address, 0x2000, "of the instruction after the call");
    cr_assert_eq(s->modules[0].build_id_bytes, 3);
    cr_assert_eq(memcmp(s->modules[0].build_id, "\xC0\xFF\xEE", 3), 0);
    cr_assert_eq(tm_snapshot_traceback_limit(s), 1);
    cr_assert_str_eq(s->about.kind, "");
    tm_snapshot_free(s);
}

Test(foreign, the_longest_traceback_is_the_limit)
{
    sample.n_location_id = 3;
    struct tm_snapshot *s = loaded();
    cr_assert_eq(tm_snapshot_traceback_limit(s), 3);
    tm_snapshot_free(s);
}

Test(foreign, older_names_of_the_sample_types)
{
    strings[SPACE_TYPE] = "space";
    strings[OBJECTS] = "objects";
    expect_first(500, 2);
}

Test(foreign, the_order_of_the_types_is_free)
{
    types[0].type = OBJECTS;
    types[1].type = SPACE_TYPE;
    expect_first(2, 500);
}

Test(foreign, bytes_without_objects)
{
    profile.n_sample_type = sample.n_value = 1;
    expect_first(500, 1);
}

Test(foreign, other_types_the_last_one_counts)
{
    strings[SPACE_TYPE] = "samples";
    strings[OBJECTS] = "cpu";
    expect_first(2, 1);
}

Test(foreign, other_types_unless_one_is_the_default)
{
    strings[SPACE_TYPE] = "samples";
    strings[OBJECTS] = "cpu";
    profile.default_sample_type = SPACE_TYPE;
    expect_first(500, 1);
}

Test(foreign, samples_of_nothing_are_not_alive)
{
    values[0] = values[1] = 0;
    struct tm_snapshot *s = loaded();
    cr_assert_eq(tm_snapshot_trace_count(s), 0);
    cr_assert_eq(s->trace_count, 1);
    tm_snapshot_free(s);
    values[0] = 500;
    values[1] = 2;
}

Test(foreign, a_sample_without_a_stack)
{
    sample.n_location_id = 0;
    profile.n_sample = 3;
    struct tm_snapshot *s = loaded();
    tm_trace_t trace;
    cr_assert_eq(tm_snapshot_trace(s, 2, &trace), 0);
    cr_assert_str_eq(literal_frames(trace.traceback), "0:<unknown>");
    cr_assert_eq(s->location_count, 2, "they share one");
    tm_snapshot_free(s);
}

Test(foreign, no_mapping_no_lines_no_address)
{
    profile.n_mapping = profile.n_function = 0;
    location.mapping_id = location.address = 0;
    location.n_line = 0;
    struct tm_snapshot *s = loaded();
    tm_trace_t trace;
    cr_assert_eq(tm_snapshot_trace(s, 0, &trace), 0);
    cr_assert_eq(tm_traceback_address(trace.traceback, 0), 0);
    tm_snapshot_free(s);
}

Test(foreign, a_line_without_function)
{
    line.function_id = 0;
    struct tm_snapshot *s = loaded();
    cr_assert_str_eq(s->lines[0].filename, "");
    tm_snapshot_free(s);
}

Test(foreign, a_function_with_only_a_system_name)
{
    function.name = NO_TEXT;
    function.system_name = MAIN;
    struct tm_snapshot *s = loaded();
    cr_assert_str_eq(s->lines[0].function, "main");
    tm_snapshot_free(s);
}

Test(foreign, build_ids_that_are_not_hexadecimal)
{
    strings[HEX] = "Zm9v/YmFy";
    struct tm_snapshot *s = loaded();
    cr_assert_null(s->modules[0].build_id);
    tm_snapshot_free(s);
    strings[HEX] = "c0ffe";
    s = loaded();
    cr_assert_null(s->modules[0].build_id);
    tm_snapshot_free(s);
    strings[HEX] = "C0FFEE";
    s = loaded();
    cr_assert_eq(s->modules[0].build_id_bytes, 3);
    tm_snapshot_free(s);
}

Test(foreign, labels)
{
    sample.n_label = 1;
    label.key = KEY;
    label.num = 17;
    struct tm_snapshot *s = loaded();
    cr_assert_eq(s->traces[0].domain, 17);
    tm_snapshot_free(s);
    strings[KEY] = "total_nframe";
    s = loaded();
    cr_assert_eq(s->traces[0].traceback.total_nframe, 17);
    tm_snapshot_free(s);
    strings[KEY] = "thread";
    s = loaded();
    cr_assert_eq(s->traces[0].domain, 0);
    tm_snapshot_free(s);
    strings[KEY] = "domain_name";
    label.num = 0;
    label.str = MAIN;
    s = loaded();
    cr_assert_eq(s->domain_count, 1);
    cr_assert_str_eq(s->domains[0].name, "main");
    tm_snapshot_free(s);
}

Test(foreign, comments_of_tmalloc)
{
    profile.n_comment = 1;
    strings[LIMIT] = "tmalloc.traceback_limit=40";
    struct tm_snapshot *s = loaded();
    cr_assert_eq(tm_snapshot_traceback_limit(s), 40);
    tm_snapshot_free(s);
    strings[LIMIT] = "tmalloc.something_new=?";
    s = loaded();
    tm_snapshot_free(s);
    strings[LIMIT] = "any other words";
    s = loaded();
    tm_snapshot_free(s);
}

/* ---- what must be refused ---------------------------------------------------------- */

static void refuse(const char *reason)
{
    struct tm_snapshot *s;
    struct tmi_error error = {""};
    cr_assert_eq(load(&s, &error), -EBADMSG, "%s", error.text);
    cr_assert_null(s);
    cr_assert_not_null(strstr(error.text, reason), "it says: %s", error.text);
    cr_assert_eq(load(&s, NULL), -EBADMSG);
}

#define WRONG(name, statement, reason)                                                   \
    Test(wrong, name)                                                                    \
    {                                                                                    \
        statement;                                                                       \
        refuse(reason);                                                                  \
    }

WRONG(no_types, profile.n_sample_type = 0, "no sample types")
WRONG(first_string, strings[0] = "x", "string table")
WRONG(no_strings, profile.n_string_table = 0, "string")
WRONG(type_name, types[1].type = 99, "no such string: 99")
WRONG(type_name_negative, types[1].type = -1, "no such string")
WRONG(default_type, profile.default_sample_type = 11, "no such string: 11")
WRONG(comment, (comments[0] = 11, profile.n_comment = 1), "no such string: 11")
WRONG(mapping_id_0, mapping.id = 0, "id 0")
WRONG(mapping_twice, profile.n_mapping = 2, "second use of id 9223372036854775808")
WRONG(mapping_name, mapping.filename = 1 << 30, "no such string: 1073741824")
WRONG(mapping_build_id, mapping.build_id = INT64_MIN, "no such string")
WRONG(mapping_backwards, mapping.memory_limit = 0xFFF, "ends before it begins")
WRONG(function_id_0, function.id = 0, "id 0")
WRONG(function_twice, profile.n_function = 2, "second use of id 77")
WRONG(function_name, function.name = 11, "no such string: 11")
WRONG(function_file, function.filename = 11, "no such string: 11")
WRONG(location_id_0, location.id = 0, "id 0")
WRONG(location_twice, profile.n_location = 2, "second use of id 18446744073709551615")
WRONG(location_mapping, location.mapping_id = 5, "no such mapping id: 5")
WRONG(line_function, line.function_id = 78, "no such function id: 78")
WRONG(line_number, line.line = (int64_t)UINT32_MAX + 1, "impossible line 4294967296")
WRONG(line_negative, line.line = -1, "impossible line")
WRONG(sample_location, ids[0] = 3, "no such location id: 3")
WRONG(sample_location_0, ids[0] = 0, "no such location id: 0")
WRONG(too_few_values, sample.n_value = 1, "wrong number of values: 1")
WRONG(too_many_values, sample.n_value = 3, "wrong number of values: 3")
WRONG(negative_value, values[1] = -2, "negative value")
WRONG(label_key, (sample.n_label = 1, label.key = 11), "no such string: 11")
WRONG(domain, (sample.n_label = 1, label.key = KEY, label.num = 1LL << 32),
      "impossible domain 4294967296")
WRONG(domain_negative, (sample.n_label = 1, label.key = KEY, label.num = -1),
      "impossible domain")
WRONG(total,
      (strings[KEY] = "total_nframe", sample.n_label = 1, label.key = KEY,
       label.num = 65536),
      "impossible total_nframe 65536")
WRONG(total_below_frames,
      (strings[KEY] = "total_nframe", sample.n_label = 1, label.key = KEY, label.num = 2,
       sample.n_location_id = 3),
      "more frames than the total_nframe 2")
WRONG(limit_0, (profile.n_comment = 1, strings[LIMIT] = "tmalloc.traceback_limit=0"),
      "malformed comment: tmalloc.traceback_limit=0")
WRONG(limit_large,
      (profile.n_comment = 1, strings[LIMIT] = "tmalloc.traceback_limit=65536"),
      "malformed comment")
WRONG(peak, (profile.n_comment = 1, strings[LIMIT] = "tmalloc.peak=18446744073709551616"),
      "malformed comment")
WRONG(peak_empty, (profile.n_comment = 1, strings[LIMIT] = "tmalloc.peak="),
      "malformed comment")
WRONG(peak_words, (profile.n_comment = 1, strings[LIMIT] = "tmalloc.current=-1\n\033[2J"),
      "malformed comment: tmalloc.current=-1??[2J")

/* The offset is that of the text: the table is packed last but for numbers and comments.
 */
Test(wrong, the_place_of_a_comment_is_told)
{
    profile.n_comment = 1;
    strings[LIMIT] = "tmalloc.pid=none";
    size_t len = perftools__profiles__profile__get_packed_size(&profile);
    uint8_t *bytes = malloc(len);
    perftools__profiles__profile__pack(&profile, bytes);
    const uint8_t *text = memmem(bytes, len, strings[LIMIT], strlen(strings[LIMIT]));
    cr_assert_not_null(text);
    char expected[128];
    snprintf(expected, sizeof expected, "byte %zu of the content: malformed comment",
             (size_t)(text - bytes));
    free(bytes);
    refuse(expected);
}

/* A single message that is larger than any stack can be. */
Test(wrong, giant_sample)
{
    size_t n = 1 << 20;
    uint64_t *many = malloc(n * sizeof *many);
    for (size_t i = 0; i < n; i++) {
        many[i] = UINT64_MAX;
    }
    sample.n_location_id = n;
    sample.location_id = many;
    refuse("a single message of bytes");
    free(many);
}

/* The offset is that of the field: here the sample, which is packed second. */
Test(wrong, the_offset_is_told)
{
    size_t first = perftools__profiles__value_type__get_packed_size(&types[0]);
    size_t second = perftools__profiles__value_type__get_packed_size(&types[1]);
    char expected[64];
    snprintf(expected, sizeof expected, "byte %zu of", first + second + 4);
    values[0] = -1;
    refuse(expected);
}
