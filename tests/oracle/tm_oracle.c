/* SPDX-License-Identifier: MIT */
/*
 * What tmalloc's analysis answers to the questions of an oracle: synthetic trace sets of
 * which Python's own tracemalloc said what follows from them. Through the public C API,
 * so that a C program can have all that a Python program has.
 *
 *     tm-oracle OP ARG...     one question, in the working directory
 *     tm-oracle batch CASE    all questions whose headers stand in CASE/expected.txt
 *     tm-oracle size|fnmatch|env FILE     an answer a line
 *     tm-oracle dump SET FILE  the set as a snapshot file, for `tmalloc` to be asked
 *
 * The two that are no functions of the API, amounts of memory in words and the value of
 * the variable that starts tracing, are asked of the code behind it.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/option.h"
#include "oracle/lines.h"
#include "pprof/dump.h"
#include "view/service.h"
#include "view/text.h"

enum { ARGS_MOST = 4, TEXTS_MOST = 10, TEXT_BYTES = 65536 };

/* Frames of these sets have names, not addresses: there is nothing to look up. */
const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {.dump = tmi_pprof_dump};
    return &service;
}

static tm_key_t key_named(const char *name)
{
    static const char *const names[] = {"filename", "lineno", "traceback"};
    for (size_t i = 0; i < TMI_ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return (tm_key_t)i;
        }
    }
    oracle_fail("unknown key", name);
}

/* ---- statistics and differences ---------------------------------------------------- */

static void put_statistics(const tm_snapshot_t *set, char *const args[])
{
    tm_statistics_t *st = oracle_need(
        tm_snapshot_statistics(set, key_named(args[0]), args[1][0] == '1'), "statistics");
    tm_statistic_t stat;
    for (size_t i = 0; tm_statistics_get(st, i, &stat) == 0; i++) {
        printf("stat %" PRIu64 " %" PRIu64, stat.size, stat.count);
        oracle_put_frames(stat.traceback);
        putchar('\n');
    }
    for (size_t i = 0; i < TEXTS_MOST && tm_statistics_get(st, i, &stat) == 0; i++) {
        char text[TEXT_BYTES];
        int len = tm_statistic_format(&stat, text, sizeof text);
        oracle_put_text("str", text, (size_t)len);
    }
    tm_statistics_free(st);
}

static void put_differences(const tm_snapshot_t *now, const tm_snapshot_t *old,
                            char *const args[])
{
    tm_statistic_diffs_t *diffs = oracle_need(
        tm_snapshot_compare_to(now, old, key_named(args[0]), args[1][0] == '1'), "diff");
    tm_statistic_diff_t diff;
    for (size_t i = 0; tm_statistic_diffs_get(diffs, i, &diff) == 0; i++) {
        printf("diff %" PRIu64 " %" PRId64 " %" PRIu64 " %" PRId64, diff.size,
               diff.size_diff, diff.count, diff.count_diff);
        oracle_put_frames(diff.traceback);
        putchar('\n');
    }
    for (size_t i = 0; i < TEXTS_MOST; i++) {
        char text[TEXT_BYTES];
        if (tm_statistic_diffs_get(diffs, i, &diff) == 0) {
            int len = tm_statistic_diff_format(&diff, text, sizeof text);
            oracle_put_text("str", text, (size_t)len);
        }
    }
    tm_statistic_diffs_free(diffs);
}

static void run_stat(char *const args[])
{
    tm_snapshot_t *set = oracle_read_set(args[0]);
    put_statistics(set, args + 1);
    tm_snapshot_free(set);
}

static void run_fstat(char *const args[])
{
    tm_snapshot_t *set = oracle_read_set(args[0]);
    tm_snapshot_t *filtered = oracle_filter(set, args[1]);
    tm_snapshot_free(set);
    put_statistics(filtered, args + 2);
    tm_snapshot_free(filtered);
}

