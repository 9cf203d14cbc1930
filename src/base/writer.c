/* SPDX-License-Identifier: MIT */
/*
 * See base/writer.h. Numbers are formed backwards in a small buffer and appended.
 */
#include "base/writer.h"

struct tmi_writer tmi_writer_on(char *buffer, size_t room)
{
    buffer[0] = '\0';
    return (struct tmi_writer){.text = buffer, .len = 0, .room = room, .lost = false};
}

void tmi_put_char(struct tmi_writer *w, char c)
{
    if (w->len + 1 >= w->room) {
        w->lost = true;
        return;
    }
    w->text[w->len++] = c;
    w->text[w->len] = '\0';
}

void tmi_put_text(struct tmi_writer *w, const char *text)
{
    for (; *text != '\0'; text++) {
        tmi_put_char(w, *text);
    }
}

static void put_digits(struct tmi_writer *w, uint64_t value, unsigned base)
{
    char digits[24];
    size_t n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (n > 0) {
        tmi_put_char(w, digits[--n]);
    }
}

void tmi_put_u64(struct tmi_writer *w, uint64_t value)
{
    put_digits(w, value, 10);
}

void tmi_put_i64(struct tmi_writer *w, int64_t value)
{
    if (value < 0) {
        tmi_put_char(w, '-');
        put_digits(w, -(uint64_t)value, 10);
    } else {
        put_digits(w, (uint64_t)value, 10);
    }
}

void tmi_put_hex(struct tmi_writer *w, uint64_t value)
{
    tmi_put_text(w, "0x");
    put_digits(w, value, 16);
}
