/* SPDX-License-Identifier: MIT */
/*
 * The width is what the terminal says, or $COLUMNS where it says nothing. Colours follow
 * https://no-color.org: a variable NO_COLOR that is not empty switches them off.
 * A character is taken for one column wide.
 */
#include "cli/term.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { USUAL_WIDTH = 80, NARROWEST = 20 };

static bool is_terminal(FILE *out)
{
    int file = fileno(out);
    return file >= 0 && isatty(file);
}

size_t tmi_term_width(FILE *out)
{
    struct winsize size = {0};
    if (!is_terminal(out)) {
        return 0;
    }
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        const char *columns = getenv("COLUMNS");
        int width = columns != NULL ? atoi(columns) : USUAL_WIDTH;
        size.ws_col =
            (unsigned short)(width > 0 && width < USHRT_MAX ? width : USUAL_WIDTH);
    }
    return size.ws_col > NARROWEST ? size.ws_col : NARROWEST;
}

void tmi_term_ink(FILE *out, enum tmi_ink ink)
{
    static const char *const codes[] = {[TMI_INK_PLAIN] = "\033[0m",
                                        [TMI_INK_BOLD] = "\033[1m",
                                        [TMI_INK_DIM] = "\033[2m",
                                        [TMI_INK_MORE] = "\033[31m",
                                        [TMI_INK_LESS] = "\033[32m"};
    const char *refused = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    if ((refused == NULL || *refused == '\0') && kind != NULL &&
        strcmp(kind, "dumb") != 0 && is_terminal(out)) {
        fputs(codes[ink], out);
    }
}

/* ---- width --------------------------------------------------------------------------
 */

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t count_characters(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += begins_character(*text);
    }
    return n;
}

/* Behind the first `n` characters. */
static const char *skip_characters(const char *text, size_t n)
{
    while (*text != '\0' && (n > 0 || !begins_character(*text))) {
        n -= begins_character(*text);
        text++;
    }
    return text;
}

void tmi_term_fit(FILE *out, const char *text, size_t room, bool keep_end)
{
    static const char dots[] = "...";
    size_t len = count_characters(text);
    if (room == 0 || len <= room || room <= sizeof(dots)) {
        fputs(text, out);
        return;
    }
    size_t kept = room - (sizeof(dots) - 1);
    if (keep_end) {
        fprintf(out, "%s%s", dots, skip_characters(text, len - kept));
    } else {
        fwrite(text, 1, (size_t)(skip_characters(text, kept) - text), out);
        fputs(dots, out);
    }
}
