/* SPDX-License-Identifier: MIT */
/*
 * The parser walks argv with getopt_long, which knows the conventions (`--key=x`, `-n5`,
 * abbreviations, `--`), and does the rest from the table:
 *
 *     getopt_long -> index of the row -> the value's text -> checked -> field of the
 * struct
 *
 * getopt's own messages are switched off: ours name the command, what was wrong and what
 * was expected, in one line. Every command has --help without a row for it.
 */
#include "cli/args.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/nearest.h"

enum { MOST_OPTIONS = 32, ROW = 256, HELP = 'h', HELP_COLUMN = 26, HELP_WIDTH = 80 };

/* getopt's view of a table. */
struct getopt_table {
    struct option longs[MOST_OPTIONS + 2];
    char shorts[3 + 2 * MOST_OPTIONS + 2];
};

__attribute__((format(printf, 2, 3))) static int refuse(struct tmi_args *args,
                                                        const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(args->error, sizeof(args->error), format, list);
    va_end(list);
    return -EINVAL;
}

const struct tmi_args_option *tmi_command_option(const struct tmi_command *command,
                                                 size_t i, size_t *offset)
{
    if (i < command->option_count) {
        *offset = command->options[i].offset;
        return &command->options[i];
    }
    i -= command->option_count;
    for (const struct tmi_args_set *set = command->shared;
         set != NULL && set->rows != NULL; set++) {
        for (const struct tmi_args_option *row = set->rows; row->name != NULL; row++) {
            if (i-- == 0) {
                *offset = set->offset + row->offset;
                return row;
            }
        }
    }
    return NULL;
}

static void build_table(const struct tmi_command *command, struct getopt_table *table)
{
    char *s = table->shorts;
    if (command->options_first) {
        *s++ = '+';
    }
    *s++ = ':'; /* tell a missing value from an unknown option */
    *s++ = HELP;
    size_t n = 0;
    size_t offset;
    for (const struct tmi_args_option *row;
         n < MOST_OPTIONS && (row = tmi_command_option(command, n, &offset)) != NULL;
         n++) {
        int has_value = row->kind == TMI_ARGS_FLAG ? no_argument : required_argument;
        table->longs[n] = (struct option){row->name, has_value, NULL, ROW + (int)n};
        if (row->letter != 0) {
            *s++ = row->letter;
            if (has_value == required_argument) {
                *s++ = ':';
            }
        }
    }
    *s = '\0';
    table->longs[n] = (struct option){"help", no_argument, NULL, HELP};
    table->longs[n + 1] = (struct option){0};
}

static const struct tmi_args_option *find_row(const struct tmi_command *command,
                                              int found, size_t *offset)
{
    const struct tmi_args_option *row;
    for (size_t i = 0; (row = tmi_command_option(command, i, offset)) != NULL; i++) {
        if (found == ROW + (int)i || (row->letter != 0 && found == row->letter)) {
            return row;
        }
    }
    return NULL;
}

static int set_number(const struct tmi_args_option *row, const char *text, long *field,
                      struct tmi_args *args)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && number >= row->min &&
        number <= row->max) {
        *field = number;
        return 0;
    }
    if (row->max == LONG_MAX) {
        return refuse(args, "--%s: expected a number from %ld on, not '%.40s'", row->name,
                      row->min, text);
    }
    return refuse(args, "--%s: expected a number from %ld to %ld, not '%.40s'", row->name,
                  row->min, row->max, text);
}

static int set_decimal(const struct tmi_args_option *row, const char *text, double *field,
                       struct tmi_args *args)
{
    char *end;
    double number = strtod(text, &end);
    if (*text != '\0' && text[strspn(text, "0123456789.")] == '\0' && *end == '\0' &&
        number >= (double)row->min && number <= (double)row->max) {
        *field = number;
        return 0;
    }
    return refuse(args, "--%s: expected a number from %ld to %ld, not '%.40s'", row->name,
                  row->min, row->max, text);
}

