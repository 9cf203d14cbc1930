/* SPDX-License-Identifier: MIT */
/*
 * Two encodings. Percent: a name without blanks, tabs and colons, so that lines split
 * into fields as they look. JSON: text as RFC 8259 wants it; names are bytes, and those
 * that are no UTF-8 become U+FFFD, one each, as Python's "replace" does.
 */
#include "cli/encode.h"

#include <inttypes.h>
#include <string.h>

#include "view/utf8.h"

void tmi_encode_percent(FILE *out, const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789._/<>-";
    for (; *name != '\0'; name++) {
        if (strchr(plain, *name) != NULL) {
            putc(*name, out);
        } else {
            fprintf(out, "%%%02X", (unsigned char)*name);
        }
    }
}

static void put_ascii(FILE *out, unsigned char byte)
{
    if (byte == '"' || byte == '\\') {
        fprintf(out, "\\%c", byte);
    } else if (byte == '\n') {
        fputs("\\n", out);
    } else if (byte == '\t') {
        fputs("\\t", out);
    } else if (byte < 0x20 || byte == 0x7f) {
        fprintf(out, "\\u%04x", byte);
    } else {
        putc(byte, out);
    }
}

void tmi_encode_json(FILE *out, const char *text)
{
    size_t left = strlen(text);
    putc('"', out);
    while (left > 0) {
        uint32_t code_point;
        size_t bytes = tmi_utf8_decode(text, left, &code_point);
        if (bytes == 1) {
            put_ascii(out, (unsigned char)*text);
        } else if (bytes > 1) {
            fwrite(text, 1, bytes, out);
        } else {
            fputs("\xef\xbf\xbd", out);
            bytes = 1;
        }
        text += bytes;
        left -= bytes;
    }
    putc('"', out);
}

void tmi_encode_place(FILE *out, const tm_frame_t *frame)
{
    fprintf(out, "%" PRIu32 ":", frame->lineno);
    tmi_encode_percent(out, frame->filename);
}

void tmi_encode_members(FILE *out, const tm_frame_t *frame)
{
    fputs("\"file\": ", out);
    tmi_encode_json(out, frame->filename);
    fprintf(out, ", \"line\": %" PRIu32 ", \"function\": ", frame->lineno);
    tmi_encode_json(out, frame->function);
    fputs(", \"module\": ", out);
    tmi_encode_json(out, frame->module);
}
