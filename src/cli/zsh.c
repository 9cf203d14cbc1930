/* SPDX-License-Identifier: MIT */
/*
 * Completion for zsh: the commands with their summaries, then for each command what
 * _arguments wants to know of its options:
 *
 *     '(-k --key)'{-k+,--key=}'[what to group by]:VALUE:(filename lineno)'
 *
 * A `*` in front is for options that may be given again. What stands in single quotes has
 * none; brackets and colons in a text are escaped.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/document.h"

static void put_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else if (strchr("[]:\\", *text) != NULL) {
            printf("\\%c", *text);
        } else {
            putchar(*text == '\n' ? ' ' : *text);
        }
    }
}

/* `:VALUE:(a b)`, `:FILE:_files`, `:N: ` */
static void put_value(const struct tmi_args_option *row)
{
    if (row->kind == TMI_ARGS_CHOICE) {
        fputs(":value:(", stdout);
        for (const char *c = row->value; *c != '\0'; c++) {
            putchar(*c == '|' ? ' ' : *c);
        }
        putchar(')');
    } else if (row->kind != TMI_ARGS_FLAG) {
        putchar(':');
        put_text(row->value);
        fputs(strcmp(row->value, "FILE") == 0 ? ":_files" : ": ", stdout);
    }
}

static void put_option(const struct tmi_args_option *row)
{
    bool again = row->kind == TMI_ARGS_LIST;
    bool value = row->kind != TMI_ARGS_FLAG;
    fputs("        ", stdout);
    if (row->letter == '\0') {
        printf("'%s--%s%s", again ? "*" : "", row->name, value ? "=" : "");
    } else {
        if (again) {
            fputs("'*'", stdout);
        } else {
            printf("'(-%c --%s)'", row->letter, row->name);
        }
        printf("{-%c%s,--%s%s}'", row->letter, value ? "+" : "", row->name,
               value ? "=" : "");
    }
    putchar('[');
    put_text(row->help);
    putchar(']');
    put_value(row);
    fputs("' \\\n", stdout);
}

static void put_command(const struct tmi_command *command)
{
    const struct tmi_args_option *row;
    size_t offset;
    printf("    %s)\n        _arguments -s -S \\\n", command->name);
    for (size_t k = 0; (row = tmi_command_option(command, k, &offset)) != NULL; k++) {
        put_option(row);
    }
    fputs("        '(-h --help)'{-h,--help}'[this text]' \\\n", stdout);
    fputs(command->options_first ? "        '*::command:_normal'\n"
                                 : "        '*:file:_files'\n",
          stdout);
    fputs("        ;;\n", stdout);
}

void tmi_document_zsh(void)
{
    fputs("#compdef tmalloc\n"
          "# made from the tables of tmalloc's options\n"
          "_tmalloc() {\n"
          "    local -a commands\n"
          "    commands=(\n",
          stdout);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        printf("        '%s:", tmi_commands[i]->name);
        put_text(tmi_commands[i]->summary);
        fputs("'\n", stdout);
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    shift words\n"
          "    (( CURRENT-- ))\n"
          "    case $words[1] in\n",
          stdout);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        put_command(tmi_commands[i]);
    }
    fputs("    esac\n"
          "}\n"
          "_tmalloc \"$@\"\n",
          stdout);
}
