/* SPDX-License-Identifier: MIT */
/*
 * How the bytes of a shard divide among domains. A thread that only knows the default
 * domain has no split: its shard's net and high are those of domain 0 too. Otherwise
 *
 *     shard->net = others + net of domain 0      since the shard's last flush
 *     part       = (net, high) of another domain since that part's last flush
 *
 * An operation in domain 0 changes shard->net and shard->high and knows nothing of all
 * this: while no other domain's operation comes between, the whole and domain 0 go up and
 * down together. So each operation of another domain closes a stretch, and what
 * shard->high was in it is kept twice, once for the whole and once, less `others`, for
 * domain 0. That makes every domain's peak exact for one thread; with more of them it is
 * as near as the process's, because a shard with a split takes half the lease, and hands
 * over when net or `others` leaves it.
 *
 * Written by the shard's owner alone. `changes` is odd while net and others do not belong
 * together; readers beside the owner look again then.
 */
#ifndef TMI_SPLIT_H
#define TMI_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/shard.h"

#define TMI_SPLIT_PIECE  256u
#define TMI_SPLIT_PIECES 256u
#define TMI_SPLIT_KNOWN  256u

/* One domain's. */
struct tmi_part {
    int64_t net; /* atomic */
    int64_t high;
};

/* As tmi_known_site, of any domain. */
struct tmi_split_known {
    uintptr_t key;
    uint32_t site;
    uint32_t domain;
};

struct tmi_split {
    uint32_t changes;  /* atomic */
    int64_t others;    /* atomic */
    int64_t high;      /* of the whole, in the stretches that are closed */
    int64_t high_of_0; /* of domain 0, likewise */
    struct tmi_part *pieces[TMI_SPLIT_PIECES]; /* atomic; by slot / TMI_SPLIT_PIECE */
    struct tmi_split_known known[TMI_SPLIT_KNOWN];
};

/* So many bytes of a domain, given by its slot; none of domain 0 stands for nothing. */
struct tmi_bytes {
    uint32_t domain;
    int64_t bytes;
};

/* Owner: room to count in a domain. false when there is no memory. */
bool tmi_split_prepare(struct tmi_shard *shard, uint32_t domain);

/*
 * Owner: `gone` bytes become `come` bytes, as one step of the whole, and of the domain if
 * it is the same. Both are prepared for.
 */
void tmi_split_change(struct tmi_shard *shard, struct tmi_bytes gone,
                      struct tmi_bytes come);

/* Owner, in the place of tmi_shard_flush() and as a part of tmi_shard_begin(). */
int64_t tmi_split_flush(struct tmi_shard *shard); /* returns the process's bytes */
void tmi_split_begin(struct tmi_shard *shard);

/* Owner: hand over what one domain, or every one but 0, has. */
void tmi_split_flush_part(struct tmi_shard *shard, uint32_t domain);
void tmi_split_flush_parts(struct tmi_shard *shard);

/* Anyone: bytes of a domain that the shard has not flushed. */
int64_t tmi_split_unflushed(const struct tmi_shard *shard, uint32_t domain);

/* Owner: where a site is remembered, if it is. */
TMI_INLINE struct tmi_split_known *tmi_split_known(struct tmi_split *split, uintptr_t key,
                                                   uint32_t domain)
{
    return &split->known[(key ^ key >> 8 ^ domain) % TMI_SPLIT_KNOWN];
}

#endif