static void run_diff(char *const args[])
{
    tm_snapshot_t *now = oracle_read_set(args[0]);
    tm_snapshot_t *old = oracle_read_set(args[1]);
    put_differences(now, old, args + 2);
    tm_snapshot_free(now);
    tm_snapshot_free(old);
}

/* ---- traces and tracebacks --------------------------------------------------------- */

static void run_filter(char *const args[])
{
    tm_snapshot_t *set = oracle_read_set(args[0]);
    tm_snapshot_t *filtered = oracle_filter(set, args[1]);
    tm_trace_t trace;
    for (size_t i = 0; tm_snapshot_trace(filtered, i, &trace) == 0; i++) {
        oracle_put_trace(&trace);
    }
    tm_snapshot_free(filtered);
    tm_snapshot_free(set);
}

static void run_tracestr(char *const args[])
{
    tm_snapshot_t *set = oracle_read_set(args[0]);
    tm_trace_t trace;
    for (size_t i = 0; tm_snapshot_trace(set, i, &trace) == 0; i++) {
        char text[TEXT_BYTES];
        trace.size /= trace.count; /* a trace of Python's is one block */
        int len = tm_trace_format(&trace, text, sizeof text);
        oracle_put_text("str", text, (size_t)len);
    }
    tm_snapshot_free(set);
}

/* The length of the line that `text` begins with if it is that of a frame; else 0. */
static size_t frame_line(const tm_traceback_t *tb, size_t i, const char *text)
{
    char line[TEXT_BYTES];
    tm_frame_t frame;
    tm_traceback_frame(tb, i, &frame);
    int len = snprintf(line, sizeof line, "  File \"%s\", line %" PRIu32 "\n",
                       frame.filename, frame.lineno);
    return strncmp(text, line, (size_t)len) == 0 ? (size_t)len : 0;
}

/*
 * Lines are told apart by newlines, which a name may have as well: the line of a frame
 * goes as far as that frame's name and number say. No source line can look like one.
 */
static void put_lines(const tm_traceback_t *tb, const char *text)
{
    while (*text != '\0') {
        size_t len = 0;
        for (size_t i = 0; i < tm_traceback_len(tb) && len == 0; i++) {
            len = frame_line(tb, i, text);
        }
        len = len != 0 ? len : strcspn(text, "\n") + 1;
        oracle_put_text("line", text, len - 1);
        text += len;
    }
}

static void run_format(char *const args[])
{
    tm_snapshot_t *set = oracle_read_set(args[0]);
    tm_trace_t trace;
    char text[TEXT_BYTES];
    int limit = strcmp(args[2], "none") == 0 ? INT_MAX : atoi(args[2]);
    if (tm_snapshot_trace(set, (size_t)atoi(args[1]), &trace) != 0 ||
        tm_traceback_format(trace.traceback, limit, args[3][0] == '1', text,
                            sizeof text) >= TEXT_BYTES) {
        oracle_fail("no such trace, or too much text", args[0]);
    }
    put_lines(trace.traceback, text);
    tm_snapshot_free(set);
}

static void run_dump(char *const args[])
{
    tm_snapshot_t *set = oracle_read_set(args[0]);
    int err = tm_snapshot_dump(set, args[1]);
    if (err != 0) {
        oracle_fail(strerror(-err), args[1]);
    }
    tm_snapshot_free(set);
}

/* ---- lists ------------------------------------------------------------------------- */

static void answer_size(char *rest)
{
    char words[64];
    long double numerator = (long double)oracle_number_field(&rest);
    long double denominator = (long double)oracle_number_field(&rest);
    struct tmi_text text = {.out = words, .room = sizeof words};
    tmi_text_add_size(&text, (double)(numerator / denominator),
                      oracle_number_field(&rest) != 0);
    tmi_text_end(&text);
    puts(words);
}

