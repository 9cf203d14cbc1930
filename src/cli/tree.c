/* SPDX-License-Identifier: MIT */
/*
 * tmalloc tree: what is held, by the paths of calls that lead to it.
 *
 *          total      %       self    blocks  function (inuse-bytes)
 *       31.0 MiB 100.0%               295729  total
 *       31.0 MiB 100.0%               295729  main
 *       20.0 MiB  64.5%   20.0 MiB    200000  |- parse
 *        9.0 MiB  29.0%                95000  `- load
 *        9.0 MiB  29.0%    9.0 MiB     95000     read_all
 *
 * A call that is the only one of its caller stands right below it; only where paths part
 * they are indented. So the width grows with the branches, not with the depth.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/calltree.h"
#include "cli/command.h"
#include "cli/encode.h"
#include "cli/form.h"
#include "cli/label.h"
#include "cli/print.h"
#include "cli/prune.h"
#include "cli/selection.h"
#include "cli/term.h"

#define TRUNCATED "<truncated>"

struct tree_options {
    int key; /* in the order of the row's words */
    bool inverted;
    struct tmi_prune prune;
    struct tmi_form form;
    struct tmi_selection selection;
};

#define FIELD(name) offsetof(struct tree_options, name)

static const struct tmi_args_option options[] = {
    {.name = "inverted",
     .letter = 'I',
     .kind = TMI_ARGS_FLAG,
     .help = "begin with the functions that allocate, below each its callers",
     .offset = FIELD(inverted)},
    {.name = "key",
     .letter = 'k',
     .kind = TMI_ARGS_CHOICE,
     .value = TMI_LABEL_NAMES,
     .preset = "function",
     .help = "what a line is about",
     .offset = FIELD(key)},
    {.name = "min-percent",
     .letter = 'p',
     .kind = TMI_ARGS_DECIMAL,
     .value = "PERCENT",
     .help = "leave out what has less of the total (default: 1 as text, else 0)",
     .min = 0,
     .max = 100,
     .offset = FIELD(prune.min_percent)},
    {.name = "depth",
     .kind = TMI_ARGS_NUMBER,
     .value = "N",
     .preset = "0",
     .help = "go no further than N calls, 0: to the end",
     .min = 0,
     .max = LONG_MAX,
     .offset = FIELD(prune.depth)},
};

static const struct tmi_args_set shared[] = {
    TMI_FORM_SET(struct tree_options, form),
    TMI_SELECTION_SET(struct tree_options, selection),
    {0},
};

/* What is printed of a tree. */
struct drawing {
    const struct tm_snapshot *snapshot;
    const struct tmi_calltree *tree;
    const struct tmi_metric *metric;
    tm_key_t by;
    bool inverted;
    size_t width;      /* of a line of text; 0: any */
    const bool *shown; /* by node */
    uint32_t shown_count;
};

/* ---- text ---------------------------------------------------------------------------
 */

/* How a node hangs below its parent. */
struct hang {
    bool alone; /* no sibling is shown */
    bool last;  /* none behind it is */
};

static struct hang hang_of(const struct drawing *d, uint32_t node)
{
    const struct tmi_calltree_node *nodes = d->tree->nodes;
    struct hang hang = {.alone = true, .last = true};
    for (uint32_t i = nodes[nodes[node].parent].first; i != 0 && hang.alone;
         i = nodes[i].next) {
        hang.alone = i == node || !d->shown[i];
    }
    for (uint32_t i = nodes[node].next; i != 0 && hang.last; i = nodes[i].next) {
        hang.last = !d->shown[i];
    }
    return hang;
}

static void put_value(const struct drawing *d, uint64_t size, uint64_t count)
{
    if (d->metric->by_count) {
        printf("%10" PRIu64, count);
    } else {
        tmi_print_size_wide(stdout, (double)size, 10);
    }
}

static void put_columns(const struct drawing *d, uint32_t i)
{
    const struct tmi_calltree_node *node = &d->tree->nodes[i];
    const struct tmi_calltree_node *all = &d->tree->nodes[0];
    double part = (double)(d->metric->by_count ? node->count : node->size);
    double whole = (double)(d->metric->by_count ? all->count : all->size);
    put_value(d, node->size, node->count);
    printf(" %5.1f%%%s", whole > 0 ? 100 * part / whole : 0.0, d->inverted ? "" : " ");
    if (!d->inverted && (node->self_size != 0 || node->self_count != 0)) {
        put_value(d, node->self_size, node->self_count);
    } else if (!d->inverted) {
        printf("%10s", "");
    }
    if (!d->metric->by_count) {
        printf(" %9" PRIu64, node->count);
    }
    fputs("  ", stdout);
}

