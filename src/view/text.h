/* SPDX-License-Identifier: MIT */
/*
 * Text into a buffer of the caller's that may be too small: what fits is written and the
 * length of the whole is known in the end, as with snprintf. Nothing allocates.
 */
#ifndef TMI_TEXT_H
#define TMI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tmi_text {
    char *out;
    size_t room;   /* of `out`, final NUL included */
    size_t length; /* of the whole text so far, whether it fitted or not */
};

void tmi_text_add(struct tmi_text *text, const char *bytes, size_t len);
void tmi_text_add_string(struct tmi_text *text, const char *string);
void tmi_text_add_number(struct tmi_text *text, uint64_t number);

/* An amount of memory in tracemalloc's words, "126 B", "4855 KiB", "+10.0 MiB". */
void tmi_text_add_size(struct tmi_text *text, double bytes, bool with_sign);

/* Ends the text with a NUL if there is any room; its length, or -EOVERFLOW over INT_MAX.
 */
int tmi_text_end(struct tmi_text *text);

#endif
