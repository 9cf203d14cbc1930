/* SPDX-License-Identifier: MIT */
/*
 * UTF-8, read strictly as Python reads it: no overlong forms, no surrogates, nothing
 * above U+10FFFF. Source files are shown, and names written to files, only as valid text.
 */
#ifndef TMI_UTF8_H
#define TMI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of the character at `text`, and what it is; 0 when it is not valid. */
size_t tmi_utf8_decode(const char *text, size_t len, uint32_t *code_point);

/* True for every character that Python's str.strip() takes for white space. */
bool tmi_utf8_is_space(uint32_t code_point);

#endif
