/* SPDX-License-Identifier: MIT */
/*
 * tmalloc top: a line a function, with what it allocated itself (flat) and what with all
 * that it calls (cum), for who knows `pprof -top`; and how many blocks it holds, how many
 * it ever allocated and how many were temporary, for who knows heaptrack_print.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/compiler.h"
#include "cli/command.h"
#include "cli/encode.h"
#include "cli/form.h"
#include "cli/label.h"
#include "cli/print.h"
#include "cli/profile.h"
#include "cli/selection.h"
#include "cli/term.h"

enum { SCREENFUL = 20 };

struct top_options {
    int key; /* in the order of the row's words */
    bool cumulative;
    struct tmi_form form;
    struct tmi_selection selection;
};

#define FIELD(name) offsetof(struct top_options, name)

static const struct tmi_args_option options[] = {
    {.name = "key",
     .letter = 'k',
     .kind = TMI_ARGS_CHOICE,
     .value = TMI_LABEL_NAMES,
     .preset = "function",
     .help = "what a line is about",
     .offset = FIELD(key)},
    {.name = "cumulative",
     .letter = 'c',
     .kind = TMI_ARGS_FLAG,
     .help = "order by what is allocated by a function and all that it calls",
     .offset = FIELD(cumulative)},
};

static const struct tmi_args_set shared[] = {
    TMI_FORM_SET(struct top_options, form),
    TMI_SELECTION_SET(struct top_options, selection),
    {0},
};

/* What is printed: the rows of a profile in order, by one of their values. */
struct table {
    const struct tm_snapshot *snapshot;
    const struct tmi_profile *profile;
    const struct tmi_metric *metric;
    enum tmi_value value; /* of flat and cum */
    tm_key_t by;
    uint32_t printed;
    size_t width; /* of a line of text; 0: any */
};

/* Columns of numbers before the name, all of them and those that come first; and what is
 * left to the name at least. A narrow terminal has the first ones alone. */
enum { ALL_NUMBERS = 76, FIRST_NUMBERS = 37, NAME = 24, LEAST = 12 };

static bool is_narrow(const struct table *t)
{
    return t->width != 0 && t->width < ALL_NUMBERS + NAME;
}

static size_t room_for_name(const struct table *t)
{
    size_t taken = is_narrow(t) ? FIRST_NUMBERS : ALL_NUMBERS;
    if (t->width == 0) {
        return 0;
    }
    return t->width > taken + LEAST ? t->width - taken : LEAST;
}

/* ---- text ---------------------------------------------------------------------------
 */

static void put_number(const struct table *t, uint64_t number)
{
    if (t->metric->by_count) {
        printf("%10" PRIu64, number);
    } else {
        tmi_print_size_wide(stdout, (double)number, 10);
    }
}

static double percent(const struct table *t, uint64_t number)
{
    uint64_t total = t->profile->total[t->value];
    return total == 0 ? 0 : 100 * (double)number / (double)total;
}

static void put_row(const struct table *t, const struct tmi_profile_row *row,
                    uint64_t *sum)
{
    uint64_t flat = row->flat[t->value];
    uint64_t cum = row->cum[t->value];
    tmi_add_up(sum, flat);
    put_number(t, flat);
    printf(" %5.1f%%", percent(t, flat));
    if (!is_narrow(t)) {
        printf(" %5.1f%%", percent(t, *sum));
    }
    putchar(' ');
    put_number(t, cum);
    printf(" %5.1f%%", percent(t, cum));
    if (!is_narrow(t)) {
        printf(" %9" PRIu64 " %10" PRIu64 " %10" PRIu64, row->flat[TMI_INUSE_BLOCKS],
               row->flat[TMI_ALLOC_BLOCKS], row->flat[TMI_TEMPORARY_BLOCKS]);
    }
    fputs("  ", stdout);
    tmi_label_print(stdout, row->key, t->by, room_for_name(t));
    putchar('\n');
}

static void put_head(const struct table *t)
{
    static const char *const what[] = {[TM_KEY_FUNCTION] = "function",
                                       [TM_KEY_LINENO] = "line",
                                       [TM_KEY_FILENAME] = "file",
                                       [TM_KEY_MODULE] = "module"};
    tmi_term_ink(stdout, TMI_INK_BOLD);
    if (is_narrow(t)) {
        printf("%10s %6s %10s %6s", "flat", "flat%", "cum", "cum%");
    } else {
        printf("%10s %6s %6s %10s %6s %9s %10s %10s", "flat", "flat%", "sum%", "cum",
               "cum%", "blocks", "allocs", "temporary");
    }
    printf("  %s (%s)", what[t->by], t->metric->name);
    tmi_term_ink(stdout, TMI_INK_PLAIN);
    putchar('\n');
}

static void put_total(const struct table *t)
{
    const uint64_t *total = t->profile->total;
    fputs("Total: held ", stdout);
    tmi_print_size(stdout, (double)total[TMI_INUSE_BYTES]);
    printf(" in %" PRIu64 " blocks; allocated ", total[TMI_INUSE_BLOCKS]);
    tmi_print_size(stdout, (double)total[TMI_ALLOC_BYTES]);
    printf(" in %" PRIu64 " blocks, %" PRIu64 " of them temporary\n",
           total[TMI_ALLOC_BLOCKS], total[TMI_TEMPORARY_BLOCKS]);
}

static void print_text(const struct table *t)
{
    uint64_t sum = 0;
    put_head(t);
    for (uint32_t i = 0; i < t->printed; i++) {
        put_row(t, &t->profile->rows[i], &sum);
    }
    if (t->printed < t->profile->count) {
        printf("%" PRIu32 " other\n", t->profile->count - t->printed);
    }
    put_total(t);
}

