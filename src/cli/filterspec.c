/* SPDX-License-Identifier: MIT */
/*
 * Fields are read from left to right, each up to the next comma, but for the pattern,
 * which ends them. A field is a name with its value, and lands in the filter.
 */
#include "cli/filterspec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "view/snapshot.h"

bool tmi_filterspec_number(const char *text, uint32_t *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *number = (uint32_t)value;
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
           value <= UINT32_MAX;
}

/* By name first: a domain may be called "7". */
bool tmi_filterspec_domain(const tm_snapshot_t *s, const char *name, tm_domain_t *domain)
{
    for (uint32_t i = 0; i < s->domain_count; i++) {
        if (strcmp(s->domains[i].name, name) == 0) {
            *domain = s->domains[i].domain;
            return true;
        }
    }
    return tmi_filterspec_number(name, domain);
}

/* Where the value begins if `field` is that name with one, else NULL. */
static const char *value_of(const char *field, const char *name)
{
    size_t len = strlen(name);
    return strncmp(field, name, len) == 0 && field[len] == '=' ? field + len + 1 : NULL;
}

/* What was expected instead; NULL when the field was right. */
static const char *read_field(const char *field, const tm_snapshot_t *s,
                              tm_filter_t *filter)
{
    const char *line = value_of(field, "line");
    const char *domain = value_of(field, "domain");
    if (strcmp(field, "all-frames") == 0) {
        filter->all_frames = true;
        return NULL;
    }
    if (line != NULL) {
        filter->has_lineno = tmi_filterspec_number(line, &filter->lineno);
        return filter->has_lineno ? NULL : "line=N with a number of 32 bits";
    }
    if (domain != NULL) {
        filter->has_domain = tmi_filterspec_domain(s, domain, &filter->domain);
        return filter->has_domain ? NULL : "domain= with a domain of the snapshot";
    }
    return "all-frames, line=N, domain=DOMAIN or file=PATTERN";
}

/* Fields of `rest`, which is taken apart; *wrong is left at the one that is. */
static const char *read_fields(char *rest, const tm_snapshot_t *s, tm_filter_t *filter,
                               const char **pattern, const char **wrong)
{
    while (rest != NULL) {
        char *field = rest;
        *pattern = value_of(field, "file");
        if (*pattern != NULL) {
            return NULL;
        }
        rest = strchr(field, ',');
        if (rest != NULL) {
            *rest++ = '\0';
        }
        const char *expected = read_field(field, s, filter);
        if (expected != NULL) {
            *wrong = field;
            return expected;
        }
    }
    return NULL;
}

static bool read_sign(const char *spec, tm_filter_t *filter)
{
    size_t len = strcspn(spec, ",");
    filter->inclusive = len == 7 && strncmp(spec, "include", len) == 0;
    return filter->inclusive || (len == 7 && strncmp(spec, "exclude", len) == 0);
}

int tmi_filterspec_read(const char *spec, const tm_snapshot_t *s, tm_filter_t *filter,
                        const char **wrong, const char **expected)
{
    *filter = (tm_filter_t){0};
    *wrong = spec;
    *expected = "include or exclude first";
    if (!read_sign(spec, filter)) {
        return -EINVAL;
    }
    const char *comma = strchr(spec, ',');
    if (comma == NULL) {
        return 0;
    }
    char *rest = strdup(comma + 1);
    if (rest == NULL) {
        return -ENOMEM;
    }
    const char *pattern = NULL;
    const char *at = NULL;
    *expected = read_fields(rest, s, filter, &pattern, &at);
    int err = *expected != NULL ? -EINVAL : 0;
    if (err != 0) {
        *wrong = comma + 1 + (at - rest);
    } else if (pattern != NULL) {
        filter->filename_pattern = strdup(pattern);
        err = filter->filename_pattern == NULL ? -ENOMEM : 0;
    }
    free(rest);
    return err;
}
