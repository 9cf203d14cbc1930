/* SPDX-License-Identifier: MIT */
/*
 * Symbols for a snapshot: from code addresses to file, line and function, with inlined
 * calls as lines of their own. Needs no process: modules that were unloaded before, or
 * whose process is long gone, are resolved from their files.
 */
#ifndef TMI_SYMBOL_H
#define TMI_SYMBOL_H

struct tm_snapshot;

/* Told, in one line of text without a newline, what could not be looked up, and why. */
typedef void tmi_symbol_note(void *context, const char *text);

/*
 * Gives every location that has no lines its lines, innermost first, at least one. What
 * is not known is the module's name for a file ("<unknown>" without a module), 0 for a
 * line,
 * "" for a function. `note` (may be NULL) is called at most once for a file. 0 or
 * -ENOMEM.
 */
int tmi_symbol_resolve_noting(struct tm_snapshot *s, tmi_symbol_note *note,
                              void *context);

/* The same without notes; as struct tmi_service wants it. */
int tmi_symbol_resolve(struct tm_snapshot *s);

#endif
