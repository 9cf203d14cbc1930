/* SPDX-License-Identifier: MIT */
/*
 * Each text once, numbered in order of appearance. A snapshot's own interning does the
 * work: it turns a text into one pointer, and the map turns that into a number.
 *
 * protobuf demands UTF-8 of a string, and strict readers reject the whole file for one
 * bad byte in one path; names of files on Linux are bytes. Such bytes are replaced on
 * writing.
 */
#include "pprof/names.h"

#include <errno.h>
#include <string.h>

#include "view/utf8.h"

#define REPLACEMENT       "\xEF\xBF\xBD"
#define REPLACEMENT_BYTES 3
#define FIRST_ROOM        256

int tmi_names_begin(struct tmi_names *names)
{
    *names = (struct tmi_names){.texts = tmi_snapshot_create(1)};
    if (names->texts == NULL) {
        return -ENOMEM;
    }
    tmi_map_init(&names->numbers, &names->texts->arena);
    tmi_names_number(names, "");
    return names->error;
}

void tmi_names_end(struct tmi_names *names)
{
    tm_snapshot_free(names->texts);
}

static size_t bytes_as_utf8(const char *name, size_t len)
{
    size_t bytes = 0;
    uint32_t c;
    for (size_t i = 0; i < len;) {
        size_t n = tmi_utf8_decode(name + i, len - i, &c);
        bytes += n == 0 ? REPLACEMENT_BYTES : n;
        i += n == 0 ? 1 : n;
    }
    return bytes;
}

/* `name` with its bad bytes replaced; NULL without memory. */
static char *repaired(struct tmi_names *names, const char *name, size_t len,
                      size_t *out_len)
{
    *out_len = bytes_as_utf8(name, len);
    char *out = tmi_arena_alloc(&names->texts->arena, *out_len + 1);
    char *to = out;
    uint32_t c;
    for (size_t i = 0; out != NULL && i < len;) {
        size_t n = tmi_utf8_decode(name + i, len - i, &c);
        if (n == 0) {
            memcpy(to, REPLACEMENT, REPLACEMENT_BYTES);
            to += REPLACEMENT_BYTES;
            i++;
        } else {
            memcpy(to, name + i, n);
            to += n;
            i += n;
        }
    }
    return out;
}

static int append(struct tmi_names *names, const char *text)
{
    if (names->count == names->room) {
        uint32_t room = names->room == 0 ? FIRST_ROOM : 2 * names->room;
        char **wider = tmi_arena_grow(&names->texts->arena, names->list,
                                      names->room * sizeof *wider, room * sizeof *wider);
        if (wider == NULL || room > INT32_MAX) {
            return -ENOMEM;
        }
        names->list = wider;
        names->room = room;
    }
    /* protobuf-c's messages hold char *, and packing does not write. */
    names->list[names->count++] = (char *)text;
    return 0;
}

int64_t tmi_names_number(struct tmi_names *names, const char *name)
{
    size_t len = strlen(name);
    if (names->error == 0 && bytes_as_utf8(name, len) != len) {
        name = repaired(names, name, len, &len);
    }
    const char *text = NULL;
    int64_t number = -ENOMEM;
    if (names->error == 0 && name != NULL) {
        text = tmi_snapshot_text(names->texts, name, len);
    }
    if (text != NULL) {
        number = tmi_map_put(&names->numbers, (uintptr_t)text, names->count);
    }
    if (number == names->count && append(names, text) != 0) {
        number = -ENOMEM;
    }
    if (number < 0) {
        names->error = -ENOMEM;
        return 0;
    }
    return number;
}

int64_t tmi_names_number2(struct tmi_names *names, const char *prefix, const char *name)
{
    size_t first = strlen(prefix);
    size_t second = strlen(name);
    char *both = NULL;
    if (names->error == 0) {
        both = tmi_arena_alloc(&names->texts->arena, first + second + 1);
    }
    if (both == NULL) {
        names->error = -ENOMEM;
        return 0;
    }
    memcpy(both, prefix, first);
    memcpy(both + first, name, second);
    return tmi_names_number(names, both);
}
