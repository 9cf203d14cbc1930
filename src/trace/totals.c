/* SPDX-License-Identifier: MIT */
/* See trace/totals.h. */
#include "trace/totals.h"

#include "base/atomic.h"

#define BYTES_BITS 48

struct tmi_totals tmi_process_totals __attribute__((aligned(TMI_CACHE_LINE)));

static uint64_t pack(uint32_t epoch, int64_t bytes)
{
    return (uint64_t)epoch << BYTES_BITS |
           ((uint64_t)bytes & (((uint64_t)1 << BYTES_BITS) - 1));
}

static int64_t bytes_of(uint64_t word)
{
    return (int64_t)(word << (64 - BYTES_BITS)) >> (64 - BYTES_BITS);
}

static int is_of(uint64_t word, uint32_t epoch)
{
    return (uint16_t)(word >> BYTES_BITS) == (uint16_t)epoch;
}

void tmi_totals_begin(struct tmi_totals *totals, uint32_t epoch)
{
    tmi_store_relaxed(&totals->current, pack(epoch, 0));
    tmi_store_relaxed(&totals->peak, pack(epoch, 0));
}

int64_t tmi_totals_current(const struct tmi_totals *totals)
{
    return bytes_of(tmi_load_relaxed(&totals->current));
}

int64_t tmi_totals_peak(const struct tmi_totals *totals)
{
    return bytes_of(tmi_load_relaxed(&totals->peak));
}

bool tmi_totals_are_of(const struct tmi_totals *totals, uint32_t epoch)
{
    return is_of(tmi_load_relaxed(&totals->current), epoch) &&
           is_of(tmi_load_relaxed(&totals->peak), epoch);
}

void tmi_totals_raise_peak(struct tmi_totals *totals, uint32_t epoch, int64_t bytes)
{
    uint64_t old = tmi_load_relaxed(&totals->peak);
    while (is_of(old, epoch) && bytes_of(old) < bytes &&
           !tmi_cas_relaxed(&totals->peak, &old, pack(epoch, bytes))) {
    }
}

void tmi_totals_set_peak(struct tmi_totals *totals, uint32_t epoch, int64_t bytes)
{
    uint64_t old = tmi_load_relaxed(&totals->peak);
    while (is_of(old, epoch) &&
           !tmi_cas_relaxed(&totals->peak, &old, pack(epoch, bytes))) {
    }
}

int64_t tmi_totals_flush(struct tmi_totals *totals, uint32_t epoch, int64_t net,
                         int64_t high)
{
    uint64_t old = tmi_load_relaxed(&totals->current);
    while (is_of(old, epoch) &&
           !tmi_cas_relaxed(&totals->current, &old, pack(epoch, bytes_of(old) + net))) {
    }
    if (is_of(old, epoch)) {
        tmi_totals_raise_peak(totals, epoch, bytes_of(old) + high);
    }
    return bytes_of(old) + net;
}
