/* SPDX-License-Identifier: MIT */
/*
 * The line is cut to what tmi_error holds. Paths and strings of a damaged file may hold
 * anything, so control characters are replaced: the line stays one line, and a terminal
 * that shows it is not steered by the file. vsnprintf of %s and integers does not
 * allocate.
 */
#include "pprof/failure.h"

#include <stdarg.h>
#include <stdio.h>

int tmi_pprof_fail(struct tmi_error *error, int code, const char *format, ...)
{
    if (error != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
        for (char *p = error->text; *p != '\0'; p++) {
            if ((unsigned char)*p < ' ' || *p == 0x7F) {
                *p = '?';
            }
        }
    }
    return code;
}
