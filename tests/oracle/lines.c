/* SPDX-License-Identifier: MIT */
/*
 * A line is taken apart in place, field by field. A trace line stands for `count` equal
 * blocks of `size` bytes each, where a trace of ours has the bytes of all: sizes are
 * multiplied when read and divided when printed.
 */
#include "oracle/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MOST = 4096, FILTERS_MOST = 64 };

struct oracle_file {
    FILE *stream;
    char *line;
    size_t room;
};

void oracle_fail(const char *what, const char *about)
{
    fprintf(stderr, "tm-oracle: %s: %s\n", about, what);
    exit(EXIT_FAILURE);
}

void *oracle_need(void *p, const char *about)
{
    if (p == NULL) {
        oracle_fail(strerror(errno), about);
    }
    return p;
}

/* ---- reading ----------------------------------------------------------------------- */

struct oracle_file *oracle_open(const char *path)
{
    struct oracle_file *file = oracle_need(calloc(1, sizeof *file), path);
    file->stream = oracle_need(fopen(path, "r"), path);
    return file;
}

char *oracle_line(struct oracle_file *file)
{
    ssize_t len = getline(&file->line, &file->room, file->stream);
    if (len < 0) {
        return NULL;
    }
    if (len > 0 && file->line[len - 1] == '\n') {
        file->line[len - 1] = '\0';
    }
    return file->line;
}

void oracle_close(struct oracle_file *file)
{
    fclose(file->stream);
    free(file->line);
    free(file);
}

char *oracle_field(char **rest)
{
    return strsep(rest, " ");
}

static char *need_field(char **rest)
{
    char *field = oracle_field(rest);
    if (field == NULL) {
        oracle_fail("a field is missing", "line");
    }
    return field;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    if (at == NULL) {
        oracle_fail("no hexadecimal digit", "percent encoding");
    }
    return (int)(at - digits);
}

static char *decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        if (*from == '%') {
            *to = (char)(hex_digit(from[1]) << 4 | hex_digit(from[2]));
            from += 3;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return text;
}

char *oracle_text_field(char **rest)
{
    return decode(need_field(rest));
}

static long long number(const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0') {
        oracle_fail("no number", text);
    }
    return value;
}

long long oracle_number_field(char **rest)
{
    return number(need_field(rest));
}

/* A number, or `absent` for "-". */
static long long number_or(char **rest, long long absent)
{
    const char *field = need_field(rest);
    return strcmp(field, "-") == 0 ? absent : number(field);
}

static void add_trace(tm_snapshot_t *set, char *rest)
{
    tm_frame_t frames[FRAMES_MOST] = {0};
    tm_domain_t domain = (tm_domain_t)oracle_number_field(&rest);
    uint64_t size = (uint64_t)oracle_number_field(&rest);
    uint64_t count = (uint64_t)oracle_number_field(&rest);
    size_t total_nframe = (size_t)number_or(&rest, 0);
    size_t nframes = (size_t)oracle_number_field(&rest);
    for (size_t i = 0; i < nframes && i < FRAMES_MOST; i++) {
        char *name = need_field(&rest);
        frames[i].lineno = (uint32_t)number(strsep(&name, ":"));
        frames[i].filename = decode(oracle_need(name, "frame without a colon"));
    }
    int err =
        tm_snapshot_add(set, domain, size * count, count, frames, nframes, total_nframe);
    if (err != 0) {
        oracle_fail(strerror(-err), "tm_snapshot_add");
    }
}

tm_snapshot_t *oracle_read_set(const char *path)
{
    struct oracle_file *file = oracle_open(path);
    tm_snapshot_t *set = NULL;
    for (char *rest; (rest = oracle_line(file)) != NULL;) {
        const char *word = need_field(&rest);
        if (strcmp(word, "limit") == 0) {
            set = oracle_need(tm_snapshot_new((int)oracle_number_field(&rest)), path);
        } else if (strcmp(word, "trace") == 0 && set != NULL) {
            add_trace(set, rest);
        } else {
            oracle_fail("unknown line", path);
        }
    }
    oracle_close(file);
    return oracle_need(set, path);
}

/* ---- filters ----------------------------------------------------------------------- */

static void set_domain(tm_filter_t *filter, long long domain)
{
    filter->has_domain = domain >= 0;
    filter->domain = domain >= 0 ? (tm_domain_t)domain : 0;
}

/* A pattern is the filter's own, to be freed. */
static tm_filter_t read_filter(char *rest)
{
    tm_filter_t filter = {0};
    const char *word = need_field(&rest);
    filter.inclusive = oracle_number_field(&rest) != 0;
    if (strcmp(word, "domain") == 0) {
        set_domain(&filter, oracle_number_field(&rest));
        return filter;
    }
    if (strcmp(word, "filter") != 0) {
        oracle_fail("unknown line", word);
    }
    filter.filename_pattern =
        oracle_need(strdup(oracle_text_field(&rest) + 1), "pattern"); /* behind '=' */
    long long lineno = number_or(&rest, -1);
    filter.has_lineno = lineno >= 0;
    filter.lineno = lineno >= 0 ? (uint32_t)lineno : 0;
    filter.all_frames = oracle_number_field(&rest) != 0;
    set_domain(&filter, number_or(&rest, -1));
    return filter;
}

tm_snapshot_t *oracle_filter(const tm_snapshot_t *snapshot, const char *path)
{
    tm_filter_t filters[FILTERS_MOST];
    size_t n = 0;
    struct oracle_file *file = oracle_open(path);
    for (char *line; (line = oracle_line(file)) != NULL;) {
        if (n == FILTERS_MOST) {
            oracle_fail("too many filters", path);
        }
        filters[n++] = read_filter(line);
    }
    oracle_close(file);
    tm_snapshot_t *filtered =
        oracle_need(tm_snapshot_filter_traces(snapshot, filters, n), path);
    while (n > 0) {
        free((char *)filters[--n].filename_pattern);
    }
    return filtered;
}

/* ---- printing ---------------------------------------------------------------------- */

static void put_name(const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~/";
    for (; *name != '\0'; name++) {
        if (strchr(plain, *name) != NULL) {
            putchar(*name);
        } else {
            printf("%%%02X", (unsigned char)*name);
        }
    }
}

void oracle_put_frames(const tm_traceback_t *tb)
{
    tm_frame_t frame;
    for (size_t i = 0; tm_traceback_frame(tb, i, &frame) == 0; i++) {
        printf(" %" PRIu32 ":", frame.lineno);
        put_name(frame.filename);
    }
}

void oracle_put_trace(const tm_trace_t *trace)
{
    size_t total_nframe = tm_traceback_total_nframe(trace->traceback);
    printf("trace %" PRIu32 " %" PRIu64 " %" PRIu64, trace->domain,
           trace->size / trace->count, trace->count);
    if (total_nframe == 0) {
        fputs(" -", stdout);
    } else {
        printf(" %zu", total_nframe);
    }
    printf(" %zu", tm_traceback_len(trace->traceback));
    oracle_put_frames(trace->traceback);
    putchar('\n');
}

void oracle_put_text(const char *word, const char *text, size_t len)
{
    fputs(word, stdout);
    putchar(' ');
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '%' || byte < 0x20 || byte == 0x7f) {
            printf("%%%02X", byte);
        } else {
            putchar(byte);
        }
    }
    putchar('\n');
}
