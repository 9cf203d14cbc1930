/* SPDX-License-Identifier: MIT */
/*
 * Text into a buffer: every number as C's own printf writes it, and what does not fit.
 */
#include "base/writer.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

Test(writer, numbers_are_written_as_printf_writes_them)
{
    static const uint64_t samples[] = {
        0,
        1,
        9,
        10,
        15,
        16,
        99,
        100,
        255,
        256,
        INT32_MAX,
        UINT32_MAX,
        (uint64_t)UINT32_MAX + 1,
        INT64_MAX,
        (uint64_t)INT64_MAX + 1,
        UINT64_MAX,
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char wanted[100];
        snprintf(wanted, sizeof wanted, "%" PRIu64 " %" PRId64 " 0x%" PRIx64, samples[i],
                 (int64_t)samples[i], samples[i]);
        char room[100];
        struct tmi_writer w = tmi_writer_on(room, sizeof room);
        tmi_put_u64(&w, samples[i]);
        tmi_put_char(&w, ' ');
        tmi_put_i64(&w, (int64_t)samples[i]);
        tmi_put_char(&w, ' ');
        tmi_put_hex(&w, samples[i]);
        cr_assert_str_eq(w.text, wanted);
        cr_assert_eq(w.len, strlen(wanted));
        cr_assert_not(w.lost);
    }
}

Test(writer, a_new_one_holds_the_empty_text)
{
    char room[8] = "garbage";
    struct tmi_writer w = tmi_writer_on(room, sizeof room);
    cr_assert_str_eq(room, "");
    cr_assert_eq(w.len, 0);
    tmi_put_text(&w, "");
    cr_assert_str_eq(room, "");
    cr_assert_not(w.lost);
}

/* A text of `room - 1` characters fits, one more does not; the byte behind is nobody's.
 */
Test(writer, what_does_not_fit_is_dropped_and_told)
{
    for (size_t room = 1; room <= 12; room++) {
        char bytes[16];
        memset(bytes, '#', sizeof bytes);
        struct tmi_writer w = tmi_writer_on(bytes, room);
        for (size_t i = 0; i + 1 < room; i++) {
            tmi_put_char(&w, (char)('a' + i));
        }
        cr_assert_not(w.lost, "room %zu", room);
        tmi_put_char(&w, '!');
        cr_assert(w.lost, "room %zu", room);
        cr_assert_eq(strlen(bytes), room - 1);
        cr_assert_eq(strncmp(bytes, "abcdefghijklmnop", room - 1), 0);
        cr_assert_eq(bytes[room], '#');
    }
}

Test(writer, a_text_that_is_cut_keeps_its_beginning)
{
    char room[8];
    struct tmi_writer w = tmi_writer_on(room, sizeof room);
    tmi_put_text(&w, "12345");
    tmi_put_u64(&w, 67890);
    cr_assert_str_eq(room, "1234567");
    cr_assert(w.lost);
    cr_assert_eq(w.len, 7);
}
