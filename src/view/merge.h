/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of several processes as one. What is the same code in all of them becomes
 * one:
 *
 *     module     same name, build id, offset and size of its segment; lies where it lay
 * in the snapshot that came first location   same place in the same module, wherever that
 * was loaded trace      same stack of locations and same domain; values are added up
 *     domain     same name, or without one the same number; where two want one number the
 *                named one gets another
 *
 * What is said of the whole: current, peak and overhead are sums. The peak therefore is
 * an upper bound only, as the processes need not have had theirs at one time; exact is
 * none to be had. The limit of frames is the largest, the time the earliest; commands are
 * listed, each once, and the kind stays if all have the same. Snapshots of merged
 * snapshots count with all their processes.
 *
 *     struct tmi_merge m;
 *     tmi_merge_begin(&m), tmi_merge_add(&m, s) for each, tmi_merge_end(&m) -> snapshot
 *
 * Locking: none; symbols of a source are held still while it is being added.
 */
#ifndef TMI_MERGE_H
#define TMI_MERGE_H

#include "base/arena.h"
#include "view/map.h"
#include "view/snapshot.h"

#define TMI_MERGE_COMMAND_BYTES 1024

/* A domain of the result; its traces have the index of this until the end. */
struct tmi_merge_domain {
    tm_domain_t number; /* as the first one had it */
    const char *name;   /* NULL: known by its number */
};

struct tmi_merge {
    struct tm_snapshot *to;
    struct tmi_arena arena; /* for what is not part of the result */
    uint64_t seed;          /* of the hashes, so that no file can make them collide */
    struct tmi_map modules, locations, traces; /* hash -> index, tried with next hashes */
    struct tmi_map named, numbered;            /* interned name or number -> domain */
    struct tmi_merge_domain *domains;
    uint32_t domain_count, domain_room;
    struct tmi_map commands; /* those in `command` */
    char command[TMI_MERGE_COMMAND_BYTES];
};

/* 0 or -ENOMEM; the end or abandon is due after 0 only. */
int tmi_merge_begin(struct tmi_merge *m);

/*
 * Adds all of `s`, which is not needed any more then. 0; -ENOMEM: then only abandoning is
 * left. A sum that does not fit stays at the largest number.
 */
int tmi_merge_add(struct tmi_merge *m, const struct tm_snapshot *s);

/* The finished snapshot, the caller's to free; NULL without memory. */
struct tm_snapshot *tmi_merge_end(struct tmi_merge *m);
void tmi_merge_abandon(struct tmi_merge *m);

#endif
