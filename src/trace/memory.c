/* SPDX-License-Identifier: MIT */
/*
 * See trace/memory.h. A process that allocates little has a dozen small tables; were each
 * a mapping of its own, asking for them would take longer than filling them. So there is
 * one mapping, from which pieces are cut while they fit; a piece given back is not cut
 * again, as it mostly made way for a larger one.
 */
#include "trace/memory.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/report.h"
#include "base/sys.h"

#define SHARED_BYTES ((size_t)160 << 10)

static struct {
    char *bytes; /* atomic; NULL at first */
    size_t used; /* atomic */
} shared;

static size_t mapped_bytes;   /* atomic */
static size_t promised_bytes; /* atomic */
static size_t limit = SIZE_MAX;
static size_t limit_of_stacks = SIZE_MAX;
static size_t limit_of_counts = SIZE_MAX;

static uint32_t told;       /* atomic */
static uint32_t told_limit; /* atomic */

static void *map(size_t bytes)
{
    void *p = tmi_sys_map(bytes);
    if (TMI_UNLIKELY(p == NULL) && tmi_exchange_acquire(&told, 1) == 0) {
        tmi_report_text("no memory for tracing: some blocks are not traced, or only part "
                        "of their stacks is known",
                        NULL, NULL);
    }
    return p;
}

/* Of two threads that make it at once, one gives its own back. */
static TMI_COLD char *make_shared(void)
{
    char *nobody = NULL;
    char *made = tmi_sys_map(SHARED_BYTES);
    if (made != NULL && !tmi_cas_acq_rel(&shared.bytes, &nobody, made)) {
        tmi_sys_unmap(made, SHARED_BYTES);
        made = nobody;
    }
    return made;
}

static void *cut(size_t bytes)
{
    char *all = tmi_load_acquire(&shared.bytes);
    if (TMI_UNLIKELY(all == NULL)) {
        all = make_shared();
    }
    size_t used = tmi_load_relaxed(&shared.used);
    do {
        if (all == NULL || bytes > SHARED_BYTES - used) {
            return NULL;
        }
    } while (!tmi_cas_relaxed(&shared.used, &used, used + bytes));
    return all + used;
}

static bool is_cut(const void *p)
{
    uintptr_t all = (uintptr_t)tmi_load_relaxed(&shared.bytes);
    return (uintptr_t)p - all < SHARED_BYTES;
}

void *tmi_memory_map(size_t bytes)
{
    size_t rounded = tmi_align_up(bytes, TMI_CACHE_LINE);
    void *p = rounded < bytes ? NULL : cut(rounded);
    if (p == NULL) {
        rounded = tmi_align_up(bytes, tmi_sys_page_bytes());
        p = map(bytes);
    }
    if (p != NULL) {
        tmi_add_relaxed(&mapped_bytes, rounded);
    }
    return p;
}

void tmi_memory_unmap(void *p, size_t bytes)
{
    if (is_cut(p)) {
        tmi_sys_discard(p, bytes);
        tmi_add_relaxed(&mapped_bytes, -tmi_align_up(bytes, TMI_CACHE_LINE));
        return;
    }
    tmi_sys_unmap(p, bytes);
    tmi_add_relaxed(&mapped_bytes, -tmi_align_up(bytes, tmi_sys_page_bytes()));
}

void *tmi_memory_reserve(size_t bytes)
{
    return map(bytes);
}

void tmi_memory_charge(size_t bytes)
{
    tmi_add_relaxed(&mapped_bytes, bytes);
}

void tmi_memory_discard(void *p, size_t bytes)
{
    size_t page = tmi_sys_page_bytes();
    uintptr_t from = tmi_align_up((uintptr_t)p, page);
    uintptr_t to = ((uintptr_t)p + bytes) & ~(uintptr_t)(page - 1);
    if (from < to) {
        tmi_sys_discard((void *)from, to - from);
        tmi_add_relaxed(&mapped_bytes, -(to - from));
    }
}

size_t tmi_memory_bytes(void)
{
    return tmi_load_relaxed(&mapped_bytes);
}

void tmi_memory_set_limit(size_t bytes)
{
    limit = bytes;
    limit_of_stacks = bytes == SIZE_MAX ? bytes : bytes / 3 * 2;
    limit_of_counts = bytes == SIZE_MAX ? bytes : bytes - bytes / 16;
}

size_t tmi_memory_limit(void)
{
    return limit;
}

void tmi_memory_promise(size_t bytes)
{
    tmi_store_relaxed(&promised_bytes, bytes);
}

static TMI_COLD bool refuse(void)
{
    if (tmi_exchange_acquire(&told_limit, 1) == 0) {
        char room[TMI_REPORT_BYTES];
        struct tmi_writer w = tmi_report_on(room);
        tmi_put_text(&w, "tracing uses ");
        tmi_put_u64(&w, tmi_memory_bytes());
        tmi_put_text(&w, " of TMALLOC_MAX_MEMORY=");
        tmi_put_u64(&w, limit);
        tmi_put_text(&w,
                     " bytes: of new stacks only the outer part is known from now on");
        tmi_report(&w);
    }
    return false;
}

bool tmi_memory_allows_stack(void)
{
    return TMI_LIKELY(tmi_memory_bytes() <= limit_of_stacks) || refuse();
}

bool tmi_memory_allows(size_t bytes)
{
    size_t used = tmi_memory_bytes() + tmi_load_relaxed(&promised_bytes);
    return TMI_LIKELY(used <= limit_of_counts && bytes <= limit_of_counts - used) ||
           refuse();
}