/* What columns and branches leave to the name; 0: as much as it wants. */
static size_t room_for_name(const struct drawing *d, uint32_t level)
{
    enum { TOTAL = 19, SELF = 11, BLOCKS = 10, BRANCH = 3, LEAST = 12 };
    size_t taken = TOTAL + (d->inverted ? 0 : SELF) + (d->metric->by_count ? 0 : BLOCKS) +
                   (size_t)BRANCH * level;
    if (d->width == 0) {
        return 0;
    }
    return d->width > taken + LEAST ? d->width - taken : LEAST;
}

static void put_label(const struct drawing *d, uint32_t i, uint32_t level)
{
    uint32_t id = d->tree->nodes[i].id;
    if (i == 0) {
        fputs("total\n", stdout);
    } else if (id == TMI_CALLTREE_CUT) {
        fputs(TRUNCATED "\n", stdout);
    } else {
        tmi_label_print(stdout, &d->tree->keys.keys[id], d->by, room_for_name(d, level));
        putchar('\n');
    }
}

/* `goes_on` has by level whether a sibling is still to come there. */
static void put_branch(const bool *goes_on, uint32_t level, const struct hang *hang)
{
    if (level == 0) {
        return;
    }
    tmi_term_ink(stdout, TMI_INK_DIM);
    for (uint32_t l = 1; l < level; l++) {
        fputs(goes_on[l] ? "|  " : "   ", stdout);
    }
    if (hang->alone) {
        fputs(goes_on[level] ? "|  " : "   ", stdout);
    } else {
        fputs(hang->last ? "`- " : "|- ", stdout);
    }
    tmi_term_ink(stdout, TMI_INK_PLAIN);
}

static int draw(const struct drawing *d)
{
    const struct tmi_calltree_node *nodes = d->tree->nodes;
    uint32_t *level = calloc(d->tree->count, sizeof(*level));
    bool *goes_on = calloc((size_t)d->tree->count + 1, sizeof(*goes_on));
    bool ready = level != NULL && goes_on != NULL;
    uint32_t depth = 0;
    for (uint32_t i = 0; ready;) {
        if (d->shown[i]) {
            struct hang hang = {.alone = true};
            if (i != 0) {
                hang = hang_of(d, i);
                level[i] = level[nodes[i].parent] + !hang.alone;
            }
            if (!hang.alone) {
                goes_on[level[i]] = !hang.last;
            }
            put_columns(d, i);
            put_branch(goes_on, level[i], &hang);
            put_label(d, i, level[i]);
        }
        i = tmi_calltree_next(d->tree, i, d->shown[i], &depth);
        if (i == 0) {
            break;
        }
    }
    free(level);
    free(goes_on);
    return ready ? 0 : -1;
}

static int print_text(const struct drawing *d)
{
    static const char *const what[] = {[TM_KEY_FUNCTION] = "function",
                                       [TM_KEY_LINENO] = "line",
                                       [TM_KEY_FILENAME] = "file",
                                       [TM_KEY_MODULE] = "module"};
    tmi_term_ink(stdout, TMI_INK_BOLD);
    printf("%10s %6s", "total", "%");
    if (!d->inverted) {
        printf(" %10s", "self");
    }
    if (!d->metric->by_count) {
        printf(" %9s", "blocks");
    }
    printf("  %s%s (%s)", what[d->by], d->inverted ? ", callers below" : "",
           d->metric->name);
    tmi_term_ink(stdout, TMI_INK_PLAIN);
    putchar('\n');
    int err = draw(d);
    uint32_t hidden = d->tree->count - d->shown_count;
    if (err == 0 && hidden > 0) {
        printf("%" PRIu32 " of %" PRIu32
               " calls are too small, or too deep, to be shown; "
               "see --min-percent, --depth and --limit\n",
               hidden, d->tree->count - 1);
    }
    return err;
}

/* ---- tsv and JSON -------------------------------------------------------------------
 */

static tm_frame_t frame_of(const struct drawing *d, uint32_t node)
{
    uint32_t id = d->tree->nodes[node].id;
    if (id == TMI_CALLTREE_CUT) {
        return (tm_frame_t){.filename = TRUNCATED, .function = "", .module = ""};
    }
    return tmi_label_frame(d->snapshot, &d->tree->keys.keys[id]);
}

static void put_tsv(const struct drawing *d, uint32_t i, uint32_t depth)
{
    const struct tmi_calltree_node *node = &d->tree->nodes[i];
    tm_frame_t frame = frame_of(d, i);
    printf("%" PRIu32 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t", depth,
           node->size, node->count, node->self_size, node->self_count);
    if (d->by == TM_KEY_FUNCTION && frame.function[0] != '\0') {
        frame.filename = frame.function;
    }
    tmi_encode_place(stdout, &frame);
    putchar('\n');
}

