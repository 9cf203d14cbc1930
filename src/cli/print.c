/* SPDX-License-Identifier: MIT */
/*
 * Each group is a place and an amount:
 *
 *     src/parse.c:71: size=4855 KiB, count=39328, average=126 B
 *     '---- place --' '---------------- amount ----------------'
 *
 * The words are those of tm_statistic_format, but for a place without a line, which is
 * told better. Without debug info all of a library's code is one place, `libz.so.1:0`, of
 * which a reader learns more by the functions in it: the biggest one is named, with the
 * number of the others, from the traces that make up the group.
 */
#include "cli/print.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "view/text.h"

/* What one function has of a group. */
struct share {
    const char *function;
    uint64_t size;
};

struct shares {
    struct share *items;
    size_t count, room;
};

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("tmalloc: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

/* A sum that does not fit stays at the largest number: a file may claim anything. */
static void add_up(uint64_t *sum, uint64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum)) {
        *sum = UINT64_MAX;
    }
}

/* Text from a file, without what a terminal would obey. */
static void put_clean(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        bool plain = (unsigned char)*text >= ' ' && *text != 0x7f;
        putc(plain || *text == '\t' ? *text : '?', out);
    }
}

/* ---- the functions of a place without a line -------------------------------------- */

static void add_share(struct shares *shares, const char *function, uint64_t size)
{
    if (shares->count == shares->room) {
        shares->room = shares->room == 0 ? 64 : 2 * shares->room;
        shares->items =
            need(realloc(shares->items, shares->room * sizeof(*shares->items)));
    }
    shares->items[shares->count++] = (struct share){function, size};
}

