/* SPDX-License-Identifier: MIT */
/*
 * A key stands for all frames of one function, line, file or module, and knows of them
 * what they agree on; a function of no name goes by its file, or its module.
 */
#include "cli/label.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "cli/term.h"
#include "view/frame.h"

tm_key_t tmi_label_key(int place)
{
    static const tm_key_t keys[] = {TM_KEY_FUNCTION, TM_KEY_LINENO, TM_KEY_FILENAME,
                                    TM_KEY_MODULE};
    return keys[place];
}

/* The name of the file alone, in parentheses. */
static void put_file(FILE *out, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (strcmp(path, TMI_UNKNOWN_FILE) != 0) {
        fputs(" (", out);
        tmi_print_clean(out, slash != NULL ? slash + 1 : path);
        putc(')', out);
    }
}

static void put_whole(FILE *out, const struct tmi_key *key, tm_key_t by)
{
    if (by == TM_KEY_FUNCTION && key->function[0] != '\0') {
        tmi_print_function(out, key->function);
        put_file(out, key->filename);
        return;
    }
    tmi_print_clean(out, key->filename);
    if (by == TM_KEY_LINENO) {
        fprintf(out, ":%" PRIu32, key->lineno);
    }
    if (by == TM_KEY_LINENO && key->function[0] != '\0') {
        fputs(" (", out);
        tmi_print_function(out, key->function);
        putc(')', out);
    }
}

void tmi_label_print(FILE *out, const struct tmi_key *key, tm_key_t by, size_t room)
{
    char *text = NULL;
    size_t len = 0;
    FILE *whole = open_memstream(&text, &len);
    if (whole == NULL) {
        put_whole(out, key, by);
        return;
    }
    put_whole(whole, key, by);
    fclose(whole);
    tmi_term_fit(out, text, room, by != TM_KEY_FUNCTION || key->function[0] == '\0');
    free(text);
}

tm_frame_t tmi_label_frame(const struct tm_snapshot *s, const struct tmi_key *key)
{
    return (tm_frame_t){
        .filename = key->filename,
        .lineno = key->lineno,
        .function = key->function,
        .module = key->module == TMI_NO_MODULE ? "" : s->modules[key->module].name,
    };
}
