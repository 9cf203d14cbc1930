/* SPDX-License-Identifier: MIT */
/*
 * Text into a buffer of the caller's, without stdio, locale or allocation. What does not
 * fit is dropped, and `lost` says so. Safe in a signal handler and before main.
 */
#ifndef TMI_WRITER_H
#define TMI_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tmi_writer {
    char *text; /* always ends with a NUL */
    size_t len;
    size_t room; /* including the NUL */
    bool lost;
};

struct tmi_writer tmi_writer_on(char *buffer, size_t room);

void tmi_put_char(struct tmi_writer *w, char c);
void tmi_put_text(struct tmi_writer *w, const char *text);
void tmi_put_u64(struct tmi_writer *w, uint64_t value);
void tmi_put_i64(struct tmi_writer *w, int64_t value);
void tmi_put_hex(struct tmi_writer *w, uint64_t value); /* with 0x */

#endif
