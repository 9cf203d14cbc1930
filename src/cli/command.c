/* SPDX-License-Identifier: MIT */
/*
 * The table of commands, from which `tmalloc --help`, the manual page and the completions
 * of shells are made.
 */
#include "cli/command.h"

const struct tmi_command *const tmi_commands[] = {
    &tmi_command_run,  &tmi_command_stats, &tmi_command_top,       &tmi_command_tree,
    &tmi_command_diff, &tmi_command_merge, &tmi_command_symbolize, NULL,
};
