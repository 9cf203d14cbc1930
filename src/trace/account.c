/* SPDX-License-Identifier: MIT */
/* See trace/account.h. */
#include "trace/account.h"

#include <stdbool.h>

#include "trace/direct.h"
#include "trace/domain.h"
#include "trace/peak.h"
#include "trace/split.h"
#include "trace/tracer.h"

#define LOOKS_MOST 100

/* What memory is asked for: the process's, or one domain's. */
struct kind {
    struct tmi_totals *totals;
    bool whole;
    uint32_t domain;
};

static const struct kind process = {&tmi_process_totals, true, 0};

static struct kind kind_of(uint32_t domain)
{
    return (struct kind){tmi_domain_totals(domain), false, domain};
}

/* Our own counts first: for one thread, what follows is exact. */
static void flush_own(tmi_stamp stamp)
{
    struct tmi_shard *own = tmi_self.own;
    if (own != NULL && own->stamp == stamp) {
        tmi_shard_flush(own);
        tmi_split_flush_parts(own);
    }
}

/* Sum of what the threads of this epoch have not flushed. */
static int64_t sum_unflushed(const struct kind *kind, tmi_stamp stamp)
{
    int64_t sum = 0;
    for (struct tmi_shard *s = tmi_thread_shards(); s != NULL; s = s->next) {
        if (tmi_load_acquire(&s->stamp) == stamp) {
            sum += kind->whole ? tmi_load_relaxed(&s->net)
                               : tmi_split_unflushed(s, kind->domain);
        }
    }
    return sum;
}

/*
 * Bytes now. A flush on the way from a shard to the totals may be seen in both places: so
 * the totals have to be what they were when the shards were looked at. Where others flush
 * all the time the last look has to do.
 */
static int64_t bytes_now(const struct kind *kind, tmi_stamp stamp)
{
    int64_t flushed = tmi_totals_current(kind->totals);
    int64_t now = 0;
    for (int look = 0; look < LOOKS_MOST; look++) {
        now = flushed + sum_unflushed(kind, stamp);
        int64_t again = tmi_totals_current(kind->totals);
        if (again == flushed) {
            break;
        }
        flushed = again;
    }
    return now;
}

/* When the traces are cleared meanwhile, the answer is that of the moment after it. */
static void read_memory(const struct kind *kind, int64_t *current, int64_t *peak)
{
    *current = 0;
    *peak = 0;
    if (tmi_load_relaxed(&tmi_tracer.mode) > TMI_MODE_OFF) {
        tmi_stamp stamp = tmi_load_acquire(&tmi_tracer.stamp);
        uint32_t epoch = tmi_stamp_epoch(stamp);
        flush_own(stamp);
        int64_t now = bytes_now(kind, stamp);
        tmi_totals_raise_peak(kind->totals, epoch, now);
        int64_t most = tmi_totals_peak(kind->totals);
        if (tmi_totals_are_of(kind->totals, epoch)) {
            *current = now > 0 ? now : 0;
            *peak = most;
        }
    }
}

void tmi_account_memory(int64_t *current, int64_t *peak)
{
    read_memory(&process, current, peak);
}

void tmi_account_domain(uint32_t domain, int64_t *current, int64_t *peak)
{
    struct kind kind = kind_of(domain);
    read_memory(&kind, current, peak);
}

static void reset_peak(const struct kind *kind, tmi_stamp stamp)
{
    int64_t now = bytes_now(kind, stamp);
    now = now > 0 ? now : 0;
    tmi_totals_set_peak(kind->totals, tmi_stamp_epoch(stamp), now);
    if (kind->whole) {
        tmi_peak_reset(stamp, now);
    }
}

void tmi_account_reset_peak(void)
{
    if (tmi_load_relaxed(&tmi_tracer.mode) > TMI_MODE_OFF) {
        tmi_stamp stamp = tmi_load_acquire(&tmi_tracer.stamp);
        flush_own(stamp);
        reset_peak(&process, stamp);
        for (uint32_t domain = 0; domain <= tmi_domain_last(); domain++) {
            struct kind kind = kind_of(domain);
            reset_peak(&kind, stamp);
        }
    }
}

/* Without memory for a split, straight into the totals. */
static TMI_COLD void change_totals(tmi_stamp stamp, struct tmi_bytes gone,
                                   struct tmi_bytes come)
{
    uint32_t epoch = tmi_stamp_epoch(stamp);
    int64_t change = come.bytes - gone.bytes;
    tmi_totals_flush(&tmi_process_totals, epoch, change, change);
    tmi_totals_flush(tmi_domain_totals(gone.domain), epoch, -gone.bytes, 0);
    tmi_totals_flush(tmi_domain_totals(come.domain), epoch, come.bytes, come.bytes);
}