static void answer_fnmatch(char *rest)
{
    const char *pattern = oracle_text_field(&rest) + 1; /* behind '=' */
    tm_frame_t frame = {.filename = oracle_text_field(&rest) + 1, .lineno = 1};
    tm_filter_t filter = {.inclusive = true, .filename_pattern = pattern};
    tm_snapshot_t *set = oracle_need(tm_snapshot_new(1), "snapshot");
    if (tm_snapshot_add(set, 0, 1, 1, &frame, 1, 1) != 0) {
        oracle_fail("no trace", frame.filename);
    }
    tm_snapshot_t *taken =
        oracle_need(tm_snapshot_filter_traces(set, &filter, 1), pattern);
    printf("%zu\n", tm_snapshot_trace_count(taken));
    tm_snapshot_free(taken);
    tm_snapshot_free(set);
}

static void answer_env(char *rest)
{
    const struct tmi_option_row *row = &tmi_option_rows[TMI_OPTION_TRACE];
    const char *value = oracle_text_field(&rest) + 1; /* behind '=' */
    int64_t number = 0;
    int err = *value == '\0' ? 0 : tmi_parse_number(value, &number);
    if (err != 0 || number < 0 || number > INT_MAX) {
        puts("error-parse");
    } else if (number < row->least || number > row->most) {
        puts("error-range");
    } else if (number == 0) {
        puts("off");
    } else {
        printf("%" PRId64 "\n", number);
    }
}

static void answer_all(const char *path, void (*answer)(char *rest))
{
    struct oracle_file *file = oracle_open(path);
    for (char *line; (line = oracle_line(file)) != NULL;) {
        answer(line);
    }
    oracle_close(file);
}

static void run_size(char *const args[])
{
    answer_all(args[0], answer_size);
}

static void run_fnmatch(char *const args[])
{
    answer_all(args[0], answer_fnmatch);
}

static void run_env(char *const args[])
{
    answer_all(args[0], answer_env);
}

/* ---- questions --------------------------------------------------------------------- */

static void run_batch(char *const args[]);

static const struct question {
    const char *name;
    size_t args;
    void (*run)(char *const args[]);
} questions[] = {
    {"stat", 3, run_stat},         {"diff", 4, run_diff}, {"filter", 2, run_filter},
    {"fstat", 4, run_fstat},       {"env", 1, run_env},   {"format", 4, run_format},
    {"tracestr", 1, run_tracestr}, {"size", 1, run_size}, {"fnmatch", 1, run_fnmatch},
    {"batch", 1, run_batch},       {"dump", 2, run_dump},
};

static void ask(const char *name, size_t n, char *const args[])
{
    for (size_t i = 0; i < TMI_ARRAY_LEN(questions); i++) {
        if (strcmp(questions[i].name, name) == 0 && questions[i].args == n) {
            questions[i].run(args);
            return;
        }
    }
    oracle_fail("no such question", name);
}

/* The header of a section, `@ ID OP ARG... [tags=...]`, and the answer. */
static void answer_section(char *line)
{
    char *args[ARGS_MOST + 1];
    size_t n = 0;
    puts(line);
    char *rest = line;
    oracle_field(&rest); /* @ */
    oracle_field(&rest); /* id */
    const char *op = oracle_field(&rest);
    for (char *arg; n <= ARGS_MOST && (arg = oracle_field(&rest)) != NULL;) {
        if (strncmp(arg, "tags=", strlen("tags=")) != 0) {
            args[n++] = arg;
        }
    }
    ask(op == NULL ? "" : op, n, args);
}

static void run_batch(char *const args[])
{
    if (chdir(args[0]) != 0) {
        oracle_need(NULL, args[0]);
    }
    struct oracle_file *file = oracle_open("expected.txt");
    for (char *line; (line = oracle_line(file)) != NULL;) {
        if (line[0] == '@') {
            answer_section(line);
        }
    }
    oracle_close(file);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc - 2 > ARGS_MOST) {
        fputs("usage: tm-oracle OP ARG..., as tests/oracle/tm_oracle.c says\n", stderr);
        return 2;
    }
    ask(argv[1], (size_t)(argc - 2), argv + 2);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        oracle_need(NULL, "standard output");
    }
    return 0;
}
