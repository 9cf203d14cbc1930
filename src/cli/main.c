/* SPDX-License-Identifier: MIT */
/*
 * tmalloc: the command line tool. This file knows the commands by their tables and
 * nothing of what they do.
 *
 *     tmalloc [--help | --version] COMMAND ARGS...
 *
 * The first word picks the row; the command parses the rest by its own table. A word that
 * is no command is answered with the one that is nearest.
 * Exit status: 0 done, 1 failed, 2 wrong usage; `run` passes on that of its command.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/nearest.h"

static const struct tmi_command *const commands[] = {
    &tmi_command_run,  &tmi_command_stats, &tmi_command_top,       &tmi_command_tree,
    &tmi_command_diff, &tmi_command_merge, &tmi_command_symbolize,
};

static void print_commands(FILE *out)
{
    fputs("Usage: tmalloc COMMAND [OPTION]... ARGUMENTS\n"
          "Which call stacks of a program hold how much memory.\n\nCommands:\n",
          out);
    for (size_t i = 0; i < TMI_ARRAY_LEN(commands); i++) {
        fprintf(out, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
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
    const char *names[TMI_ARRAY_LEN(commands)];
    for (size_t i = 0; i < TMI_ARRAY_LEN(commands); i++) {
        names[i] = commands[i]->name;
    }
    const char *near = tmi_nearest_name(word, names, TMI_ARRAY_LEN(names));
    if (near != NULL) {
        fprintf(stderr, "tmalloc: unknown command '%s'; did you mean '%s'?\n", word,
                near);
    } else {
        fprintf(stderr, "tmalloc: unknown command '%s'; 'tmalloc --help' lists them\n",
                word);
    }
    return TMI_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stderr);
        return TMI_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_commands(stdout);
        return finish(TMI_EXIT_OK);
    }
    if (strcmp(word, "--version") == 0) {
        puts(PACKAGE_NAME " " PACKAGE_VERSION);
        return finish(TMI_EXIT_OK);
    }
    for (size_t i = 0; i < TMI_ARRAY_LEN(commands); i++) {
        if (strcmp(word, commands[i]->name) == 0) {
            return finish(commands[i]->run(argc - 1, argv + 1));
        }
    }
    return refuse_command(word);
}
