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

#include "base/bits.h"
#include "cli/shorten.h"
#include "cli/term.h"
#include "view/frame.h"
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
void tmi_print_clean(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        bool plain = (unsigned char)*text >= ' ' && *text != 0x7f;
        putc(plain || *text == '\t' ? *text : '?', out);
    }
}

void tmi_print_function(FILE *out, const char *function)
{
    char name[1024];
    tmi_shorten_name(function, name, sizeof(name));
    tmi_print_clean(out, name);
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
            tmi_add_up(&size, shares->items[i].size);
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
        tmi_print_function(out, function);
        if (others > 0) {
            fprintf(out, " and %zu other function%s", others, others == 1 ? "" : "s");
        }
        putc(')', out);
    }
    free(shares.items);
}

/* ---- text ------------------------------------------------------------------------- */

void tmi_print_size_wide(FILE *out, double bytes, int width)
{
    char size[64];
    struct tmi_text text = {.out = size, .room = sizeof(size)};
    tmi_text_add_size(&text, bytes, false);
    tmi_text_end(&text);
    fprintf(out, "%*s", width, size);
}

void tmi_print_size(FILE *out, double bytes)
{
    tmi_print_size_wide(out, bytes, 0);
}

static void put_change(FILE *out, const char *change, int64_t by)
{
    fputs(" (", out);
    if (by != 0) {
        tmi_term_ink(out, by > 0 ? TMI_INK_MORE : TMI_INK_LESS);
    }
    fputs(change, out);
    tmi_term_ink(out, TMI_INK_PLAIN);
    putc(')', out);
}

/* `size=4855 KiB (+12 KiB), count=39328 (+17)`, without what the metric does not have. */
static void put_amount(FILE *out, const struct tmi_listing *list,
                       struct tmi_amount amount)
{
    char change[64];
    struct tmi_text text = {.out = change, .room = sizeof(change)};
    if (list->metric->size_word != NULL) {
        fprintf(out, "%s=", list->metric->size_word);
        tmi_term_ink(out, TMI_INK_BOLD);
        tmi_print_size(out, (double)amount.size);
        tmi_term_ink(out, TMI_INK_PLAIN);
        if (list->old != NULL) {
            tmi_text_add_size(&text, (double)amount.size_diff, true);
            tmi_text_end(&text);
            put_change(out, change, amount.size_diff);
        }
        fputs(", ", out);
    }
    fprintf(out, "%s=%" PRIu64, list->metric->count_word, amount.count);
    if (list->old != NULL) {
        snprintf(change, sizeof(change), "%+" PRId64, amount.count_diff);
        put_change(out, change, amount.count_diff);
    }
}

static void put_average(FILE *out, const struct tmi_listing *list,
                        struct tmi_amount amount)
{
    if (amount.count != 0 && list->metric->size_word != NULL) {
        fputs(", average=", out);
        tmi_print_size(out,
                       (double)((long double)amount.size / (long double)amount.count));
    }
}

/* What the group is a group of. */
static void put_place(FILE *out, const struct tmi_listing *list, const tm_frame_t *frame)
{
    if (list->key == TM_KEY_FUNCTION && frame->function[0] != '\0') {
        tmi_print_function(out, frame->function);
        if (strcmp(frame->filename, TMI_UNKNOWN_FILE) != 0) {
            fputs(" (", out);
            tmi_print_clean(out, frame->filename);
            putc(')', out);
        }
    } else {
        tmi_print_clean(out, frame->filename);
    }
    if (list->key == TM_KEY_LINENO || list->key == TM_KEY_FILENAME) {
        fprintf(out, ":%" PRIu32, frame->lineno);
    }
    if (list->key == TM_KEY_LINENO && frame->lineno == 0) {
        put_functions(out, list, frame->filename);
    }
    fputs(": ", out);
}

/* A line of a traceback: `  File "a.c", line 7, in parse`, or of a source file. True: it
 * was that of a frame. */
static bool put_frame_line(FILE *out, const char *line, const tm_traceback_t *traceback,
                           size_t frame_number)
{
    tm_frame_t frame;
    bool is_frame = strncmp(line, "  File \"", strlen("  File \"")) == 0;
    if (!is_frame) {
        tmi_term_ink(out, TMI_INK_DIM);
    }
    tmi_print_clean(out, line);
    if (!is_frame) {
        tmi_term_ink(out, TMI_INK_PLAIN);
    } else if (tm_traceback_frame(traceback, frame_number, &frame) == 0 &&
               frame.function[0] != '\0') {
        fputs(", in ", out);
        tmi_print_function(out, frame.function);
    }
    putc('\n', out);
    return is_frame;
}

/* As tracemalloc has them, with functions as Python has them elsewhere. */
static void put_frames(FILE *out, const char *indent, const tm_traceback_t *traceback)
{
    int len = tm_traceback_format(traceback, INT_MAX, false, NULL, 0);
    if (len <= 0) {
        return;
    }
    char *text = need(malloc((size_t)len + 1));
    tm_traceback_format(traceback, INT_MAX, false, text, (size_t)len + 1);
    size_t frames = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        fputs(indent, out);
        frames += put_frame_line(out, line, traceback, frames);
    }
    free(text);
}

static void put_entry(FILE *out, const struct tmi_listing *list,
                      const struct tmi_entry *entry)
{
    tm_frame_t frame;
    fputs(list->indent, out);
    if (list->key != TM_KEY_TRACEBACK &&
        tm_traceback_frame(entry->traceback, 0, &frame) == 0) {
        put_place(out, list, &frame);
    }
    put_amount(out, list, entry->amount);
    put_average(out, list, entry->amount);
    putc('\n', out);
    if (list->key == TM_KEY_TRACEBACK) {
        put_frames(out, list->indent, entry->traceback);
    }
}

static bool is_unchanged(const struct tmi_listing *list, const struct tmi_entry *entry)
{
    return list->old != NULL && entry->amount.size_diff == 0 &&
           entry->amount.count_diff == 0;
}

/* Cumulative groups overlap, so that no sum of them means anything. */
static void put_others(FILE *out, const struct tmi_listing *list, size_t others,
                       const struct tmi_amount *sum)
{
    if (others > 0) {
        fprintf(out, "%s%zu other", list->indent, others);
        if (!list->cumulative) {
            fputs(": ", out);
            put_amount(out, list, *sum);
        }
        putc('\n', out);
    }
}

void tmi_print_text(FILE *out, const struct tmi_listing *list)
{
    size_t most = tmi_listing_printed(list);
    size_t printed = 0;
    size_t unchanged = 0;
    struct tmi_amount rest = {0};
    for (size_t i = 0; i < list->count; i++) {
        const struct tmi_entry *entry = &list->entries[i];
        if (is_unchanged(list, entry)) {
            unchanged++;
        } else if (printed < most) {
            printed++;
            put_entry(out, list, entry);
        } else {
            tmi_amount_add(&rest, &entry->amount);
        }
    }
    put_others(out, list, list->count - printed - unchanged, &rest);
    if (unchanged > 0) {
        fprintf(out, "%s%zu unchanged\n", list->indent, unchanged);
    }
    fprintf(out, "%sTotal: ", list->indent);
    put_amount(out, list, tmi_listing_total(list));
    putc('\n', out);
}
