/* SPDX-License-Identifier: MIT */
/*
 * The summary goes to stderr, where it does not mix with what the program printed, and
 * stays within a screen:
 *
 *     tmalloc: peak 24.1 MiB; at exit 4855 KiB in 39328 blocks
 *       src/parse.c:71: size=4321 KiB, count=39001, average=113 B
 *       ...
 *     tmalloc: tracing used 1824 KiB
 *     tmalloc: look closer with: tmalloc stats tmalloc.parse.4711.pb.gz
 */
#include "cli/summary.h"

#include <inttypes.h>
#include <string.h>

#include "cli/print.h"
#include "cli/selection.h"
#include "view/snapshot.h"

enum { SUMMARY_LINES = 10 };

static void put_size(FILE *out, const char *before, uint64_t bytes, const char *after)
{
    fputs(before, out);
    tmi_print_size(out, (double)bytes);
    fputs(after, out);
}

/* As a shell wants it, to be pasted behind a command. */
static void put_quoted(FILE *out, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789._/+=:,@%-";
    if (word[strspn(word, plain)] == '\0') {
        fputs(word, out);
        return;
    }
    putc('\'', out);
    for (; *word != '\0'; word++) {
        fputs(*word == '\'' ? "'\\'" : "", out);
        putc(*word, out);
    }
    putc('\'', out);
}

static void put_lines(FILE *out, struct tmi_listing *list)
{
    int err = tmi_listing_make(list);
    if (err == 0) {
        tmi_print_text(out, list);
    } else {
        fprintf(stderr, "tmalloc: statistics: %s\n", strerror(-err));
    }
    tmi_listing_release(list);
}

void tmi_summary_print_peak(FILE *out, const char *path)
{
    fputs("tmalloc: who held it at the peak: tmalloc stats ", out);
    put_quoted(out, path);
    putc('\n', out);
}

void tmi_summary_print(FILE *out, const char *path)
{
    static const struct tmi_selection all = {0};
    tm_snapshot_t *snapshot = tmi_selection_open(&all, path);
    if (snapshot == NULL) {
        return;
    }
    struct tmi_listing list = {.snapshot = snapshot,
                               .metric = tmi_metric_at(0),
                               .key = TM_KEY_LINENO,
                               .limit = SUMMARY_LINES,
                               .indent = "  "};
    struct tmi_amount total = tmi_listing_total(&list);
    put_size(out, "tmalloc: peak ", snapshot->about.peak, "");
    put_size(out, "; at exit ", total.size, "");
    fprintf(out, " in %" PRIu64 " block%s\n", total.count, total.count == 1 ? "" : "s");
    if (total.count > 0) {
        put_lines(out, &list);
    }
    put_size(out, "tmalloc: tracing used ", snapshot->about.overhead, "\n");
    if (snapshot->about.by_libgcc > 0) {
        fprintf(out, "tmalloc: stacks walked by libgcc, slowly: %" PRIu64 "\n",
                snapshot->about.by_libgcc);
    }
    fputs("tmalloc: look closer with: tmalloc stats ", out);
    put_quoted(out, path);
    putc('\n', out);
    tm_snapshot_free(snapshot);
}
