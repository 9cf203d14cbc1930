/* SPDX-License-Identifier: MIT */
/*
 * Samples read by hand against protobuf-c: literal ones in every spelling that the format
 * allows, and many damaged ones. What is taken has the content that protobuf-c finds, and
 * what protobuf-c refuses is refused.
 */
#include "pprof/wire_sample.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profile.pb-c.h"
#include "support/random.h"

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static struct tmi_input in;
static struct tmi_wire_sample sample;
static struct tmi_error error;

static void begin(void)
{
    struct tm_snapshot *s = tmi_snapshot_create(1);
    int fd = memfd_create("file", MFD_CLOEXEC);
    char path[64];
    cr_assert_eq(write(fd, "\x32", 2), 2);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    cr_assert_eq(tmi_input_begin(&in, path, s, &error), 0, "%s", error.text);
    close(fd);
}

static void end(void)
{
    tm_snapshot_free(in.s);
    tmi_input_end(&in);
}

TestSuite(wire_sample, .init = begin, .fini = end, .timeout = 60);

/* A Profile with one field, which is the sample. */
static int read_sample(uint8_t *bytes, size_t len)
{
    in.bytes = bytes;
    in.len = len;
    struct tmi_wire wire = {.bytes = bytes, .len = len};
    struct tmi_field field;
    if (tmi_wire_next(&wire, &field) <= 0 || field.bytes != len || field.number != 2) {
        return -ERANGE;
    }
    return tmi_wire_sample_read(&sample, &in, &field);
}

#define READ(literal) read_sample((uint8_t *)literal, sizeof(literal) - 1)

Test(wire_sample, packed_and_one_by_one)
{
    cr_assert_eq(READ("\x12\x0D\x0A\x03\x01\x80\x01\x12\x01\x05\x1A\x03\x08\x02\x18"),
                 -EBADMSG, "the last byte is missing");
    cr_assert_eq(READ("\x12\x0E\x0A\x03\x01\x80\x01\x12\x01\x05\x1A\x04\x08\x02\x18\x07"),
                 0, "%s", error.text);
    cr_assert_eq(sample.id_count, 2);
    cr_assert(sample.ids[0] == 1 && sample.ids[1] == 128);
    cr_assert(sample.value_count == 1 && sample.values[0] == 5);
    cr_assert_eq(sample.label_count, 1);
    cr_assert(sample.labels[0].key == 2 && sample.labels[0].num == 7);
    cr_assert_eq(sample.labels[0].str, 0);
    cr_assert_eq(READ("\x12\x0B\x08\x03\x10\x09\x0A\x01\x04\x08\x05\x1A\x00"), 0);
    cr_assert_eq(sample.id_count, 3, "both ways in one sample");
    cr_assert(sample.ids[0] == 3 && sample.ids[1] == 4 && sample.ids[2] == 5);
    cr_assert(sample.value_count == 1 && sample.values[0] == 9);
    cr_assert_eq(READ("\x12\x00"), 0);
    cr_assert(sample.id_count == 0 && sample.value_count == 0 && sample.label_count == 0);
    cr_assert_eq(READ("\x12\x02\x0A\x00"), 0, "packed, none");
}

Test(wire_sample, what_it_refuses)
{
    cr_assert_eq(READ("\x10\x01"), -EBADMSG, "a number for a sample");
    cr_assert_eq(READ("\x12\x02\x0A\x01"), -EBADMSG, "longer than the sample");
    cr_assert_eq(READ("\x12\x03\x0A\x01\x80"), -EBADMSG, "half a number");
    cr_assert_eq(READ("\x12\x05\x0D\x01\x02\x03\x04"), -EBADMSG, "four bytes for an id");
    cr_assert_eq(READ("\x12\x02\x18\x01"), -EBADMSG, "a number for a label");
    cr_assert_eq(READ("\x12\x04\x1A\x02\x0A\x00"), -EBADMSG, "a text for a key");
    cr_assert_eq(READ("\x12\x02\x20\x01"), 0, "an unknown field is not ours to judge");
}