static void collect_shares(const struct tmi_listing *list, const char *filename,
                           struct shares *shares)
{
    tm_trace_t trace;
    for (size_t i = 0; tm_snapshot_trace(list->snapshot, i, &trace) == 0; i++) {
        size_t frames = tm_traceback_len(trace.traceback);
        for (size_t k = list->cumulative ? 0 : frames - 1; k < frames; k++) {
            tm_frame_t frame;
            if (tm_traceback_frame(trace.traceback, k, &frame) == 0 &&
                frame.lineno == 0 && strcmp(frame.filename, filename) == 0) {
                add_share(shares, frame.function, trace.size);
            }
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct share *left = a;
    const struct share *right = b;
    return strcmp(left->function, right->function);
}

/* The biggest function that has a name, and how many others there are. */
static const char *rank_shares(struct shares *shares, size_t *others)
{
    const char *best = "";
    uint64_t best_size = 0;
    size_t functions = 0;
    if (shares->count > 0) {
        qsort(shares->items, shares->count, sizeof(*shares->items), by_name);
    }
    for (size_t i = 0; i < shares->count; functions++) {
        const char *name = shares->items[i].function;
        uint64_t size = 0;
        for (; i < shares->count && strcmp(shares->items[i].function, name) == 0; i++) {
            add_up(&size, shares->items[i].size);
        }
        if (*name != '\0' && (*best == '\0' || size > best_size)) {
            best = name;
            best_size = size;
        }
    }
    *others = functions > 0 ? functions - 1 : 0;
    return best;
}

static void put_functions(FILE *out, const struct tmi_listing *list, const char *filename)
{
    struct shares shares = {0};
    size_t others;
    collect_shares(list, filename, &shares);
    const char *function = rank_shares(&shares, &others);
    if (*function != '\0') {
        fputs(" (", out);
        put_clean(out, function);
        if (others > 0) {
            fprintf(out, " and %zu other function%s", others, others == 1 ? "" : "s");
        }
        putc(')', out);
    }
    free(shares.items);
}

/* ---- text ------------------------------------------------------------------------- */

void tmi_print_size(FILE *out, double bytes)
{
    char size[64];
    struct tmi_text text = {.out = size, .room = sizeof(size)};
    tmi_text_add_size(&text, bytes, false);
    tmi_text_end(&text);
    fputs(size, out);
}

static void put_amount(FILE *out, struct tmi_amount amount)
{
    fputs("size=", out);
    tmi_print_size(out, (double)amount.size);
    fprintf(out, ", count=%" PRIu64, amount.count);
}

static void put_average(FILE *out, struct tmi_amount amount)
{
    if (amount.count != 0) {
        fputs(", average=", out);
        tmi_print_size(out,
                       (double)((long double)amount.size / (long double)amount.count));
    }
}

static void put_place(FILE *out, const struct tmi_listing *list, const tm_frame_t *frame)
{
    put_clean(out, frame->filename);
    fprintf(out, ":%" PRIu32, frame->lineno);
    if (list->key == TM_KEY_LINENO && frame->lineno == 0) {
        put_functions(out, list, frame->filename);
    }
    fputs(": ", out);
}

static void put_frames(FILE *out, const char *indent, const tm_traceback_t *traceback)
{
    int len = tm_traceback_format(traceback, INT_MAX, false, NULL, 0);
    if (len <= 0) {
        return;
    }
    char *text = need(malloc((size_t)len + 1));
    tm_traceback_format(traceback, INT_MAX, false, text, (size_t)len + 1);
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        fputs(indent, out);
        put_clean(out, line);
        putc('\n', out);
    }
    free(text);
}

static void put_group(FILE *out, const struct tmi_listing *list,
                      const tm_statistic_t *group)
{
    tm_frame_t frame;
    fputs(list->indent, out);
    if (list->key != TM_KEY_TRACEBACK &&
        tm_traceback_frame(group->traceback, 0, &frame) == 0) {
        put_place(out, list, &frame);
    }
    struct tmi_amount amount = {group->size, group->count};
    put_amount(out, amount);
    put_average(out, amount);
    putc('\n', out);
    if (list->key == TM_KEY_TRACEBACK) {
        put_frames(out, list->indent, group->traceback);
    }
}

struct tmi_amount tmi_print_total(const tm_snapshot_t *snapshot)
{
    struct tmi_amount total = {0, 0};
    tm_trace_t trace;
    for (size_t i = 0; tm_snapshot_trace(snapshot, i, &trace) == 0; i++) {
        add_up(&total.size, trace.size);
        add_up(&total.count, trace.count);
    }
    return total;
}

/* Groups that the limit left out; cumulative ones overlap, so that no sum means anything.
 */
static void put_others(FILE *out, const struct tmi_listing *list, size_t printed)
{
    size_t groups = tm_statistics_count(list->statistics);
    if (printed == groups) {
        return;
    }
    fprintf(out, "%s%zu other", list->indent, groups - printed);
    if (!list->cumulative) {
        struct tmi_amount rest = {0, 0};
        tm_statistic_t group;
        for (size_t i = printed; tm_statistics_get(list->statistics, i, &group) == 0;
             i++) {
            add_up(&rest.size, group.size);
            add_up(&rest.count, group.count);
        }
        fputs(": ", out);
        put_amount(out, rest);
    }
    putc('\n', out);
}

/* How many groups the limit lets through. */
static size_t count_printed(const struct tmi_listing *list)
{
    size_t groups = tm_statistics_count(list->statistics);
    return list->limit != 0 && list->limit < groups ? list->limit : groups;
}

void tmi_print_text(FILE *out, const struct tmi_listing *list)
{
    size_t printed = count_printed(list);
    tm_statistic_t group;
    for (size_t i = 0; i < printed && tm_statistics_get(list->statistics, i, &group) == 0;
         i++) {
        put_group(out, list, &group);
    }
    put_others(out, list, printed);
    fprintf(out, "%sTotal: ", list->indent);
    put_amount(out, tmi_print_total(list->snapshot));
    putc('\n', out);
}

/* ---- tsv -------------------------------------------------------------------------- */

static void put_encoded(FILE *out, const char *name)
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

void tmi_print_tsv(FILE *out, const struct tmi_listing *list)
{
    size_t printed = count_printed(list);
    tm_statistic_t group;
    for (size_t i = 0; i < printed && tm_statistics_get(list->statistics, i, &group) == 0;
         i++) {
        fprintf(out, "%" PRIu64 "\t%" PRIu64, group.size, group.count);
        tm_frame_t frame;
        for (size_t k = 0; tm_traceback_frame(group.traceback, k, &frame) == 0; k++) {
            fprintf(out, "%c%" PRIu32 ":", k == 0 ? '\t' : ' ', frame.lineno);
            put_encoded(out, frame.filename);
        }
        putc('\n', out);
    }
}
