/* SPDX-License-Identifier: MIT */
/*
 * tmalloc: the command line tool. This file knows the commands by their tables and
 * nothing of what they do.
 *
 *     tmalloc [--help | --version] COMMAND ARGS...
 *     tmalloc help [COMMAND]
 *
 * The first word picks the row; the command parses the rest by its own table. A word that
 * is no command is answered with the one that is nearest.
 * Exit status: 0 done, 1 failed, 2 wrong usage; `run` passes on that of its command.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/command.h"
#include "cli/nearest.h"

enum { COMMANDS_MOST = 32 }; /* of which a mistyped one may be meant */

static void print_commands(FILE *out)
{
    fputs("Usage: tmalloc COMMAND [OPTION]... ARGUMENTS\n"
          "Which call stacks of a program hold how much memory.\n\nCommands:\n",
          out);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        fprintf(out, "  %-10s%s\n", tmi_commands[i]->name, tmi_commands[i]->summary);
    }
    fputs("\n'tmalloc COMMAND --help' tells more; 'tmalloc --version' the version.\n",
          out);
}

/* What was written to stdout must have arrived: a full disk is not a success. */
static int finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("tmalloc: standard output");
        return status == TMI_EXIT_OK ? TMI_EXIT_FAILURE : status;
    }
    return status;
}

static int refuse_command(const char *word)
{
    const char *names[COMMANDS_MOST];
    size_t count = 0;
    for (; count < COMMANDS_MOST && tmi_commands[count] != NULL; count++) {
        names[count] = tmi_commands[count]->name;
    }
    const char *near = tmi_nearest_name(word, names, count);
    if (near != NULL) {
        fprintf(stderr, "tmalloc: unknown command '%s'; did you mean '%s'?\n", word,
                near);
    } else {
        fprintf(stderr, "tmalloc: unknown command '%s'; 'tmalloc --help' lists them\n",
                word);
    }
    return TMI_EXIT_USAGE;
}

static const struct tmi_command *find_command(const char *word)
{
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        if (strcmp(word, tmi_commands[i]->name) == 0) {
            return tmi_commands[i];
        }
    }
    return NULL;
}

/* Of all commands, or of the one called `word`. */
static int help(const char *word)
{
    const struct tmi_command *command = word != NULL ? find_command(word) : NULL;
    if (word == NULL) {
        print_commands(stdout);
    } else if (command != NULL) {
        tmi_args_help(command, stdout);
    } else {
        return refuse_command(word);
    }
    return finish(TMI_EXIT_OK);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stderr);
        return TMI_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        strcmp(word, "help") == 0) {
        return help(argv[2]);
    }
    if (strcmp(word, "--version") == 0) {
        puts(PACKAGE_NAME " " PACKAGE_VERSION);
        return finish(TMI_EXIT_OK);
    }
    const struct tmi_command *command = find_command(word);
    return command != NULL ? finish(command->run(argc - 1, argv + 1))
                           : refuse_command(word);
}