static void put_json(const struct drawing *d, uint32_t i, uint32_t depth)
{
    const struct tmi_calltree_node *node = &d->tree->nodes[i];
    tm_frame_t frame = frame_of(d, i);
    printf("  {\"depth\": %" PRIu32 ", \"size\": %" PRIu64 ", \"count\": %" PRIu64
           ", \"self_size\": %" PRIu64 ", \"self_count\": %" PRIu64 ", ",
           depth, node->size, node->count, node->self_size, node->self_count);
    tmi_encode_members(stdout, &frame);
    putchar('}');
}

static void print_programs(const struct drawing *d, bool json)
{
    const struct tmi_calltree_node *all = &d->tree->nodes[0];
    if (json) {
        printf("{\"metric\": \"%s\", \"inverted\": %s,\n \"total\": {\"size\": %" PRIu64
               ", \"count\": %" PRIu64 "},\n \"calls\": [",
               d->metric->name, d->inverted ? "true" : "false", all->size, all->count);
    }
    const char *between = "\n";
    uint32_t depth = 0;
    for (uint32_t i = 0; (i = tmi_calltree_next(d->tree, i, d->shown[i], &depth)) != 0;) {
        if (d->shown[i] && json) {
            fputs(between, stdout);
            put_json(d, i, depth);
            between = ",\n";
        } else if (d->shown[i]) {
            put_tsv(d, i, depth);
        }
    }
    if (json) {
        fputs(d->shown_count > 1 ? "\n ]}\n" : "]}\n", stdout);
    }
}

/* ---- the command --------------------------------------------------------------------
 */

static int print(struct drawing *d, const struct tree_options *chosen)
{
    struct tmi_prune prune = chosen->prune;
    if (prune.min_percent < 0) {
        prune.min_percent = chosen->form.format == TMI_FORMAT_TEXT ? 1 : 0;
    }
    prune.most = tmi_form_limit(&chosen->form, 0);
    bool *shown = tmi_prune_choose(&prune, d->tree, d->metric->by_count, &d->shown_count);
    if (shown == NULL) {
        return -1;
    }
    d->shown = shown;
    int err = 0;
    if (chosen->form.format == TMI_FORMAT_TEXT) {
        err = print_text(d);
    } else {
        print_programs(d, chosen->form.format == TMI_FORMAT_JSON);
    }
    free(shown);
    return err;
}

static int report(const struct tree_options *chosen, const struct tm_snapshot *snapshot)
{
    struct tmi_calltree tree;
    struct drawing d = {.snapshot = snapshot,
                        .tree = &tree,
                        .metric = tmi_metric_at(chosen->selection.metric),
                        .by = tmi_label_key(chosen->key),
                        .inverted = chosen->inverted,
                        .width = tmi_term_width(stdout)};
    int err = tmi_calltree_make(&tree, snapshot, d.by, d.inverted, d.metric->by_count);
    if (err == 0) {
        err = print(&d, chosen);
    }
    tmi_calltree_release(&tree);
    if (err != 0) {
        fputs("tmalloc: out of memory\n", stderr);
    }
    return err == 0 ? TMI_EXIT_OK : TMI_EXIT_FAILURE;
}

static int run_tree(int argc, char **argv)
{
    struct tree_options chosen = {.prune = {.min_percent = -1}, .form = TMI_FORM_UNSET};
    struct tmi_args args;
    int status;
    if (!tmi_args_accept(&tmi_command_tree, argc, argv, &chosen, &args, &status)) {
        return status;
    }
    tm_snapshot_t *snapshot = tmi_selection_open(&chosen.selection, args.operands[0]);
    if (snapshot == NULL) {
        return TMI_EXIT_FAILURE;
    }
    status = report(&chosen, snapshot);
    tm_snapshot_free(snapshot);
    return status;
}

const struct tmi_command tmi_command_tree = {
    .name = "tree",
    .summary = "Which paths of calls lead to the memory",
    .operands = "FILE",
    .details =
        "total is what is held by a call and all below it, with its share of "
        "everything,\n"
        "self what of that the function allocated itself. A call that is the only one "
        "of\n"
        "its caller stands right below it; where paths part they are indented. Calls "
        "of\n"
        "a function to itself are not shown.\n" TRUNCATED
        " stands for the outer frames of stacks deeper than was recorded.\n"
        "tsv has depth, size, count, self size, self count and LINE:FILE, separated by\n"
        "tabs, as 'tmalloc stats' writes it.\n",
    .examples = "tmalloc tree old.pb.gz\n"
                "tmalloc tree --inverted --min-percent 5 --depth 4 old.pb.gz\n",
    .options = options,
    .option_count = TMI_ARRAY_LEN(options),
    .shared = shared,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_tree,
};
