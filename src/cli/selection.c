/* SPDX-License-Identifier: MIT */
/*
 * From options to tracemalloc's filters:
 *
 *     --include a --include b:7 --exclude c --domain 3 --domain 4
 *         (a or b:7)  and not c   and (domain 3 or 4)
 *
 * Each PATTERN[:LINE] and each --filter is a filter of its own; domains are one more step
 * behind them, so that they hold for all. What stands behind the last colon is a line
 * when it is a number; a name that ends so is written with a set: `a[:]3`.
 */
#include "cli/selection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "cli/filterspec.h"
#include "cli/snapfile.h"
#include "cli/trim.h"
#include "view/snapshot.h"

#define FIELD(name) offsetof(struct tmi_selection, name)

const struct tmi_args_option tmi_selection_rows[] = {
    {.name = "include",
     .letter = 'i',
     .kind = TMI_ARGS_LIST,
     .value = "PATTERN[:LINE]",
     .help = "only stacks whose newest frame is in a file (and line) that "
             "matches, `*` standing for anything; more than one: any of them",
     .offset = FIELD(include)},
    {.name = "exclude",
     .letter = 'x',
     .kind = TMI_ARGS_LIST,
     .value = "PATTERN[:LINE]",
     .help = "not those; may be given more than once",
     .offset = FIELD(exclude)},
    {.name = "all-frames",
     .letter = 'a',
     .kind = TMI_ARGS_FLAG,
     .help = "--include and --exclude look at every frame of a stack",
     .offset = FIELD(all_frames)},
    {.name = "filter",
     .kind = TMI_ARGS_LIST,
     .value = "SPEC",
     .help = "one condition in full: include or exclude, then what is needed of "
             ",all-frames ,line=N ,domain=DOMAIN and last ,file=PATTERN; goes with "
             "--include and --exclude",
     .offset = FIELD(filter)},
    {.name = "domain",
     .letter = 'd',
     .kind = TMI_ARGS_LIST,
     .value = "DOMAIN",
     .help = "only memory of that domain, by its name or number; more than "
             "one: of any of them",
     .offset = FIELD(domain)},
    {.name = "exclude-domain",
     .kind = TMI_ARGS_LIST,
     .value = "DOMAIN",
     .help = "no memory of that domain; may be given more than once",
     .offset = FIELD(exclude_domain)},
    {.name = "metric",
     .letter = 'm',
     .kind = TMI_ARGS_CHOICE,
     .value = TMI_METRIC_NAMES,
     .preset = "inuse-bytes",
     .help = "what to count, and order by: memory held when the snapshot was "
             "taken, all that was allocated, or temporary blocks (freed by the "
             "thread whose latest allocation they were)",
     .offset = FIELD(metric)},
    {.name = "wrapper",
     .letter = 'w',
     .kind = TMI_ARGS_LIST,
     .value = "FUNCTION",
     .help = "allocates for its callers, as malloc, operator new, strdup and others are "
             "known to; stacks end before it; `*` stands for anything; those that "
             "TMALLOC_WRAPPERS "
             "has need not be named",
     .offset = FIELD(wrapper)},
    {.name = "keep-wrappers",
     .kind = TMI_ARGS_FLAG,
     .help = "let stacks end with such functions",
     .offset = FIELD(keep_wrappers)},
    {0},
};

/* ---- filters ------------------------------------------------------------------------
 */

/* The filter that PATTERN[:LINE] stands for; its pattern is malloc's. -ENOMEM. */
static int read_filter(const char *text, tm_filter_t *filter)
{
    const char *colon = strrchr(text, ':');
    filter->has_lineno =
        colon != NULL && tmi_filterspec_number(colon + 1, &filter->lineno);
    size_t len = filter->has_lineno ? (size_t)(colon - text) : strlen(text);
    filter->filename_pattern = strndup(text, len);
    return filter->filename_pattern == NULL ? -ENOMEM : 0;
}

static int read_filters(const struct tmi_selection *selection, tm_filter_t *filters)
{
    size_t n = 0;
    int err = 0;
    for (size_t i = 0; i < selection->include.count && err == 0; i++) {
        filters[n].inclusive = true;
        err = read_filter(selection->include.items[i], &filters[n++]);
    }
    for (size_t i = 0; i < selection->exclude.count && err == 0; i++) {
        err = read_filter(selection->exclude.items[i], &filters[n++]);
    }
    for (size_t i = 0; i < n; i++) {
        filters[i].all_frames = selection->all_frames;
    }
    return err;
}

/* -EINVAL when one is none; a line has said what is wrong with it. */
static int read_specs(const struct tmi_selection *selection, const tm_snapshot_t *s,
                      tm_filter_t *filters)
{
    int err = 0;
    for (size_t i = 0; i < selection->filter.count && err == 0; i++) {
        const char *wrong;
        const char *expected;
        const char *spec = selection->filter.items[i];
        err = tmi_filterspec_read(spec, s, &filters[i], &wrong, &expected);
        if (err == -EINVAL) {
            fprintf(stderr, "tmalloc: --filter '%s': at '%s': expected %s\n", spec, wrong,
                    expected);
        }
    }
    return err;
}

