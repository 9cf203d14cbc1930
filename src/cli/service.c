/* SPDX-License-Identifier: MIT */
/*
 * The services of the analysis for the command line tool, which links the libraries that
 * they need and so answers without a plug-in. What symbols could not be looked up for is
 * said on stderr, one line a file: an empty name in a report has a reason.
 * The names of files come from the snapshot, which anyone may have written: control
 * characters are shown as '?', so that none can steer a terminal.
 */
#include "view/service.h"

#include <stdio.h>

#include "pprof/dump.h"
#include "pprof/load.h"
#include "symbol/symbol.h"

static void print_note(void *context, const char *text)
{
    (void)context;
    fputs("tmalloc: ", stderr);
    for (const char *c = text; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        putc(byte < 0x20 || byte == 0x7f ? '?' : byte, stderr);
    }
    putc('\n', stderr);
}

static int resolve(struct tm_snapshot *s)
{
    return tmi_symbol_resolve_noting(s, print_note, NULL);
}

const struct tmi_service *tmi_service(void)
{
    static const struct tmi_service service = {
        .dump = tmi_pprof_dump,
        .load = tmi_pprof_load,
        .resolve = resolve,
    };
    return &service;
}
