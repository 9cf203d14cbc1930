/* SPDX-License-Identifier: MIT */
/*
 * See base/option.h. Values are kept in one array indexed by option. A text is copied: a
 * program may overwrite its environment to give itself a title.
 */
#include "base/option.h"

#include <errno.h>
#include <string.h>

#include "base/report.h"
#include "base/sys.h"
#include "base/wrapper.h"

static const char *const on_error_choices[] = {"abort", "warn", NULL};
static const char *const unwind_choices[] = {"fast",  "fp",    "libgcc",
                                             "check", "guess", NULL};

const struct tmi_option_row tmi_option_rows[TMI_OPTION_COUNT] = {
    [TMI_OPTION_TRACE] = {"TMALLOC", "a number of frames, 0 to 65535",
                          "start tracing before main and keep that many frames; 0 or "
                          "empty: do not",
                          TMI_NUMBER, 0, 65535, 0, NULL},
    [TMI_OPTION_DUMP] = {"TMALLOC_DUMP", "a file name",
                         "write a snapshot there at exit; %p is the process id, %e the "
                         "program's name, %% a percent sign",
                         TMI_TEXT, 0, 0, 0, NULL},
    [TMI_OPTION_LEASE] = {"TMALLOC_LEASE", "bytes, 0 to 1073741824",
                          "how far a thread's counters may run ahead of the process's "
                          "peak; 0: exact peak, slower with threads",
                          TMI_NUMBER, 0, 1 << 30, 64 << 10, NULL},
    [TMI_OPTION_LIBRARY] = {"TMALLOC_LIBRARY", "a file name",
                            "the libtmalloc.so that `tmalloc run` preloads", TMI_TEXT, 0,
                            0, 0, NULL},
    [TMI_OPTION_MAX_MEMORY] = {"TMALLOC_MAX_MEMORY",
                               "bytes, perhaps with K, M or G behind",
                               "how much memory tracing may use; from two thirds of it "
                               "on, of new stacks only the outer part is known; 0: any "
                               "amount",
                               TMI_SIZE, 0, (int64_t)1 << 47, 1 << 30, NULL},
    [TMI_OPTION_ON_ERROR] = {"TMALLOC_ON_ERROR", "abort or warn",
                             "what follows the report of a bad free or a damaged block",
                             TMI_CHOICE, 0, 1, 0, on_error_choices},
    [TMI_OPTION_PEAK_DUMP] = {"TMALLOC_PEAK_DUMP", "a file name",
                              "write a snapshot of the peak there at exit; %p, %e and %% "
                              "as in TMALLOC_DUMP",
                              TMI_TEXT, 0, 0, 0, NULL},
    [TMI_OPTION_RUN_PID] = {"TMALLOC_RUN_PID", "a process id",
                            "only that process traces and dumps; set by `tmalloc run`",
                            TMI_NUMBER, 0, INT32_MAX, 0, NULL},
    [TMI_OPTION_SAMPLE] = {"TMALLOC_SAMPLE", "bytes, 0 to 1099511627776",
                           "record stacks for a sample of blocks, on average one in so "
                           "many bytes; sums stay exact; 0: for every block",
                           TMI_NUMBER, 0, (int64_t)1 << 40, 0, NULL},
    [TMI_OPTION_UNWIND] = {"TMALLOC_UNWIND", "fast, fp, libgcc, check or guess",
                           "how stacks are walked; fp: by frame pointers alone; check: "
                           "each both by fast and libgcc, and differences are told; "
                           "guess: fast, and over code without unwind tables by rbp",
                           TMI_CHOICE, 0, 4, 0, unwind_choices},
    [TMI_OPTION_WRAPPERS] = {"TMALLOC_WRAPPERS",
                             "names separated by commas, * for any characters",
                             "functions that allocate for their callers: with one frame "
                             "the caller is what counts",
                             TMI_PATTERNS, 0, 0, 0, NULL},
};

static struct {
    const char *text; /* NULL: not set, or refused */
    int64_t number;
} values[TMI_OPTION_COUNT];

int64_t tmi_option_number(enum tmi_option which)
{
    return values[which].text == NULL ? tmi_option_rows[which].standard
                                      : values[which].number;
}

const char *tmi_option_text(enum tmi_option which)
{
    return values[which].text;
}