/* The place of `text` among the words that '|' separates; -1 when it is none of them. */
static int find_word(const char *words, const char *text)
{
    size_t len = strlen(text);
    for (int i = 0;; i++) {
        size_t word_len = strcspn(words, "|");
        if (word_len == len && memcmp(words, text, len) == 0) {
            return i;
        }
        if (words[word_len] == '\0') {
            return -1;
        }
        words += word_len + 1;
    }
}

static int add_item(struct tmi_args_list *list, const char *text, struct tmi_args *args)
{
    const char **wider = realloc(list->items, (list->count + 1) * sizeof(*wider));
    if (wider == NULL) {
        return refuse(args, "out of memory");
    }
    list->items = wider;
    list->items[list->count++] = text;
    return 0;
}

static int set_value(const struct tmi_args_option *row, const char *text, void *field,
                     struct tmi_args *args)
{
    switch (row->kind) {
    case TMI_ARGS_FLAG:
        *(bool *)field = true;
        return 0;
    case TMI_ARGS_NUMBER:
        return set_number(row, text, field, args);
    case TMI_ARGS_DECIMAL:
        return set_decimal(row, text, field, args);
    case TMI_ARGS_CHOICE: {
        int place = find_word(row->value, text);
        if (place < 0) {
            return refuse(args, "--%s: expected %s, not '%.40s'", row->name, row->value,
                          text);
        }
        *(int *)field = place;
        return 0;
    }
    case TMI_ARGS_LIST:
        return add_item(field, text, args);
    case TMI_ARGS_TEXT:
        if (*text == '\0') {
            return refuse(args, "--%s: expected %s, not an empty text", row->name,
                          row->value);
        }
        *(const char **)field = text;
        return 0;
    }
    return -EINVAL;
}

/* getopt says '?' for a long name that is unknown, one that is too short to be clear, and
 * a flag with a value; they differ in what the user should do. */
static int refuse_long(const struct tmi_command *command, const char *text,
                       struct tmi_args *args)
{
    const char *names[MOST_OPTIONS + 1];
    size_t count = 0;
    char word[64];
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(text + 2, "="), text + 2);
    size_t alike = 0;
    size_t offset;
    for (const struct tmi_args_option *row;
         count < MOST_OPTIONS &&
         (row = tmi_command_option(command, count, &offset)) != NULL;) {
        names[count++] = row->name;
        alike += strncmp(row->name, word, strlen(word)) == 0;
    }
    names[count++] = "help";
    if (alike > 1) {
        return refuse(args, "'--%s' is short for more than one option", word);
    }
    const char *near = tmi_nearest_name(word, names, count);
    if (near != NULL) {
        return refuse(args, "unknown option '--%s'; did you mean '--%s'?", word, near);
    }
    return refuse(args, "unknown option '--%s'; 'tmalloc %s --help' lists them", word,
                  command->name);
}

static int refuse_option(const struct tmi_command *command, int found, char **argv,
                         struct tmi_args *args)
{
    size_t offset;
    const struct tmi_args_option *row = find_row(command, optopt, &offset);
    if (found == ':' && row != NULL) {
        return refuse(args, "--%s needs a value: %s", row->name, row->value);
    }
    if (row != NULL || optopt == HELP) {
        return refuse(args, "--%s takes no value", row != NULL ? row->name : "help");
    }
    if (optopt == 0) {
        return refuse_long(command, argv[optind - 1], args);
    }
    return refuse(args, "unknown option '-%c'; 'tmalloc %s --help' lists them", optopt,
                  command->name);
}

static int check_operands(const struct tmi_command *command, struct tmi_args *args)
{
    if (args->operand_count < command->min_operands) {
        return refuse(args, "%s is missing; usage: tmalloc %s [OPTION]... %s",
                      command->operands, command->name, command->operands);
    }
    if (args->operand_count > command->max_operands) {
        return refuse(args, "expected only %s, not also '%.80s'", command->operands,
                      args->operands[command->max_operands]);
    }
    return 0;
}