TMI_INLINE void change(struct tmi_shard *shard, struct tmi_bytes gone,
                       struct tmi_bytes come)
{
    if (gone.domain == 0 && come.domain == 0) {
        tmi_shard_add(shard, come.bytes - gone.bytes);
    } else if (tmi_split_prepare(shard, gone.domain) &&
               tmi_split_prepare(shard, come.domain)) {
        tmi_split_change(shard, gone, come);
    } else {
        change_totals(shard->stamp, gone, come);
    }
}

static const struct tmi_bytes nothing = {0, 0};

static struct tmi_bytes bytes_of_traced(struct tmi_holding holding)
{
    return (struct tmi_bytes){holding.domain, (int64_t)holding.size};
}

/* What a holding is in bytes; none if it is not traced. */
static struct tmi_bytes bytes_of(const struct tmi_shard *shard,
                                 struct tmi_holding holding)
{
    return holding.site < tmi_stamp_first(shard->stamp) ? nothing
                                                        : bytes_of_traced(holding);
}

/* What a holding of this epoch adds to its site's cell, when blocks are sampled. */
static TMI_NOINLINE struct tmi_weight sampled_weight_of(struct tmi_holding holding)
{
    struct tmi_site site = tmi_tracer_site_of_id(holding.site);
    if (site.is_whole) {
        return (struct tmi_weight){holding.size * TMI_SAMPLE_ONE, TMI_SAMPLE_ONE};
    }
    return site.is_rest ? (struct tmi_weight){holding.size, 1}
                        : tmi_sample_weight(holding.size);
}

TMI_INLINE struct tmi_weight weight_of(struct tmi_holding holding)
{
    return TMI_LIKELY(tmi_sample_period == 0) ? (struct tmi_weight){holding.size, 1}
                                              : sampled_weight_of(holding);
}

TMI_INLINE void put_in(struct tmi_shard *shard, struct tmi_holding come)
{
    struct tmi_cell *cell = NULL;
    if (come.site >= tmi_stamp_first(shard->stamp)) {
        cell = tmi_shard_cell(shard, come.site); /* it exists: a site was given */
    }
    if (cell != NULL) {
        struct tmi_weight weight = weight_of(come);
        cell->alloc_bytes += weight.bytes;
        cell->alloc_blocks += weight.blocks;
    }
}

/* Take a holding out of its site's cell. */
TMI_INLINE void take_out(struct tmi_shard *shard, struct tmi_holding gone, bool temporary)
{
    if (gone.site < tmi_stamp_first(shard->stamp)) {
        return;
    }
    struct tmi_weight weight = weight_of(gone);
    struct tmi_cell *cell = tmi_shard_cell(shard, gone.site);
    if (cell == NULL) {
        tmi_direct_count(gone.site, weight.bytes, weight.blocks);
        return;
    }
    cell->free_bytes += weight.bytes;
    cell->free_blocks += weight.blocks;
    cell->temporary_blocks += temporary ? weight.blocks : 0;
}

void tmi_account_exchange(struct tmi_shard *shard, struct tmi_holding gone,
                          struct tmi_holding come)
{
    struct tmi_bytes less = bytes_of(shard, gone);
    struct tmi_bytes more = bytes_of(shard, come);
    if (more.bytes < less.bytes) {
        tmi_shard_before_fall(shard);
    }
    take_out(shard, gone, false);
    put_in(shard, come);
    change(shard, less, more);
}

TMI_NOINLINE void tmi_account_free(struct tmi_shard *shard, struct tmi_holding gone,
                                   const void *block)
{
    tmi_shard_before_fall(shard);
    take_out(shard, gone, shard->latest == block);
    change(shard, bytes_of(shard, gone), nothing);
}

TMI_COLD void tmi_account_free_directly(struct tmi_holding gone)
{
    tmi_stamp stamp = tmi_load_acquire(&tmi_tracer.stamp);
    if (gone.site < tmi_stamp_first(stamp)) {
        return;
    }
    struct tmi_shard *shard = tmi_thread_borrow();
    if (shard == NULL) {
        struct tmi_weight weight = weight_of(gone);
        tmi_direct_count(gone.site, weight.bytes, weight.blocks);
        change_totals(stamp, bytes_of_traced(gone), nothing);
        return;
    }
    if (tmi_tracer_catch_up(shard)) {
        tmi_account_free(shard, gone, shard); /* not the latest block */
        tmi_shard_flush(shard);
        tmi_split_flush_part(shard, gone.domain);
    }
    tmi_thread_return(shard);
}
