/* SPDX-License-Identifier: MIT */
/*
 * tmalloc.1 in roff. Commands, options, examples and variables come from their tables; so
 * does the order. Options that several commands share are described once, behind the
 * commands. Texts of tables are plain: what roff would obey is escaped, and words between
 * `back quotes` are bold.
 */
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cli/command.h"
#include "cli/document.h"

enum { SETS_MOST = 16 };

/* The sets that commands share, each once. */
struct sets {
    const struct tmi_args_option *rows[SETS_MOST];
    size_t count;
};

static void put_text(const char *text)
{
    bool bold = false;
    bool fresh = true; /* at the beginning of a line */
    for (; *text != '\0'; text++) {
        if (fresh && (*text == '.' || *text == '\'')) {
            fputs("\\&", stdout);
        }
        fresh = *text == '\n';
        if (*text == '`') {
            bold = !bold;
            fputs(bold ? "\\fB" : "\\fR", stdout);
        } else if (*text == '-') {
            fputs("\\-", stdout);
        } else if (*text == '\\') {
            fputs("\\e", stdout);
        } else {
            putchar(*text);
        }
    }
}

static void put_bold(const char *text)
{
    fputs("\\fB", stdout);
    put_text(text);
    fputs("\\fR", stdout);
}

/* FILE or N in italics; the words of a choice in bold. */
static void put_value(const struct tmi_args_option *row)
{
    if (row->kind != TMI_ARGS_CHOICE) {
        fputs("\\fI", stdout);
        put_text(row->value);
        fputs("\\fR", stdout);
        return;
    }
    for (const char *word = row->value;;) {
        size_t len = strcspn(word, "|");
        char text[64];
        snprintf(text, sizeof(text), "%.*s", (int)len, word);
        put_bold(text);
        if (word[len] == '\0') {
            return;
        }
        fputs("|\\:", stdout); /* a line may break here */
        word += len + 1;
    }
}

static void put_option(const struct tmi_args_option *row)
{
    char name[64];
    fputs(".TP\n", stdout);
    if (row->letter != '\0') {
        snprintf(name, sizeof(name), "-%c", row->letter);
        put_bold(name);
        fputs(", ", stdout);
    }
    snprintf(name, sizeof(name), "--%s", row->name);
    put_bold(name);
    if (row->value != NULL) {
        putchar(' ');
        put_value(row);
    }
    putchar('\n');
    put_text(row->help);
    if (row->preset != NULL) {
        fputs(" (default: ", stdout);
        put_text(row->preset);
        putchar(')');
    }
    fputs(".\n", stdout);
}

static void put_synopsis(void)
{
    fputs(".SH SYNOPSIS\n", stdout);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        printf("%s\\fBtmalloc %s\\fR [\\fIOPTION\\fR]... \\fI", i > 0 ? ".br\n" : "",
               tmi_commands[i]->name);
        put_text(tmi_commands[i]->operands);
        fputs("\\fR\n", stdout);
    }
}

static void put_examples(const struct tmi_command *command)
{
    if (command->examples != NULL) {
        fputs(".PP\nExamples:\n.PP\n.EX\n", stdout);
        put_text(command->examples);
        fputs(".EE\n", stdout);
    }
}

static bool shares(const struct tmi_command *command, const struct tmi_args_option *rows)
{
    for (const struct tmi_args_set *set = command->shared;
         set != NULL && set->rows != NULL; set++) {
        if (set->rows == rows) {
            return true;
        }
    }
    return false;
}

static void remember_sets(const struct tmi_command *command, struct sets *sets)
{
    for (const struct tmi_args_set *set = command->shared;
         set != NULL && set->rows != NULL; set++) {
        bool known = false;
        for (size_t i = 0; i < sets->count; i++) {
            known = known || sets->rows[i] == set->rows;
        }
        if (!known && sets->count < SETS_MOST) {
            sets->rows[sets->count++] = set->rows;
        }
    }
}

static void put_command(const struct tmi_command *command, struct sets *sets)
{
    printf(".SS tmalloc %s\n", command->name);
    put_text(command->summary);
    fputs(".\n.PP\n", stdout);
    if (command->details != NULL) {
        put_text(command->details);
    }
    for (size_t i = 0; i < command->option_count; i++) {
        put_option(&command->options[i]);
    }
    if (command->shared != NULL) {
        fputs(".PP\nAnd the shared options below.\n", stdout);
    }
    put_examples(command);
    remember_sets(command, sets);
}

/* "stats, diff and top" have these rows. */
static void put_owners(const struct tmi_args_option *rows)
{
    size_t left = 0;
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        left += shares(tmi_commands[i], rows);
    }
    fputs(".SS Of ", stdout);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        if (shares(tmi_commands[i], rows)) {
            left--;
            printf("%s%s", tmi_commands[i]->name,
                   left > 1    ? ", "
                   : left == 1 ? " and "
                               : "\n");
        }
    }
}

static void put_shared(const struct sets *sets)
{
    fputs(".SH SHARED OPTIONS\n", stdout);
    for (size_t i = 0; i < sets->count; i++) {
        put_owners(sets->rows[i]);
        for (const struct tmi_args_option *row = sets->rows[i]; row->name != NULL;
             row++) {
            put_option(row);
        }
    }
}

static void put_variables(void)
{
    fputs(".SH ENVIRONMENT\n"
          ".B tmalloc run\n"
          "sets TMALLOC, TMALLOC_DUMP, TMALLOC_RUN_PID and LD_PRELOAD for the command; "
          "the\n"
          "others reach it unchanged. A traced program reads these itself:\n",
          stdout);
    for (size_t i = 0; i < TMI_OPTION_COUNT; i++) {
        fputs(".TP\n", stdout);
        put_bold(tmi_option_rows[i].name);
        fputs(" (", stdout);
        put_text(tmi_option_rows[i].values);
        fputs(")\n", stdout);
        put_text(tmi_option_rows[i].help);
        fputs(".\n", stdout);
    }
}

void tmi_document_man(void)
{
    struct sets sets = {.count = 0};
    fputs(".\\\" Made from the tables in src/cli when tmalloc is built.\n"
          ".TH TMALLOC 1 \"\" \"tmalloc\" \"User Commands\"\n"
          ".SH NAME\n"
          "tmalloc \\- which call stacks of a program hold how much memory\n",
          stdout);
    put_synopsis();
    fputs(".SH DESCRIPTION\n"
          "tmalloc runs programs with libtmalloc.so preloaded, which records with every\n"
          "block of memory the call stack that allocated it, and reports who holds how\n"
          "much. Snapshots are gzip\\-compressed pprof profiles; other profiles of that\n"
          "format can be read as well.\n"
          ".PP\n"
          "Every command has \\fB\\-\\-help\\fR; \\fBtmalloc \\-\\-help\\fR lists them "
          "and\n"
          "\\fBtmalloc \\-\\-version\\fR tells the version.\n"
          ".SH COMMANDS\n",
          stdout);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        put_command(tmi_commands[i], &sets);
    }
    put_shared(&sets);
    fputs(".SH EXIT STATUS\n"
          "0 when done, 1 on failure, 2 on wrong usage.\n"
          ".B tmalloc run\n"
          "passes on the status of the command.\n",
          stdout);
    put_variables();
    fputs(".SH LIMITS\n"
          "Nothing can be preloaded into static programs and setuid ones. A program that "
          "is\n"
          "killed or ends by _exit(2) writes no snapshot.\n"
          ".SH SEE ALSO\n"
          ".BR malloc (3)\n",
          stdout);
}
