/* SPDX-License-Identifier: MIT */
/*
 * One pass over the name, that copies what stands outside of brackets:
 *
 *     void std::vector<int, std::allocator<int> >::emplace<int>(int&&) const
 *          std::vector<         ...             >::emplace<...>
 *
 * A blank ends the return type, an argument list that is not followed by `::` the name.
 * What looks like brackets but is a name is copied: operators, (anonymous namespace),
 * {lambda(int)#1}, and a type in front, as Rust has it: <T as Trait>::function.
 */
#include "cli/shorten.h"

#include <stdbool.h>
#include <string.h>

struct shortened {
    char *text;
    size_t len, room;
};

static void add(struct shortened *s, const char *piece, size_t len)
{
    for (size_t i = 0; i < len && s->len + 1 < s->room; i++) {
        s->text[s->len++] = piece[i];
    }
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Behind the bracket that closes the one at `p`; NULL when none does. An arrow is none.
 */
static const char *behind(const char *p)
{
    int depth = 0;
    for (const char *start = p; *p != '\0'; p++) {
        bool arrow = *p == '>' && p > start && p[-1] == '-';
        if (strchr("(<{[", *p) != NULL) {
            depth++;
        } else if (strchr(")>}]", *p) != NULL && !arrow && --depth == 0) {
            return p + 1;
        }
    }
    return NULL;
}

/* The end of an operator's name that `p` is the beginning of. */
static const char *operator_end(const char *p)
{
    const char *symbol = p + strlen("operator");
    if (begins(symbol, "()") || begins(symbol, "[]")) {
        return symbol + 2;
    }
    if (*symbol == ' ') { /* a type, or new and delete */
        return symbol + strcspn(symbol, "(");
    }
    const char *end = symbol + strspn(symbol, "+-*/%^&|~!=<>,");
    return end + begins(end, " <"); /* arguments of a template */
}

static bool is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static bool is_operator(const char *name, const char *p)
{
    return begins(p, "operator") && !is_word(p[strlen("operator")]) &&
           (p == name || !is_word(p[-1]));
}

/* What begins at `p` is added; behind it, or NULL when brackets do not match. *done: the
 * name is over. */
static const char *add_part(struct shortened *s, const char *name, const char *p,
                            bool *done)
{
    const char *end = p + 1;
    if (is_operator(name, p)) {
        end = operator_end(p);
    } else if (*p == '{' || (*p == '<' && s->len == 0) ||
               begins(p, "(anonymous namespace)")) {
        end = behind(p);
    } else if (*p == '<') {
        add(s, "<...>", 5);
        return behind(p);
    } else if (*p == '(') {
        end = behind(p);
        *done = end != NULL && s->len > 0 && !begins(end, "::");
        return end;
    } else if (*p == ' ') {
        s->len = 0; /* all of it was the return type */
        return end;
    }
    if (end != NULL) {
        add(s, p, (size_t)(end - p));
    }
    return end;
}

void tmi_shorten_name(const char *name, char *text, size_t len)
{
    struct shortened s = {.text = text, .room = len};
    bool done = false;
    const char *p = name;
    if (name[strcspn(name, "(<{ ")] != '\0') {
        while (p != NULL && *p != '\0' && !done) {
            p = add_part(&s, name, p, &done);
        }
    }
    if (p == NULL || s.len == 0) {
        s.len = 0;
        add(&s, name, strlen(name));
    }
    text[s.len] = '\0';
}
