/* SPDX-License-Identifier: MIT */
/*
 * The commands of `tmalloc`, each defined in the file that has its name. A new command is
 * one file, one line here and one row in command.c.
 */
#ifndef TMI_COMMAND_H
#define TMI_COMMAND_H

#include "cli/args.h"

extern const struct tmi_command tmi_command_diff;
extern const struct tmi_command tmi_command_merge;
extern const struct tmi_command tmi_command_run;
extern const struct tmi_command tmi_command_stats;
extern const struct tmi_command tmi_command_top;
extern const struct tmi_command tmi_command_tree;
extern const struct tmi_command tmi_command_symbolize;

/* All of them, in the order in which they are listed; NULL at the end. */
extern const struct tmi_command *const tmi_commands[];

#endif