static int set_presets(const struct tmi_command *command, void *values,
                       struct tmi_args *args)
{
    const struct tmi_args_option *row;
    size_t offset;
    int err = 0;
    for (size_t i = 0;
         err == 0 && (row = tmi_command_option(command, i, &offset)) != NULL; i++) {
        if (row->preset != NULL) {
            err = set_value(row, row->preset, (char *)values + offset, args);
        }
    }
    return err;
}

int tmi_args_parse(const struct tmi_command *command, int argc, char **argv, void *values,
                   struct tmi_args *args)
{
    struct getopt_table table;
    build_table(command, &table);
    *args = (struct tmi_args){0};
    if (set_presets(command, values, args) < 0) {
        return -EINVAL;
    }
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, table.shorts, table.longs, NULL)) != -1) {
        if (found == HELP) {
            args->help = true;
            return 0;
        }
        size_t offset;
        const struct tmi_args_option *row = find_row(command, found, &offset);
        if (row == NULL) {
            return refuse_option(command, found, argv, args);
        }
        if (set_value(row, optarg, (char *)values + offset, args) < 0) {
            return -EINVAL;
        }
    }
    args->operands = argv + optind;
    args->operand_count = argc - optind;
    return check_operands(command, args);
}

bool tmi_args_accept(const struct tmi_command *command, int argc, char **argv,
                     void *values, struct tmi_args *args, int *status)
{
    if (tmi_args_parse(command, argc, argv, values, args) < 0) {
        fprintf(stderr, "tmalloc %s: %s\n", command->name, args->error);
        *status = TMI_EXIT_USAGE;
        return false;
    }
    if (args->help) {
        tmi_args_help(command, stdout);
        *status = TMI_EXIT_OK;
        return false;
    }
    return true;
}

/* The left column of an option, padded, or on a line of its own when it is wide. */
static void print_names(const struct tmi_args_option *row, FILE *out)
{
    char names[128];
    int len = snprintf(names, sizeof(names), "  %c%c%c --%s%s%s", row->letter ? '-' : ' ',
                       row->letter ? row->letter : ' ', row->letter ? ',' : ' ',
                       row->name, row->value ? " " : "", row->value ? row->value : "");
    fputs(names, out);
    if (len > HELP_COLUMN - 2) {
        fputc('\n', out);
        len = 0;
    }
    fprintf(out, "%*s", HELP_COLUMN - len, "");
}

/* Words of `text` in the right column; the line already has `column` characters. */
static void print_words(const char *text, size_t column, FILE *out)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " \n");
        if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        column += (size_t)fprintf(out, "%s%.*s", column > HELP_COLUMN ? " " : "",
                                  (int)len, text);
        text += len + (text[len] != '\0');
    }
}

static void print_option(const struct tmi_args_option *row, FILE *out)
{
    char text[512];
    snprintf(text, sizeof(text), "%s%s%s%s", row->help,
             row->preset != NULL ? " (default: " : "",
             row->preset != NULL ? row->preset : "", row->preset != NULL ? ")" : "");
    print_names(row, out);
    print_words(text, HELP_COLUMN, out);
    fputc('\n', out);
}

static void print_examples(const char *examples, FILE *out)
{
    fputs("\nExamples:\n", out);
    for (const char *line = examples; *line != '\0'; line += strcspn(line, "\n") + 1) {
        fprintf(out, "  %.*s\n", (int)strcspn(line, "\n"), line);
    }
}

void tmi_args_help(const struct tmi_command *command, FILE *out)
{
    static const struct tmi_args_option help = {
        .name = "help", .letter = HELP, .help = "this text"};
    fprintf(out, "Usage: tmalloc %s [OPTION]... %s\n%s.\n\nOptions:\n", command->name,
            command->operands, command->summary);
    const struct tmi_args_option *row;
    size_t offset;
    for (size_t i = 0; (row = tmi_command_option(command, i, &offset)) != NULL; i++) {
        print_option(row, out);
    }
    print_option(&help, out);
    if (command->details != NULL) {
        fprintf(out, "\n%s", command->details);
    }
    if (command->examples != NULL) {
        print_examples(command->examples, out);
    }
}