/* ---- tsv and JSON -------------------------------------------------------------------
 */

static void print_tsv(const struct table *t)
{
    for (uint32_t i = 0; i < t->printed; i++) {
        const struct tmi_profile_row *row = &t->profile->rows[i];
        tm_frame_t frame = tmi_label_frame(t->snapshot, row->key);
        printf("%" PRIu64 "\t%" PRIu64, row->flat[t->value], row->cum[t->value]);
        printf("\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t",
               row->flat[TMI_INUSE_BYTES], row->flat[TMI_INUSE_BLOCKS],
               row->flat[TMI_ALLOC_BYTES], row->flat[TMI_ALLOC_BLOCKS],
               row->flat[TMI_TEMPORARY_BLOCKS]);
        if (t->by == TM_KEY_FUNCTION && frame.function[0] != '\0') {
            frame.filename = frame.function;
        }
        tmi_encode_place(stdout, &frame);
        putchar('\n');
    }
}

static void put_values(const char *name, const uint64_t values[TMI_VALUE_COUNT])
{
    printf("\"%s\": {\"inuse_bytes\": %" PRIu64 ", \"inuse_blocks\": %" PRIu64
           ", \"alloc_bytes\": %" PRIu64 ", \"alloc_blocks\": %" PRIu64
           ", \"temporary\": %" PRIu64 "}",
           name, values[TMI_INUSE_BYTES], values[TMI_INUSE_BLOCKS],
           values[TMI_ALLOC_BYTES], values[TMI_ALLOC_BLOCKS],
           values[TMI_TEMPORARY_BLOCKS]);
}

static void print_json(const struct table *t)
{
    printf("{\"metric\": \"%s\",\n ", t->metric->name);
    put_values("total", t->profile->total);
    printf(", \"groups\": %" PRIu32 ",\n \"top\": [", t->profile->count);
    for (uint32_t i = 0; i < t->printed; i++) {
        const struct tmi_profile_row *row = &t->profile->rows[i];
        tm_frame_t frame = tmi_label_frame(t->snapshot, row->key);
        fputs(i == 0 ? "\n  {" : ",\n  {", stdout);
        put_values("flat", row->flat);
        fputs(", ", stdout);
        put_values("cum", row->cum);
        fputs(", ", stdout);
        tmi_encode_members(stdout, &frame);
        putchar('}');
    }
    fputs(t->printed > 0 ? "\n ]}\n" : "]}\n", stdout);
}

/* ---- the command --------------------------------------------------------------------
 */

static void print_table(const struct table *t, enum tmi_format format)
{
    switch (format) {
    case TMI_FORMAT_TEXT:
        print_text(t);
        return;
    case TMI_FORMAT_TSV:
        print_tsv(t);
        return;
    case TMI_FORMAT_JSON:
        print_json(t);
        return;
    }
}

static int report(const struct top_options *chosen, const struct tm_snapshot *snapshot)
{
    struct tmi_profile profile;
    struct table t = {.snapshot = snapshot,
                      .profile = &profile,
                      .metric = tmi_metric_at(chosen->selection.metric),
                      .by = tmi_label_key(chosen->key),
                      .width = tmi_term_width(stdout)};
    t.value = t.metric->by_count ? t.metric->count : t.metric->size;
    size_t limit = tmi_form_limit(&chosen->form, SCREENFUL);
    int err = tmi_profile_make(&profile, snapshot, t.by);
    if (err == 0) {
        err = tmi_profile_sort(&profile, t.value, chosen->cumulative);
    }
    if (err == 0) {
        t.printed = limit != 0 && limit < profile.count ? (uint32_t)limit : profile.count;
        print_table(&t, (enum tmi_format)chosen->form.format);
    } else {
        fprintf(stderr, "tmalloc: grouping: %s\n", strerror(-err));
    }
    tmi_profile_release(&profile);
    return err == 0 ? TMI_EXIT_OK : TMI_EXIT_FAILURE;
}

static int run_top(int argc, char **argv)
{
    struct top_options chosen = {.form = TMI_FORM_UNSET};
    struct tmi_args args;
    int status;
    if (!tmi_args_accept(&tmi_command_top, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    tm_snapshot_t *snapshot = tmi_selection_open_all(&chosen.selection, args.operands[0]);
    if (snapshot == NULL) {
        return TMI_EXIT_FAILURE;
    }
    status = report(&chosen, snapshot);
    tm_snapshot_free(snapshot);
    return status;
}

const struct tmi_command tmi_command_top = {
    .name = "top",
    .summary = "Which functions allocate most, by themselves and with all they call",
    .operands = "FILE",
    .details =
        "flat is what a function allocated itself, cum what with all that it calls, "
        "each\n"
        "with its share of the total; sum% adds the flat shares up from the top. blocks\n"
        "are those that it holds, allocs all that it ever asked for, temporary those\n"
        "of them that were freed by the thread whose latest allocation they were.\n"
        "tsv has flat, cum, inuse_bytes, inuse_blocks, alloc_bytes, alloc_blocks,\n"
        "temporary and LINE:FILE, separated by tabs, as 'tmalloc stats' writes it; but "
        "for\n"
        "cum all are flat.\n",
    .examples = "tmalloc top old.pb.gz\n"
                "tmalloc top --cumulative --metric alloc-bytes --limit 5 old.pb.gz\n",
    .options = options,
    .option_count = TMI_ARRAY_LEN(options),
    .shared = shared,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_top,
};
