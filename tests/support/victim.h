/* SPDX-License-Identifier: MIT */
/*
 * Snapshots for the tests of symbols: a victim (tests/victims) is loaded and asked for
 * its sites; its module record is read from the loader, not from what is tested. The same
 * addresses can then be looked up in other files of the same code.
 */
#ifndef TEST_VICTIM_H
#define TEST_VICTIM_H

#include <limits.h>

#include "../victims/sites.h"
#include "view/snapshot.h"

#define VICTIM_ID_MAX 20

struct loaded {
    struct tmi_module module; /* name and build id point to here below */
    char path[PATH_MAX];
    char source[PATH_MAX]; /* absolute */
    uint8_t build_id[VICTIM_ID_MAX];
    struct site sites[SITE_MAX];
    uint32_t count;
};

/* The path of a file that the build has made in tests/victims. */
const char *victim_path(const char *name, char path[PATH_MAX]);

/* Load tests/victims/NAME; the test fails when that fails. */
void victim_load(struct loaded *v, const char *name);

/* A snapshot of one location a site, in the module as it was loaded but for its name. */
struct tm_snapshot *victim_snapshot(const struct loaded *v, const char *name);

/* Every site has its lines to the letter. */
void victim_check_lines(const struct loaded *v, const struct tm_snapshot *s);

/* Every site has one line without number: `filename`, and function i of `functions`. */
void victim_check_plain(const struct tm_snapshot *s, const char *filename,
                        const char *const *functions);

#endif
