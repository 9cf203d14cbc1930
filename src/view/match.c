/* SPDX-License-Identifier: MIT */
/*
 * Pattern and name are walked side by side. At a `*` both places are remembered; when
 * what follows does not fit, it is tried again one character further into the name. Only
 * the last `*` can need that: what an earlier one could give up, the later one takes.
 *
 *     pattern   * . [ c h ]           name   n e t / i o . c
 *               ^ retry_pattern              ^ retry_name, moves on by one a miss
 *
 * Inside brackets, in this order: '!' in front negates; a ']' standing first is a member;
 * the next ']' ends the set, and a '[' without one is an ordinary character. `a-z` is a
 * range unless '-' stands first, last, or behind a range. One that runs backwards has no
 * members.
 */
#include "view/match.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "view/utf8.h"

/* Bytes that are not UTF-8 read as what no UTF-8 can say, as Python's surrogateescape. */
#define STRAY_BYTE UINT32_C(0xDC00)

struct cursor {
    const char *at;
    const char *end;
};

/* The character at the cursor, which is not at its end, and past it. */
static uint32_t next(struct cursor *c)
{
    uint32_t code_point;
    size_t bytes = tmi_utf8_decode(c->at, (size_t)(c->end - c->at), &code_point);
    if (bytes == 0) {
        return STRAY_BYTE | (unsigned char)*c->at++;
    }
    c->at += bytes;
    return code_point;
}

static bool is_at(const struct cursor *c, char byte)
{
    return c->at < c->end && *c->at == byte;
}

/* The inside of the brackets that were just opened; false when nothing closes them. */
static bool find_set(const struct cursor *pattern, struct cursor *set)
{
    *set = *pattern;
    struct cursor c = *pattern;
    c.at += is_at(&c, '!');
    c.at += is_at(&c, ']');
    while (c.at < c.end && *c.at != ']') {
        c.at++;
    }
    set->end = c.at;
    return c.at < c.end;
}

static bool set_has(struct cursor set, uint32_t character)
{
    bool wanted = !is_at(&set, '!');
    set.at += !wanted;
    while (set.at < set.end) {
        uint32_t low = next(&set);
        uint32_t high = low;
        if (is_at(&set, '-') && set.at + 1 < set.end) {
            set.at++;
            high = next(&set);
        }
        if (low <= character && character <= high) {
            return wanted;
        }
    }
    return !wanted;
}

/* One character of the pattern, which is not `*`, against one of the name; past both. */
static bool step(struct cursor *pattern, struct cursor *name)
{
    uint32_t wanted = next(pattern);
    uint32_t character = next(name);
    struct cursor set;
    if (wanted == '?') {
        return true;
    }
    if (wanted == '[' && find_set(pattern, &set)) {
        pattern->at = set.end + 1;
        return set_has(set, character);
    }
    return wanted == character;
}

static bool match(struct cursor pattern, struct cursor name)
{
    struct cursor retry_pattern = {NULL, NULL};
    struct cursor retry_name = {NULL, NULL};
    for (;;) {
        if (is_at(&pattern, '*')) {
            pattern.at++;
            retry_pattern = pattern;
            retry_name = name;
        } else if (name.at == name.end) {
            return pattern.at == pattern.end;
        } else if (pattern.at == pattern.end || !step(&pattern, &name)) {
            if (retry_pattern.at == NULL || retry_name.at == retry_name.end) {
                return false;
            }
            next(&retry_name);
            pattern = retry_pattern;
            name = retry_name;
        }
    }
}

/* The text without what Python adds to the name of a compiled file. */
static struct cursor normalised(const char *text)
{
    static const char COMPILED[] = ".pyc";
    size_t len = strlen(text);
    size_t suffix = sizeof COMPILED - 1;
    if (len >= suffix && memcmp(text + len - suffix, COMPILED, suffix) == 0) {
        len--;
    }
    return (struct cursor){text, text + len};
}

bool tmi_match_name(const char *pattern, const char *name)
{
    return match(normalised(pattern), normalised(name));
}
