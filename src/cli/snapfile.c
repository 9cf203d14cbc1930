/* SPDX-License-Identifier: MIT */
/*
 * Load, then resolve. Reading debug info may take seconds, over a network even minutes,
 * and silence looks like a hang; so an alarm says once what is going on. The handler only
 * calls write(2), and everything that it interrupts is restarted.
 */
#include "cli/snapfile.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "view/service.h"
#include "view/snapshot.h"

enum { PATIENCE_SECONDS = 1 };

static void say_busy(int signal_number)
{
    static const char text[] = "tmalloc: looking up symbols...\n";
    (void)signal_number;
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written;
}

static int resolve(tm_snapshot_t *snapshot)
{
    if (!isatty(STDERR_FILENO)) {
        return tmi_snapshot_resolve(snapshot);
    }
    struct sigaction busy = {.sa_handler = say_busy, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigaction(SIGALRM, &busy, &before);
    alarm(PATIENCE_SECONDS);
    int status = tmi_snapshot_resolve(snapshot);
    alarm(0);
    sigaction(SIGALRM, &before, NULL);
    return status;
}

static void complain(const char *path, int status, const char *text)
{
    fprintf(stderr, "tmalloc: %s: %s\n", path, *text != '\0' ? text : strerror(-status));
}

tm_snapshot_t *tmi_snapfile_load(const char *path)
{
    struct tmi_error error = {{0}};
    tm_snapshot_t *snapshot = NULL;
    int status = tmi_service()->load(path, &snapshot, &error);
    if (status < 0) {
        complain(path, status, error.text);
    }
    return snapshot;
}

tm_snapshot_t *tmi_snapfile_open(const char *path)
{
    tm_snapshot_t *snapshot = tmi_snapfile_load(path);
    if (snapshot == NULL) {
        return NULL;
    }
    int status = resolve(snapshot);
    if (status < 0) {
        complain(path, status, "");
        tm_snapshot_free(snapshot);
        return NULL;
    }
    return snapshot;
}

bool tmi_snapfile_write(const tm_snapshot_t *snapshot, const char *path)
{
    struct tmi_error error = {{0}};
    int status = tmi_service()->dump(snapshot, path, &error);
    if (status < 0) {
        complain(path, status, error.text);
    }
    return status == 0;
}
