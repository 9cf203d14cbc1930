/* SPDX-License-Identifier: MIT */
/*
 * "tmalloc.NAME=VALUE". pprof keeps comments when it merges files, so a name can come
 * twice: the last one counts, except for the limit, where the largest does. An unknown
 * name under tmalloc. is a later version's, and is passed over.
 */
#include "pprof/comment.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define LIMIT_MOST 65535

static bool parse_number(const char *text, uint64_t most, uint64_t *value)
{
    *value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (*text < '0' || digit > 9 || __builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, digit, value)) {
            return false;
        }
    }
    return *value <= most;
}

/* What follows "tmalloc.NAME=", or NULL. */
static const char *value_of(const char *text, const char *name)
{
    static const char PREFIX[] = "tmalloc.";
    size_t len = strlen(name);
    if (strncmp(text, PREFIX, sizeof PREFIX - 1) != 0) {
        return NULL;
    }
    text += sizeof PREFIX - 1;
    return strncmp(text, name, len) == 0 && text[len] == '=' ? text + len + 1 : NULL;
}

static int apply_size(const char *text, const char *name, uint64_t *field)
{
    const char *value = value_of(text, name);
    return value == NULL || parse_number(value, UINT64_MAX, field) ? 0 : -EBADMSG;
}

static int apply_int(const char *text, const char *name, uint64_t least, uint64_t most,
                     int *field)
{
    const char *value = value_of(text, name);
    uint64_t number;
    if (value == NULL) {
        return 0;
    }
    if (!parse_number(value, most, &number) || number < least) {
        return -EBADMSG;
    }
    *field = (int)number;
    return 0;
}

static int apply_text(struct tm_snapshot *s, const char *text, const char *name,
                      const char **field)
{
    const char *value = value_of(text, name);
    if (value == NULL) {
        return 0;
    }
    const char *copy = tmi_snapshot_text(s, value, strlen(value));
    if (copy == NULL) {
        return -ENOMEM;
    }
    *field = copy;
    return 0;
}

int tmi_comment_apply(struct tm_snapshot *s, const char *text)
{
    struct tmi_snapshot_about *about = &s->about;
    int limit = 0;
    int err = apply_int(text, "traceback_limit", 1, LIMIT_MOST, &limit);
    about->traceback_limit =
        limit > about->traceback_limit ? limit : about->traceback_limit;
    err = err != 0 ? err : apply_text(s, text, "kind", &about->kind);
    err = err != 0 ? err : apply_size(text, "current", &about->current);
    err = err != 0 ? err : apply_size(text, "peak", &about->peak);
    err = err != 0 ? err : apply_size(text, "overhead", &about->overhead);
    err = err != 0 ? err : apply_size(text, "stacks_by_libgcc", &about->by_libgcc);
    err = err != 0 ? err : apply_size(text, "stacks_guessed", &about->guessed);
    err = err != 0 ? err : apply_int(text, "pid", 1, INT_MAX, &about->pid);
    int processes = (int)about->processes;
    err = err != 0 ? err : apply_int(text, "processes", 1, INT_MAX, &processes);
    about->processes = (uint32_t)processes;
    int empty_is_name = s->empty_is_name;
    err = err != 0 ? err : apply_int(text, "empty_is_name", 0, 1, &empty_is_name);
    s->empty_is_name = empty_is_name != 0;
    return err != 0 ? err : apply_text(s, text, "command", &about->command);
}
