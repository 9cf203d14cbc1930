/* SPDX-License-Identifier: MIT */
/*
 * TMALLOC_DUMP and TMALLOC_PEAK_DUMP: snapshots, of then and of the peak, written when
 * the process ends by exit or by returning from main. A library's destructor runs after
 * the program's own, so what those free is not in it.
 *
 *     %p   process id      %e   program's name, without its folder      %%   a percent
 * sign
 *
 * A forked child writes only when the name has %p in it: else it would overwrite what its
 * parent writes. `tmalloc run` sets TMALLOC_RUN_PID for the same reason.
 */
#include <errno.h>
#include <string.h>

#include "base/option.h"
#include "base/report.h"
#include "base/sys.h"
#include "tmalloc.h"
#include "trace/capture.h"
#include "trace/thread.h"
#include "view/service.h"

#define PATH_BYTES 4096

/* The process that read the options, and what it was called: a program may overwrite its
 * arguments to give itself a title. */
static int started_as;
static char started_name[256];

__attribute__((constructor)) static void remember_process(void)
{
    started_as = tmi_sys_getpid();
    const char *slash = strrchr(program_invocation_name, '/');
    struct tmi_writer w = tmi_writer_on(started_name, sizeof started_name);
    tmi_put_text(&w, slash == NULL ? program_invocation_name : slash + 1);
}

static bool names_process(const char *template)
{
    for (const char *c = template; *c != '\0'; c++) {
        if (*c == '%' && c[1] != '\0' && *++c == 'p') {
            return true;
        }
    }
    return false;
}

static void expand(struct tmi_writer *w, const char *template)
{
    for (const char *c = template; *c != '\0'; c++) {
        if (*c != '%' || c[1] == '\0') {
            tmi_put_char(w, *c);
            continue;
        }
        c++;
        if (*c == 'p') {
            tmi_put_i64(w, tmi_sys_getpid());
        } else if (*c == 'e') {
            tmi_put_text(w, started_name);
        } else if (*c == '%') {
            tmi_put_char(w, '%');
        } else {
            tmi_put_char(w, '%');
            tmi_put_char(w, *c);
        }
    }
}

static void write_snapshot(const char *path, bool of_peak)
{
    struct tmi_error error = {"out of memory"};
    tm_snapshot_t *s = of_peak ? tm_take_peak_snapshot() : tm_take_snapshot();
    const struct tmi_service *service = tmi_service();
    int err = -1;
    if (service == NULL) {
        strcpy(error.text, "the plug-in cannot be loaded");
    } else if (s != NULL) {
        err = service->dump(s, path, &error);
    }
    if (err != 0) {
        tmi_report_text("no snapshot was written: ", error.text, NULL);
    }
    tm_snapshot_free(s);
}

/* What TMALLOC_UNWIND=check has found. */
static void tell_checks(void)
{
    struct tmi_capture_counts counts = tmi_capture_counts();
    if (counts.checked == 0) {
        return;
    }
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    tmi_put_u64(&w, counts.checked);
    tmi_put_text(&w, " stacks walked both ways, ");
    tmi_put_u64(&w, counts.differences);
    tmi_put_text(&w, " differ; by libgcc alone: ");
    tmi_put_u64(&w, counts.by_libgcc);
    tmi_report(&w);
}

static void dump(enum tmi_option which, bool of_peak)
{
    const char *template = tmi_option_text(which);
    const char *name = tmi_option_rows[which].name;
    if (template == NULL ||
        (tmi_sys_getpid() != started_as && !names_process(template))) {
        return;
    }
    if (!tm_is_tracing()) {
        tmi_report_text(name, ": not tracing at exit, so no snapshot was written", NULL);
        return;
    }
    char path[PATH_BYTES];
    struct tmi_writer w = tmi_writer_on(path, sizeof path);
    expand(&w, template);
    if (w.lost) {
        tmi_report_text(name, ": the file name is too long", NULL);
        return;
    }
    write_snapshot(path, of_peak);
}

__attribute__((destructor)) static void dump_at_exit(void)
{
    tell_checks();
    int64_t only = tmi_option_number(TMI_OPTION_RUN_PID);
    if (only == 0 || only == tmi_sys_getpid()) {
        dump(TMI_OPTION_DUMP, false);
        dump(TMI_OPTION_PEAK_DUMP, true);
    }
}
