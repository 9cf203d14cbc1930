/* SPDX-License-Identifier: MIT */
/*
 * The one door through which the runtime speaks: lines on stderr, each beginning with
 * "tmalloc: ", each one write(2), so that lines of several threads do not mix. Never
 * stdout, never stdio; safe in a signal handler, before main and after exit.
 *
 *     char room[TMI_REPORT_BYTES];
 *     struct tmi_writer w = tmi_report_on(room);
 *     tmi_put_text(&w, "double free of ");
 *     tmi_put_hex(&w, (uintptr_t)p);
 *     tmi_report(&w);
 */
#ifndef TMI_REPORT_H
#define TMI_REPORT_H

#include "base/writer.h"

#define TMI_REPORT_BYTES 384

/* A writer that has the line's beginning in it. `room` has TMI_REPORT_BYTES bytes. */
struct tmi_writer tmi_report_on(char *room);

/* End the line and write it. */
void tmi_report(struct tmi_writer *w);

/* A whole line in up to three pieces; NULL pieces are left out. */
void tmi_report_text(const char *a, const char *b, const char *c);

#endif
