/* SPDX-License-Identifier: MIT */
/*
 * Commands and their options as tables. One row says everything about an option: the
 * parser, `--help` and the manual page are made from it, so that they cannot disagree.
 *
 *     tmi_command  name, summary, options[] ------> tmi_args_option  name, kind, offset
 *                                 shared[] -> rows[] ---^                        |
 *     the command's own struct of values  <--------------------------------------+
 *
 * An option's value lands in the command's struct at the row's offset, with the type that
 * its kind says. Rows that several commands have alike are a set: each of these commands
 * has the set's struct as a field, and says where. What the user did wrong is said in one
 * line that names the option, what stood there and what was expected.
 */
#ifndef TMI_ARGS_H
#define TMI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What `tmalloc` exits with. */
enum { TMI_EXIT_OK = 0, TMI_EXIT_FAILURE = 1, TMI_EXIT_USAGE = 2 };

enum tmi_args_kind {
    TMI_ARGS_FLAG,    /* bool */
    TMI_ARGS_NUMBER,  /* long within min..max */
    TMI_ARGS_DECIMAL, /* double within min..max */
    TMI_ARGS_CHOICE,  /* int: the place of the word in `value`, whose words '|' separates
                       */
    TMI_ARGS_TEXT,    /* const char *, into argv */
    TMI_ARGS_LIST     /* struct tmi_args_list: a text each time that it is given */
};

/* The texts of an option that may be given more than once; `items` is malloc's. */
struct tmi_args_list {
    const char **items; /* into argv */
    size_t count;
};

struct tmi_args_option {
    const char *name; /* long name, without dashes */
    char letter;      /* short name, 0 for none */
    enum tmi_args_kind kind;
    const char *value; /* how help calls the value, or the choices; NULL for a flag */
    const char
        *preset; /* the value when not given, as text; NULL: the struct keeps its own */
    const char *help; /* words, without a full stop */
    long min, max;    /* of a number */
    size_t offset;    /* of the field in the command's struct */
};

/* Rows that commands share, up to one without a name; the last set has no rows. */
struct tmi_args_set {
    const struct tmi_args_option *rows;
    size_t offset; /* of the set's struct in that of the command */
};

struct tmi_command {
    const char *name;
    const char *summary;  /* one line, no full stop */
    const char *operands; /* as usage shows them: "FILE" */
    const char *details;  /* paragraphs below the options, may be NULL */
    const char *examples; /* command lines, each ended by a newline; may be NULL */
    const struct tmi_args_option *options;
    size_t option_count;
    const struct tmi_args_set *shared; /* more options, behind these; may be NULL */
    bool
        options_first; /* options end at the first operand, which begins a command line */
    int min_operands, max_operands;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; an exit status */
};

/* What the parser leaves behind beside the values. */
struct tmi_args {
    char **operands; /* NULL terminated */
    int operand_count;
    bool help; /* --help was given; nothing else counts then */
    char error[256];
};

/* The i-th option of a command, its own first, then the shared ones; NULL behind the
 * last. Its field is at *offset. */
const struct tmi_args_option *tmi_command_option(const struct tmi_command *command,
                                                 size_t i, size_t *offset);

/*
 * Fill `values` from the presets and then from argv, which may be reordered.
 * Errors: -EINVAL with one line in args->error.
 */
int tmi_args_parse(const struct tmi_command *command, int argc, char **argv, void *values,
                   struct tmi_args *args);

/* As above; answers --help and mistakes. False: exit with *status. */
bool tmi_args_accept(const struct tmi_command *command, int argc, char **argv,
                     void *values, struct tmi_args *args, int *status);

/* The text of `tmalloc COMMAND --help`. */
void tmi_args_help(const struct tmi_command *command, FILE *out);

#endif
