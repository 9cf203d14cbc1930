/* SPDX-License-Identifier: MIT */
/*
 * document man|bash|zsh: run by the build, never installed.
 */
#include "cli/document.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } kinds[] = {
        {"man", tmi_document_man},
        {"bash", tmi_document_bash},
        {"zsh", tmi_document_zsh},
    };
    for (size_t i = 0; argc == 2 && i < TMI_ARRAY_LEN(kinds); i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].print();
            return fflush(stdout) != 0 || ferror(stdout);
        }
    }
    fputs("usage: document man|bash|zsh\n", stderr);
    return 2;
}
