/* SPDX-License-Identifier: MIT */
/*
 * Tracked resources: what a program holds that is no block of ours (mappings, buffers of
 * a device), by domain and address.
 *
 *     inner   bit, two children          which way a key goes: to children[that bit of
 * it] leaf    domain, address            and what is there: site and size
 *
 *     key = domain:16 | address:64, bit 0 the highest; a path skips the bits in which all
 *     keys below agree, so a tree of n resources has n leaves and n - 1 inner nodes
 *
 * A binary radix tree. Nodes are 24 bytes, cut from pages that grow with their number and
 * are all given back when an epoch ends: forgetting visits no resource.
 * All under TMI_LOCK_TRACKED, under which an epoch begins as well: what is put or taken
 * is of the epoch that the caller names, or refused.
 */
#ifndef TMI_TRACKED_H
#define TMI_TRACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tmi_tracked_key {
    uint32_t domain; /* its slot */
    uint64_t address;
};

struct tmi_resource {
    uint32_t site; /* 0: there is none */
    size_t size;
};

/* Put a resource in the place of what is there, which goes to *old. 0 or -ENOMEM. */
int tmi_tracked_put_locked(struct tmi_tracked_key key, struct tmi_resource resource,
                           struct tmi_resource *old);

/* Take away what is there. */
struct tmi_resource tmi_tracked_take_locked(struct tmi_tracked_key key);

/* What is there. */
struct tmi_resource tmi_tracked_find_locked(struct tmi_tracked_key key);

/* Forget everything. */
void tmi_tracked_forget_locked(void);

/* No resource is tracked; takes no lock. */
bool tmi_tracked_is_empty(void);

#endif