/* What filters let through takes the place of *snapshot. */
static int replace(tm_snapshot_t **snapshot, const tm_filter_t *filters, size_t n)
{
    tm_snapshot_t *filtered = tm_snapshot_filter_traces(*snapshot, filters, n);
    if (filtered == NULL) {
        return -errno;
    }
    tm_snapshot_free(*snapshot);
    *snapshot = filtered;
    return 0;
}

static int filter_files(const struct tmi_selection *selection, tm_snapshot_t **snapshot)
{
    size_t patterns = selection->include.count + selection->exclude.count;
    size_t n = patterns + selection->filter.count;
    if (n == 0) {
        return 0;
    }
    tm_filter_t *filters = calloc(n, sizeof(*filters));
    if (filters == NULL) {
        return -ENOMEM;
    }
    int err = read_filters(selection, filters);
    if (err == 0) {
        err = read_specs(selection, *snapshot, filters + patterns);
    }
    if (err == 0) {
        err = replace(snapshot, filters, n);
    }
    for (size_t i = 0; i < n; i++) {
        free((char *)filters[i].filename_pattern);
    }
    free(filters);
    return err;
}

/* -EINVAL when a domain is not to be found; a line has said which. */
static int read_domains(const struct tmi_args_list *names, bool inclusive,
                        const char *path, const struct tm_snapshot *s,
                        tm_filter_t *filters)
{
    for (size_t i = 0; i < names->count; i++) {
        filters[i] = (tm_filter_t){.inclusive = inclusive, .has_domain = true};
        if (!tmi_filterspec_domain(s, names->items[i], &filters[i].domain)) {
            fprintf(stderr, "tmalloc: %s: has no domain called '%s'\n", path,
                    names->items[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int filter_domains(const struct tmi_selection *selection, const char *path,
                          tm_snapshot_t **snapshot)
{
    const struct tmi_args_list *in = &selection->domain;
    const struct tmi_args_list *out = &selection->exclude_domain;
    if (in->count + out->count == 0) {
        return 0;
    }
    tm_filter_t *filters = calloc(in->count + out->count, sizeof(*filters));
    if (filters == NULL) {
        return -ENOMEM;
    }
    int err = read_domains(in, true, path, *snapshot, filters);
    if (err == 0) {
        err = read_domains(out, false, path, *snapshot, filters + in->count);
    }
    if (err == 0) {
        err = replace(snapshot, filters, in->count + out->count);
    }
    free(filters);
    return err;
}

/* ---- wrappers -----------------------------------------------------------------------
 */

/* The user's names with commas between them, malloc's; NULL without memory. Programs are
 * traced with those of the variable; what is said of them here should agree. */
static char *join(const struct tmi_args_list *names)
{
    const char *others = getenv(tmi_option_rows[TMI_OPTION_WRAPPERS].name);
    char *joined = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&joined, &len);
    if (out == NULL) {
        return NULL;
    }
    fputs(others != NULL ? others : "", out);
    for (size_t i = 0; i < names->count; i++) {
        fprintf(out, ",%s", names->items[i]);
    }
    fclose(out);
    return joined;
}

static int pass_over_wrappers(const struct tmi_selection *selection,
                              tm_snapshot_t *snapshot)
{
    if (selection->keep_wrappers) {
        return 0;
    }
    char *names = join(&selection->wrapper);
    int err = names == NULL ? -ENOMEM : tmi_trim_wrappers(snapshot, names);
    free(names);
    return err;
}

/* ---- opening ------------------------------------------------------------------------
 */

tm_snapshot_t *tmi_selection_open_all(const struct tmi_selection *selection,
                                      const char *path)
{
    tm_snapshot_t *snapshot = tmi_snapfile_open(path);
    if (snapshot == NULL) {
        return NULL;
    }
    int err = pass_over_wrappers(selection, snapshot);
    if (err == 0) {
        err = filter_files(selection, &snapshot);
    }
    if (err == 0) {
        err = filter_domains(selection, path, &snapshot);
    }
    if (err != 0 && err != -EINVAL) {
        fprintf(stderr, "tmalloc: %s: %s\n", path, strerror(-err));
    }
    if (err != 0) {
        tm_snapshot_free(snapshot);
        return NULL;
    }
    return snapshot;
}

tm_snapshot_t *tmi_selection_open(const struct tmi_selection *selection, const char *path)
{
    tm_snapshot_t *snapshot = tmi_selection_open_all(selection, path);
    if (snapshot != NULL) {
        tmi_metric_apply(tmi_metric_at(selection->metric), snapshot);
    }
    return snapshot;
}
