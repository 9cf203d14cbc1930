/* SPDX-License-Identifier: MIT */
/* See trace/split.h. */
#include "trace/split.h"

#include <string.h>

#include "trace/domain.h"
#include "trace/memory.h"

#define LOOKS_MOST 100 /* a change may stay half done, in a forked child */

static struct tmi_part *part_of(const struct tmi_split *split, uint32_t domain)
{
    struct tmi_part *piece = tmi_load_acquire(&split->pieces[domain / TMI_SPLIT_PIECE]);
    return piece == NULL ? NULL : &piece[domain % TMI_SPLIT_PIECE];
}

bool tmi_split_prepare(struct tmi_shard *shard, uint32_t domain)
{
    struct tmi_split *split = shard->split;
    if (split == NULL) {
        split = tmi_memory_map(sizeof *split);
        if (split == NULL) {
            return false;
        }
        shard->lease /= 2;
        tmi_store_release(&shard->split, split);
    }
    if (TMI_LIKELY(part_of(split, domain) != NULL) || domain == 0) {
        return true;
    }
    struct tmi_part *piece = tmi_memory_map(TMI_SPLIT_PIECE * sizeof *piece);
    tmi_store_release(&split->pieces[domain / TMI_SPLIT_PIECE], piece);
    return piece != NULL;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_out_of_lease(const struct tmi_shard *shard, int64_t bytes)
{
    return bytes > shard->lease || bytes < -shard->lease;
}

static void close_stretch(const struct tmi_shard *shard, struct tmi_split *split)
{
    split->high = larger(split->high, shard->high);
    split->high_of_0 = larger(split->high_of_0, shard->high - split->others);
}

/* Whoever sees one of the new values sees `changes` odd, or changed. */
static void set(struct tmi_shard *shard, struct tmi_split *split, int64_t net,
                int64_t others)
{
    uint32_t changes = split->changes;
    tmi_store_relaxed(&split->changes, changes + 1);
    tmi_store_release(&shard->net, net);
    tmi_store_release(&split->others, others);
    tmi_store_release(&split->changes, changes + 2);
    tmi_store_relaxed(&shard->high, net);
}

static void flush_part(struct tmi_shard *shard, uint32_t domain, struct tmi_part *part)
{
    int64_t net = part->net;
    int64_t high = part->high;
    tmi_store_relaxed(&part->net, 0);
    part->high = 0;
    tmi_totals_flush(tmi_domain_totals(domain), tmi_stamp_epoch(shard->stamp), net, high);
}

static void change_part(struct tmi_shard *shard, uint32_t domain, int64_t bytes)
{
    if (domain == 0) {
        return;
    }
    struct tmi_part *part = part_of(shard->split, domain);
    int64_t net = part->net + bytes;
    tmi_store_relaxed(&part->net, net);
    part->high = larger(part->high, net);
    if (is_out_of_lease(shard, net)) {
        flush_part(shard, domain, part);
    }
}

void tmi_split_change(struct tmi_shard *shard, struct tmi_bytes gone,
                      struct tmi_bytes come)
{
    struct tmi_split *split = shard->split;
    int64_t net = shard->net - gone.bytes + come.bytes;
    int64_t others = split->others - (gone.domain != 0 ? gone.bytes : 0) +
                     (come.domain != 0 ? come.bytes : 0);
    close_stretch(shard, split);
    set(shard, split, net, others);
    if (gone.domain == come.domain) {
        change_part(shard, come.domain, come.bytes - gone.bytes);
    } else {
        change_part(shard, gone.domain, -gone.bytes);
        change_part(shard, come.domain, come.bytes);
    }
    if (is_out_of_lease(shard, net) || is_out_of_lease(shard, others)) {
        tmi_shard_flush(shard);
    }
}

int64_t tmi_split_flush(struct tmi_shard *shard)
{
    struct tmi_split *split = shard->split;
    uint32_t epoch = tmi_stamp_epoch(shard->stamp);
    close_stretch(shard, split);
    int64_t net = shard->net;
    int64_t others = split->others;
    int64_t high = split->high;
    int64_t high_of_0 = split->high_of_0;
    set(shard, split, 0, 0);
    split->high = 0;
    split->high_of_0 = 0;
    tmi_totals_flush(tmi_domain_totals(0), epoch, net - others, high_of_0);
    return tmi_totals_flush(&tmi_process_totals, epoch, net, high);
}

void tmi_split_begin(struct tmi_shard *shard)
{
    struct tmi_split *split = shard->split;
    shard->lease /= 2;
    set(shard, split, 0, 0);
    split->high = 0;
    split->high_of_0 = 0;
    for (uint32_t i = 0; i < TMI_SPLIT_PIECES; i++) {
        if (split->pieces[i] != NULL) {
            memset(split->pieces[i], 0, TMI_SPLIT_PIECE * sizeof *split->pieces[i]);
        }
    }
    memset(split->known, 0, sizeof split->known);
}

void tmi_split_flush_part(struct tmi_shard *shard, uint32_t domain)
{
    struct tmi_part *part = shard->split == NULL ? NULL : part_of(shard->split, domain);
    if (part != NULL && domain != 0) {
        flush_part(shard, domain, part);
    }
}

void tmi_split_flush_parts(struct tmi_shard *shard)
{
    uint32_t last = shard->split == NULL ? 0 : tmi_domain_last();
    for (uint32_t domain = 1; domain <= last; domain++) {
        tmi_split_flush_part(shard, domain);
    }
}

static int64_t unflushed_of_0(const struct tmi_shard *shard,
                              const struct tmi_split *split)
{
    int64_t net = 0;
    int64_t others = 0;
    for (int look = 0; look < LOOKS_MOST; look++) {
        uint32_t changes = tmi_load_acquire(&split->changes);
        net = tmi_load_acquire(&shard->net);
        others = tmi_load_acquire(&split->others);
        if (changes % 2 == 0 && tmi_load_relaxed(&split->changes) == changes) {
            break;
        }
    }
    return net - others;
}

int64_t tmi_split_unflushed(const struct tmi_shard *shard, uint32_t domain)
{
    const struct tmi_split *split = tmi_load_acquire(&shard->split);
    if (split == NULL) {
        return domain == 0 ? tmi_load_relaxed(&shard->net) : 0;
    }
    if (domain == 0) {
        return unflushed_of_0(shard, split);
    }
    const struct tmi_part *part = part_of(split, domain);
    return part == NULL ? 0 : tmi_load_relaxed(&part->net);
}
