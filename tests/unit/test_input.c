/* SPDX-License-Identifier: MIT */
/*
 * Reading the fields of a profile one by one: where they begin, what they hold, and where
 * it stops, be it for damage or for the budget.
 */
#include "pprof/input.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct tmi_service *tmi_service(void)
{
    return NULL;
}

static struct tmi_input in;
static struct tmi_error error;

static void begin(const char *bytes, size_t len)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    char path[64];
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct tm_snapshot *s = tmi_snapshot_create(1);
    cr_assert_eq(tmi_input_begin(&in, path, s, &error), 0, "%s", error.text);
    close(fd);
}

static void end(void)
{
    tm_snapshot_free(in.s);
    tmi_input_end(&in);
}

#define BEGIN(literal) begin(literal, sizeof(literal) - 1)

static char seen[256];

static int note(void *context, const struct tmi_field *field)
{
    (void)context;
    sprintf(seen + strlen(seen), "%u/%u@%zu+%zu ", field->number, field->type,
            field->start, field->bytes);
    return field->number == 15 ? -EDOM : 0;
}

/* One of each type: varint, length-delimited, eight and four bytes, a tag of two bytes.
 */
Test(input, fields_have_a_place_and_a_length)
{
    BEGIN("\x08\x96\x01"
          "\x32\x02xy"
          "\x31"
          "12345678"
          "\x35"
          "1234"
          "\xA0\x06\x05"
          "\x32\x00");
    cr_assert_eq(tmi_input_walk(&in, note, NULL), 0, "%s", error.text);
    cr_assert_str_eq(seen, "1/0@0+3 6/2@3+4 6/1@7+9 6/5@16+5 100/0@21+3 6/2@24+2 ");
    end();
}

Test(input, the_taker_ends_the_walk)
{
    BEGIN("\x08\x01\x78\x01\x08\x01");
    cr_assert_eq(tmi_input_walk(&in, note, NULL), -EDOM);
    cr_assert_str_eq(seen, "1/0@0+2 15/0@2+2 ");
    cr_assert_eq(in.at, 2);
    end();
}

static void refuse(const char *bytes, size_t len, size_t at)
{
    char expected[64];
    snprintf(expected, sizeof expected, "byte %zu of the content", at);
    begin(bytes, len);
    cr_assert_eq(tmi_input_walk(&in, note, NULL), -EBADMSG);
    cr_assert_not_null(strstr(error.text, expected), "%s", error.text);
    end();
}

#define REFUSE(literal, at) refuse(literal, sizeof(literal) - 1, at)

Test(input, damage_is_where_the_field_begins)
{
    REFUSE("\x08\x01\x08", 2);                                 /* no value */
    REFUSE("\x08\x01\x08\x80", 2);                             /* half a value */
    REFUSE("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 0); /* 65 bits */
    REFUSE("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 0);
    REFUSE("\x32\x03xy", 0);
    REFUSE("\x31"
           "1234567",
           0);
    REFUSE("\x35"
           "123",
           0);
    REFUSE("\x00\x01", 0);                 /* field 0 */
    REFUSE("\x80\x80\x80\x80\x10\x01", 0); /* field 2^29 */
    REFUSE("\x0B\x0C", 0);                 /* a group */
    REFUSE("\x0E\x01", 0);
    REFUSE("\x0F\x01", 0);
}

static int add_string(void *context, const struct tmi_field *field)
{
    (void)context;
    return tmi_input_add_string(&in, field);
}

Test(input, strings_by_number)
{
    BEGIN("\x32\x00\x32\x02xy\x32\x03x\0z\x32\x02xy");
    const char *text;
    const char *again;
    cr_assert_eq(tmi_input_walk(&in, add_string, NULL), 0);
    cr_assert_eq(tmi_input_text(&in, 0, &text), 0);
    cr_assert_str_eq(text, "");
    cr_assert_eq(tmi_input_text(&in, 1, &text), 0);
    cr_assert_str_eq(text, "xy");
    cr_assert_eq(tmi_input_text(&in, 3, &again), 0);
    cr_assert_eq(text, again, "equal texts are one pointer");
    cr_assert_eq(tmi_input_text(&in, 2, &text), 0);
    cr_assert_str_eq(text, "x");
    cr_assert_eq(tmi_input_text(&in, 4, &text), -EBADMSG);
    cr_assert_eq(tmi_input_text(&in, -1, &text), -EBADMSG);
    end();
}

/* The content is there already; what is built of it counts as well. */
Test(input, the_budget_ends_the_walk)
{
    BEGIN("\x32\x00\x32\x00\x32\x00");
    in.budget = in.arena.total_bytes + in.s->arena.total_bytes - 1;
    cr_assert_eq(tmi_input_walk(&in, add_string, NULL), -ENOMEM);
    cr_assert_eq(in.string_count, 1);
    cr_assert_not_null(strstr(error.text, "needs more than"), "%s", error.text);
    end();
}
