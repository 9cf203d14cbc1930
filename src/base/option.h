/* SPDX-License-Identifier: MIT */
/*
 * The TMALLOC_* variables: one table feeds the parser, the warnings and the manual. A
 * value that is malformed or out of range, and a name that is not in the table, is told
 * on stderr in one line and ignored: an allocator must not end a program over its
 * environment. In a setuid program none of them is read.
 */
#ifndef TMI_OPTION_H
#define TMI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tmi_option {
    TMI_OPTION_TRACE,      /* TMALLOC */
    TMI_OPTION_DUMP,       /* TMALLOC_DUMP */
    TMI_OPTION_LEASE,      /* TMALLOC_LEASE */
    TMI_OPTION_LIBRARY,    /* TMALLOC_LIBRARY; read by the command only */
    TMI_OPTION_MAX_MEMORY, /* TMALLOC_MAX_MEMORY */
    TMI_OPTION_ON_ERROR,   /* TMALLOC_ON_ERROR */
    TMI_OPTION_PEAK_DUMP,  /* TMALLOC_PEAK_DUMP */
    TMI_OPTION_RUN_PID,    /* TMALLOC_RUN_PID */
    TMI_OPTION_SAMPLE,     /* TMALLOC_SAMPLE */
    TMI_OPTION_UNWIND,     /* TMALLOC_UNWIND */
    TMI_OPTION_WRAPPERS,   /* TMALLOC_WRAPPERS */
    TMI_OPTION_COUNT
};

struct tmi_option_row {
    const char *name;
    const char *values; /* in words, for messages and manual */
    const char *help;
    enum { TMI_NUMBER, TMI_SIZE, TMI_TEXT, TMI_CHOICE, TMI_PATTERNS } kind;
    int64_t least, most, standard; /* of a number; of a choice: `standard` is its index */
    const char *const *choices;    /* NULL-terminated */
};

extern const struct tmi_option_row tmi_option_rows[TMI_OPTION_COUNT];

/* Read `environ` (NULL-terminated NAME=VALUE) once; it may be overwritten afterwards. */
void tmi_option_read(char *const *environ_block);

int64_t tmi_option_number(enum tmi_option which);   /* also the index of a choice */
const char *tmi_option_text(enum tmi_option which); /* NULL when not set */

/*
 * A whole number as C's strtol takes it in base 10 with nothing behind it: white space
 * and a sign may lead. 0, or -EINVAL for anything else or a value that 64 bits cannot
 * hold.
 */
int tmi_parse_number(const char *text, int64_t *out);

/* The same with one of the letters K, M and G behind it (or k, m, g): times 2^10, ... */
int tmi_parse_size(const char *text, int64_t *out);

#endif
