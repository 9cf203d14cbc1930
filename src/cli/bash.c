/* SPDX-License-Identifier: MIT */
/*
 * Completion for bash: one function with two tables in its `case`s, the values of each
 * option that has a choice, and the options of each command. Everything else is a file.
 * bash takes the `=` of --key=x for a word of its own; the option is then one further
 * back.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/document.h"

/* `stats:--key|stats:-k) words="filename lineno" ;;` */
static void put_values(const char *command, const struct tmi_args_option *row)
{
    printf("    %s:--%s", command, row->name);
    if (row->letter != '\0') {
        printf(" | %s:-%c", command, row->letter);
    }
    fputs(") words=\"", stdout);
    for (const char *c = row->value; row->kind == TMI_ARGS_CHOICE && *c != '\0'; c++) {
        putchar(*c == '|' ? ' ' : *c);
    }
    fputs("\" value=1 ;;\n", stdout);
}

static void put_all_values(void)
{
    const struct tmi_args_option *row;
    size_t offset;
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        for (size_t k = 0;
             (row = tmi_command_option(tmi_commands[i], k, &offset)) != NULL; k++) {
            if (row->kind != TMI_ARGS_FLAG) {
                put_values(tmi_commands[i]->name, row);
            }
        }
    }
}

static void put_options(const struct tmi_command *command)
{
    const struct tmi_args_option *row;
    size_t offset;
    printf("    %s) words=\"", command->name);
    for (size_t k = 0; (row = tmi_command_option(command, k, &offset)) != NULL; k++) {
        printf("--%s ", row->name);
    }
    fputs("--help\" ;;\n", stdout);
}

void tmi_document_bash(void)
{
    fputs("# bash completion for tmalloc, made from the tables of its options\n"
          "_tmalloc()\n"
          "{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local words='' value=''\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W \"",
          stdout);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        printf("%s ", tmi_commands[i]->name);
    }
    fputs("--help --version\" -- \"$cur\"))\n"
          "        return\n"
          "    fi\n"
          "    if [ \"$cur\" = '=' ]; then\n"
          "        cur=''\n"
          "    elif [ \"$prev\" = '=' ]; then\n"
          "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    fi\n"
          "    case ${COMP_WORDS[1]}:$prev in\n",
          stdout);
    put_all_values();
    fputs("    esac\n"
          "    if [ -z \"$value\" ] && [ \"${cur#-}\" != \"$cur\" ]; then\n"
          "        case ${COMP_WORDS[1]} in\n",
          stdout);
    for (size_t i = 0; tmi_commands[i] != NULL; i++) {
        fputs("    ", stdout);
        put_options(tmi_commands[i]);
    }
    fputs("        esac\n"
          "    fi\n"
          "    if [ -n \"$words\" ]; then\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "    fi\n"
          "}\n"
          "complete -o default -F _tmalloc tmalloc\n",
          stdout);
}
