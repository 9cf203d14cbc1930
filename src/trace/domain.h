/* SPDX-License-Identifier: MIT */
/*
 * Domains: classes of memory that a program counts apart.
 *
 *     number   what the program says: given with a name from 1 up, or chosen by it
 *     slot     what headers, sites and counters say: 1, 2, 3, ... as numbers are first
 *              met, at most TMI_DOMAIN_MOST, for ever; slot and number 0 are the default
 *
 *     numbers  number -> slot                an index, its ids are the slots
 *     names    hash of a name -> n           an index; names of one hash take the next
 * keys records  slot -> totals, name          pieces of a page; slot 0 needs no memory
 *
 * Finding a domain takes no lock; a new one, and the begin of an epoch, TMI_LOCK_SITES.
 */
#ifndef TMI_DOMAIN_H
#define TMI_DOMAIN_H

#include <stdint.h>

#include "trace/totals.h"

#define TMI_DOMAIN_MOST       65535u
#define TMI_DOMAIN_NONE       UINT32_MAX /* a number without a slot */
#define TMI_DOMAIN_NAME_BYTES 255

struct tmi_domain {
    struct tmi_totals totals;
    const char *name;    /* atomic; NULL: none */
    uint32_t slot_named; /* the slot that got the n-th name, n being this record's slot */
};

/* The slot of a number, or TMI_DOMAIN_NONE. */
uint32_t tmi_domain_find(uint32_t number);

/* The slot of a number, given now if it has none; -ENOSPC, -ENOMEM. */
int64_t tmi_domain_adopt(uint32_t number);

/* The number that goes by a name, given now if there is none.
 * -EINVAL (no name), -ENAMETOOLONG, -ENOSPC, -ENOMEM. */
int64_t tmi_domain_register(const char *name);

/* By slot. */
uint32_t tmi_domain_number(uint32_t slot);
const char *tmi_domain_name(uint32_t slot); /* NULL: none */
struct tmi_totals *tmi_domain_totals(uint32_t slot);

/* The highest slot so far. */
uint32_t tmi_domain_last(void);

/* Begin an epoch: current and peak of every domain are 0. TMI_LOCK_SITES is held. */
void tmi_domain_begin(uint32_t epoch);

#endif