/* As large as one may be; and one byte more. */
Test(wire_sample, large_ones)
{
    static uint8_t bytes[(1 << 20) + 64];
    memcpy(bytes, "\x12\xFC\xFF\x3F\x0A\xF8\xFF\x3F", 8);
    memset(bytes + 8, 0x7F, (1 << 20) - 8);
    cr_assert_eq(read_sample(bytes, 1 << 20), 0, "%s", error.text);
    cr_assert_eq(sample.id_count, (1 << 20) - 8);
    memcpy(bytes, "\x12\xFD\xFF\x3F\x0A\xF9\xFF\x3F", 8);
    bytes[1 << 20] = 0x7F;
    cr_assert_eq(read_sample(bytes, (1 << 20) + 1), -EBADMSG);
}

static void compare(const Perftools__Profiles__Sample *expected)
{
    cr_assert_eq(sample.id_count, expected->n_location_id);
    cr_assert_eq(sample.value_count, expected->n_value);
    cr_assert_eq(sample.label_count, expected->n_label);
    for (size_t i = 0; i < sample.id_count; i++) {
        cr_assert_eq(sample.ids[i], expected->location_id[i]);
    }
    for (size_t i = 0; i < sample.value_count; i++) {
        cr_assert_eq((int64_t)sample.values[i], expected->value[i]);
    }
    for (size_t i = 0; i < sample.label_count; i++) {
        cr_assert_eq(sample.labels[i].key, expected->label[i]->key);
        cr_assert_eq(sample.labels[i].str, expected->label[i]->str);
        cr_assert_eq(sample.labels[i].num, expected->label[i]->num);
    }
}

/* A sound sample: about half of its numbers are of one byte, the others of any length. */
static size_t write_sample(uint64_t *state, uint8_t *out)
{
    uint64_t ids[20];
    int64_t values[5];
    Perftools__Profiles__Label labels[3];
    Perftools__Profiles__Label *list[3];
    for (size_t i = 0; i < 20; i++) {
        ids[i] = next_random(state) >> random_below(state, 64);
    }
    for (size_t i = 0; i < 5; i++) {
        values[i] = (int64_t)(next_random(state) >> random_below(state, 64));
    }
    for (size_t i = 0; i < 3; i++) {
        labels[i] = (Perftools__Profiles__Label)PERFTOOLS__PROFILES__LABEL__INIT;
        labels[i].key = (int64_t)random_below(state, 300);
        labels[i].str = (int64_t)random_below(state, 2);
        labels[i].num = (int64_t)(next_random(state) >> random_below(state, 64));
        labels[i].num_unit = (int64_t)random_below(state, 2);
        list[i] = &labels[i];
    }
    Perftools__Profiles__Sample one = PERFTOOLS__PROFILES__SAMPLE__INIT;
    one.n_location_id = random_below(state, 21);
    one.location_id = ids;
    one.n_value = random_below(state, 6);
    one.value = values;
    one.n_label = random_below(state, 4);
    one.label = list;
    Perftools__Profiles__Sample *samples = &one;
    Perftools__Profiles__Profile profile = PERFTOOLS__PROFILES__PROFILE__INIT;
    profile.n_sample = 1;
    profile.sample = &samples;
    return perftools__profiles__profile__pack(&profile, out);
}

Test(wire_sample, as_protobuf_c_reads_them)
{
    uint64_t state = 4;
    unsigned taken = 0, refused = 0;
    for (int round = 0; round < 40000; round++) {
        uint8_t bytes[1024];
        size_t len = write_sample(&state, bytes);
        for (uint64_t n = random_below(&state, 3); n > 0; n--) {
            bytes[random_below(&state, len)] ^= (uint8_t)(1u << random_below(&state, 8));
        }
        Perftools__Profiles__Profile *p =
            perftools__profiles__profile__unpack(NULL, len, bytes);
        int err = read_sample(bytes, len);
        if (err == 0) {

            cr_assert_not_null(p);
            cr_assert_eq(p->n_sample, 1);
            compare(p->sample[0]);
        }
        taken += err == 0;
        refused += p == NULL;
        if (p != NULL) {
            perftools__profiles__profile__free_unpacked(p, NULL);
        }
    }
    cr_assert(taken > 10000 && refused > 5000, "%u, %u", taken, refused);
}
