/* SPDX-License-Identifier: MIT */
/*
 * Listings for programs: exact numbers, nothing shortened, and nothing in a name that
 * could be taken for something else.
 */
#include <inttypes.h>

#include "base/compiler.h"
#include "cli/encode.h"
#include "cli/print.h"

/* ---- tsv --------------------------------------------------------------------------- */

/* The one frame of a group by function says its function where others say a file. */
static tm_frame_t named_frame(const struct tmi_listing *list, const tm_frame_t *frame)
{
    tm_frame_t named = *frame;
    if (list->key == TM_KEY_FUNCTION && frame->function[0] != '\0') {
        named.filename = frame->function;
    }
    return named;
}

void tmi_print_tsv(FILE *out, const struct tmi_listing *list)
{
    size_t printed = tmi_listing_printed(list);
    for (size_t i = 0; i < printed; i++) {
        const struct tmi_amount *amount = &list->entries[i].amount;
        if (list->old == NULL) {
            fprintf(out, "%" PRIu64 "\t%" PRIu64, amount->size, amount->count);
        } else {
            fprintf(out, "%" PRIu64 "\t%" PRId64 "\t%" PRIu64 "\t%" PRId64, amount->size,
                    amount->size_diff, amount->count, amount->count_diff);
        }
        tm_frame_t frame;
        for (size_t k = 0; tm_traceback_frame(list->entries[i].traceback, k, &frame) == 0;
             k++) {
            putc(k == 0 ? '\t' : ' ', out);
            frame = named_frame(list, &frame);
            tmi_encode_place(out, &frame);
        }
        putc('\n', out);
    }
}

/* ---- JSON -------------------------------------------------------------------------- */

static void put_amount(FILE *out, const struct tmi_listing *list,
                       const struct tmi_amount *amount)
{
    fprintf(out, "\"size\": %" PRIu64 ", ", amount->size);
    if (list->old != NULL) {
        fprintf(out, "\"size_diff\": %" PRId64 ", ", amount->size_diff);
    }
    fprintf(out, "\"count\": %" PRIu64, amount->count);
    if (list->old != NULL) {
        fprintf(out, ", \"count_diff\": %" PRId64, amount->count_diff);
    }
}

static void put_traceback(FILE *out, const tm_traceback_t *traceback)
{
    tm_frame_t frame;
    putc('[', out);
    for (size_t k = 0; tm_traceback_frame(traceback, k, &frame) == 0; k++) {
        fputs(k == 0 ? "{" : ", {", out);
        tmi_encode_members(out, &frame);
        putc('}', out);
    }
    putc(']', out);
}

void tmi_print_json(FILE *out, const struct tmi_listing *list)
{
    static const char *const keys[] = {
        [TM_KEY_FILENAME] = "filename",   [TM_KEY_LINENO] = "lineno",
        [TM_KEY_TRACEBACK] = "traceback", [TM_KEY_FUNCTION] = "function",
        [TM_KEY_MODULE] = "module",       [TM_KEY_DOMAIN] = "domain"};
    struct tmi_amount total = tmi_listing_total(list);
    size_t printed = tmi_listing_printed(list);
    fprintf(out, "{\"metric\": \"%s\", \"key\": \"%s\", \"cumulative\": %s,\n",
            list->metric->name, keys[list->key], list->cumulative ? "true" : "false");
    fputs(" \"total\": {", out);
    put_amount(out, list, &total);
    fprintf(out, "}, \"groups\": %zu,\n \"%s\": [", list->count,
            list->old == NULL ? "statistics" : "differences");
    for (size_t i = 0; i < printed; i++) {
        fputs(i == 0 ? "\n  {" : ",\n  {", out);
        put_amount(out, list, &list->entries[i].amount);
        fputs(", \"traceback\": ", out);
        put_traceback(out, list->entries[i].traceback);
        putc('}', out);
    }
    fputs(printed > 0 ? "\n ]}\n" : "]}\n", out);
}

void tmi_print(FILE *out, const struct tmi_listing *list, enum tmi_format format)
{
    switch (format) {
    case TMI_FORMAT_TEXT:
        tmi_print_text(out, list);
        return;
    case TMI_FORMAT_TSV:
        tmi_print_tsv(out, list);
        return;
    case TMI_FORMAT_JSON:
        tmi_print_json(out, list);
        return;
    }
}