/* The number at the start of a text, and what follows it. */
static int parse_digits(const char *text, int64_t *out, const char **rest)
{
    while (*text == ' ' || (*text >= '\t' && *text <= '\r')) {
        text++;
    }
    bool negative = *text == '-';
    if (*text == '-' || *text == '+') {
        text++;
    }
    int64_t value = 0; /* below zero, where there is one more */
    bool any = false;
    for (; *text >= '0' && *text <= '9'; text++) {
        int digit = *text - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) {
            return -EINVAL;
        }
        any = true;
    }
    if (!any || (!negative && value == INT64_MIN)) {
        return -EINVAL;
    }
    *out = negative ? value : -value;
    *rest = text;
    return 0;
}

int tmi_parse_number(const char *text, int64_t *out)
{
    const char *rest;
    int64_t value;
    if (parse_digits(text, &value, &rest) != 0 || *rest != '\0') {
        return -EINVAL;
    }
    *out = value;
    return 0;
}

int tmi_parse_size(const char *text, int64_t *out)
{
    static const char letters[] = "KkMmGg";
    const char *rest;
    int64_t value;
    if (parse_digits(text, &value, &rest) != 0) {
        return -EINVAL;
    }
    if (*rest != '\0') {
        const char *letter = strchr(letters, *rest);
        if (letter == NULL || rest[1] != '\0') {
            return -EINVAL;
        }
        int power = (int)(letter - letters) / 2 + 1;
        if (__builtin_mul_overflow(value, (int64_t)1 << 10 * power, &value)) {
            return -EINVAL;
        }
    }
    *out = value;
    return 0;
}

static int find_choice(const char *const *choices, const char *text, int64_t *out)
{
    for (int64_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *out = i;
            return 0;
        }
    }
    return -EINVAL;
}

static void refuse(const struct tmi_option_row *row, const char *text)
{
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    tmi_put_text(&w, row->name);
    tmi_put_char(&w, '=');
    tmi_put_text(&w, text);
    tmi_put_text(&w, " is ignored: expected ");
    tmi_put_text(&w, row->values);
    tmi_report(&w);
}

/* A copy that is never freed; the text itself when there is no memory. */
static const char *keep(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = tmi_sys_map(bytes);
    return copy == NULL ? text : memcpy(copy, text, bytes);
}

static void set_value(enum tmi_option which, const char *text)
{
    const struct tmi_option_row *row = &tmi_option_rows[which];
    int64_t number = 0;
    int err = 0;
    if (*text == '\0') {
        return; /* empty means not set, for every option */
    }
    if (row->kind == TMI_NUMBER || row->kind == TMI_SIZE) {
        err = row->kind == TMI_SIZE ? tmi_parse_size(text, &number)
                                    : tmi_parse_number(text, &number);
        if (err == 0 && (number < row->least || number > row->most)) {
            err = -ERANGE;
        }
    } else if (row->kind == TMI_CHOICE) {
        err = find_choice(row->choices, text, &number);
    } else if (row->kind == TMI_PATTERNS && !tmi_wrapper_are_patterns(text)) {
        err = -EINVAL;
    }
    if (err != 0) {
        refuse(row, text);
        return;
    }
    bool is_text = row->kind == TMI_TEXT || row->kind == TMI_PATTERNS;
    values[which].text = is_text ? keep(text) : text;
    values[which].number = number;
}

/* The row that NAME of NAME=VALUE names, or TMI_OPTION_COUNT. */
static size_t find_row(const char *name, size_t len)
{
    size_t i = 0;
    while (i < TMI_OPTION_COUNT && (strncmp(tmi_option_rows[i].name, name, len) != 0 ||
                                    tmi_option_rows[i].name[len] != '\0')) {
        i++;
    }
    return i;
}

void tmi_option_read(char *const *environ_block)
{
    static const char family[] = "TMALLOC";
    for (; *environ_block != NULL; environ_block++) {
        const char *entry = *environ_block;
        const char *equals = strchr(entry, '=');
        if (equals == NULL || strncmp(entry, family, sizeof family - 1) != 0) {
            continue;
        }
        char next = entry[sizeof family - 1];
        if (next != '=' && next != '_') {
            continue;
        }
        size_t which = find_row(entry, (size_t)(equals - entry));
        if (which < TMI_OPTION_COUNT) {
            set_value((enum tmi_option)which, equals + 1);
        } else {
            tmi_report_text(entry, " is ignored: tmalloc knows no such variable", NULL);
        }
    }
}
