/* SPDX-License-Identifier: MIT */
/*
 * See entry/family.h. The order of things when tracing: mimalloc's block first, since
 * nothing has to be undone when there is none; then the site, the header, the counters. A
 * block is counted as freed before it goes back to mimalloc, since from then on its
 * address may belong to somebody else.
 * A resize takes the old trace out first and puts it back when there is no memory; both
 * sizes meet the counters as one step, so the peak never sees them together.
 */
#include "entry/family.h"

#include <errno.h>
#include <string.h>

#include "entry/damage.h"
#include "entry/init.h"
#include "trace/account.h"

TMI_COLD void *tmi_family_no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/*
 * mimalloc gives a block of that size back to the system when it is freed. Its address is
 * the start of a page: so free() asks the kernel before it looks at a header that may be
 * gone, as it does for every such pointer (tmi_block_may_look).
 */
#define HUGE_BYTES ((size_t)8 << 20)
#define HUGE_ALIGN 4096

static void *alloc_untraced(size_t size, bool zeroed)
{
    size_t bytes = size + sizeof(struct tmi_block);
    void *base = zeroed ? tmi_backend_alloc_zeroed(bytes) : tmi_backend_alloc(bytes);
    return base != NULL ? tmi_block_seal(base, size, 0, 0) : tmi_family_no_memory();
}

/* A new block of any domain. */
static void count_new(struct tmi_shard *shard, struct tmi_holding come, const void *p)
{
    tmi_account_exchange(shard, (struct tmi_holding){0, 0, 0}, come);
    shard->latest = p;
}

static void *seal(void *base, struct tmi_holding holding)
{
    return tmi_block_seal(base, holding.size, holding.domain, holding.site);
}

/* In another domain than 0, or with sampling. */
static TMI_NOINLINE void *trace_special(struct tmi_shard *shard, void *base, size_t size,
                                        uintptr_t caller, const uintptr_t *frame)
{
    struct tmi_holding holding = {0, tmi_self.domain, size};
    holding.site = tmi_tracer_site_special(shard, caller, frame, size);
    void *p = seal(base, holding);
    if (holding.site != 0) {
        count_new(shard, holding, p);
    }
    return p;
}

/*
 * With one frame. That is the caller's, or further out when it is a wrapper. Where frames
 * are is known only if `frame`, of a function reached by tail calls, is below the
 * caller's own.
 */
static TMI_NOINLINE void *trace_caller(struct tmi_shard *shard, void *base, size_t size,
                                       uintptr_t caller, const uintptr_t *frame)
{
    uint32_t site = tmi_tracer_site(shard, caller, frame);
    void *p = tmi_block_seal(base, size, 0, site);
    if (TMI_LIKELY(site != 0)) {
        tmi_tracer_count_alloc(shard, site, size, p);
        if (frame[1] == caller) {
            tmi_quick_learn_caller(shard, caller, (uintptr_t)(frame + 2), site);
        }
    }
    return p;
}

static TMI_NOINLINE void *trace_node(struct tmi_shard *shard, void *base, size_t size,
                                     uint32_t node)
{
    int saved = tmi_errno_get();
    uint32_t site = tmi_tracer_site_of_node(shard, node, 0);
    void *p = tmi_block_seal(base, size, 0, site);
    if (TMI_LIKELY(site != 0)) {
        tmi_tracer_count_alloc(shard, site, size, p);
    }
    tmi_errno_set(saved);
    tmi_tracer_leave(shard);
    return p;
}

/* In a shard that is entered: what is no matter of a return address or a stack alone. */
static TMI_NOINLINE void *trace_within(struct tmi_shard *shard, void *base, size_t size,
                                       uintptr_t caller)
{
    /* Which must not be left by a tail call. */
    const uintptr_t *frame = __builtin_frame_address(0);
    bool special = tmi_self.is_special;
    if (!special && tmi_load_relaxed(&tmi_tracer.mode) > 1) {
        return trace_node(shard, base, size, tmi_tracer_node(shard, caller, frame));
    }
    void *p = special ? trace_special(shard, base, size, caller, frame)
                      : trace_caller(shard, base, size, caller, frame);
    tmi_tracer_leave(shard);
    return p;
}

TMI_NOINLINE void *tmi_family_trace(void *base, size_t size, uintptr_t caller)
{
    struct tmi_shard *shard = tmi_tracer_enter(false);
    if (TMI_UNLIKELY(shard == NULL)) {
        return tmi_block_seal(base, size, 0, 0);
    }
    struct tmi_cell *rest = tmi_self.is_special ? tmi_quick_rest(shard, size) : NULL;
    return TMI_LIKELY(rest != NULL) ? tmi_quick_count(shard, rest, base, size)
                                    : trace_within(shard, base, size, caller);
}

/* The stack's cell is not noted, or there is no stack: look further. */
static TMI_NOINLINE void *trace_leaf(struct tmi_shard *shard, void *base, size_t size,
                                     struct tmi_leaf *leaf)
{
    const uintptr_t *frame = __builtin_frame_address(0); /* the other one may be gone */
    struct tmi_cell *cell = tmi_quick_find_node(shard, leaf);
    if (TMI_LIKELY(cell != NULL)) {
        return tmi_quick_count(shard, cell, base, size);
    }
    uint32_t node = leaf->node != 0 ? leaf->node : tmi_capture_slowly(shard, frame);
    return trace_node(shard, base, size, node);
}

/* A shard that is up to the tracer's turn is of a thread in domain 0. */
TMI_NOINLINE void *tmi_family_trace_stack(void *base, size_t size, uintptr_t caller)
{
    struct tmi_shard *shard = tmi_self.shard;
    if (TMI_UNLIKELY(shard->turn != tmi_load_relaxed(&tmi_tracer.turn))) {
        return tmi_family_trace(base, size, caller);
    }
    tmi_tracer_inside();
    const uintptr_t *frame = __builtin_frame_address(0); /* as above */
    struct tmi_leaf *leaf = tmi_tracer_leaf(shard, caller, frame);
    return tmi_quick_is_noted(shard, leaf)
               ? tmi_quick_count(shard, tmi_quick_noted(leaf), base, size)
               : trace_leaf(shard, base, size, leaf);
}

TMI_NOINLINE void *tmi_family_trace_outside(void *base, size_t size, uintptr_t caller)
{
    struct tmi_shard *shard = tmi_self.shard;
    if (TMI_UNLIKELY(shard->turn != tmi_load_relaxed(&tmi_tracer.turn))) {
        return tmi_family_trace(base, size, caller);
    }
    tmi_tracer_inside();
    const uintptr_t *frame = __builtin_frame_address(0);
    struct tmi_cell *cell = NULL;
    if (TMI_LIKELY(frame[1] == caller)) {
        cell = tmi_quick_cell_outside(shard, caller, (uintptr_t)(frame + 2));
    }
    return TMI_LIKELY(cell != NULL) ? tmi_quick_count(shard, cell, base, size)
                                    : trace_within(shard, base, size, caller);
}

/* What malloc chooses by its limits, where the size is above them. */
static void *trace_as_set(void *base, size_t size, uintptr_t caller)
{
    if (TMI_LIKELY(tmi_load_relaxed(&tmi_tracer.takes_all))) {
        return tmi_family_trace_stack(base, size, caller);
    }
    return tmi_load_relaxed(&tmi_tracer.caller_below) != 0
               ? tmi_family_trace_outside(base, size, caller)
               : tmi_family_trace(base, size, caller);
}

/* A block with its distance before the header; NULL when there is no memory. */
static void *make_aligned(struct tmi_holding holding, size_t align, bool zeroed)
{
    size_t size = holding.size;
    if (size >= HUGE_BYTES && align < HUGE_ALIGN) {
        align = HUGE_ALIGN;
    }
    size_t bytes = tmi_block_aligned_request(size, align);
    if (size > TMI_FAMILY_MOST || bytes == 0) {
        return NULL;
    }
    char *base = zeroed ? tmi_backend_alloc_zeroed(bytes) : tmi_backend_alloc(bytes);
    if (base == NULL) {
        return NULL;
    }
    char *p = tmi_block_aligned_user(base, align);
    tmi_block_seal_aligned(p, (size_t)(p - base), size, holding.domain, holding.site);
    return p;
}

/*
 * What an operation that is rarer than malloc will be counted as; *shard is NULL when not
 * tracing. Inline, since the frame that is asked for must not be left by a tail call.
 */
TMI_INLINE struct tmi_holding enter_for(size_t size, uintptr_t caller,
                                        struct tmi_shard **shard)
{
    struct tmi_holding holding = {0, tmi_self.domain, size};
    *shard = NULL;
    tmi_init_at_first_use();
    if (!tmi_tracer_is_off()) {
        *shard = tmi_tracer_enter(false);
    }
    if (*shard != NULL) {
        const uintptr_t *frame = __builtin_frame_address(0);
        holding.site = tmi_self.is_special
                           ? tmi_tracer_site_special(*shard, caller, frame, size)
                           : tmi_tracer_site(*shard, caller, frame);
    }
    return holding;
}

static void leave_from(struct tmi_shard *shard)
{
    if (shard != NULL) {
        tmi_tracer_leave(shard);
    }
}

static void *alloc_aligned(size_t size, size_t align, bool zeroed, uintptr_t caller)
{
    struct tmi_shard *shard;
    struct tmi_holding holding = enter_for(size, caller, &shard);
    void *p = make_aligned(holding, align, zeroed);
    if (p != NULL && holding.site != 0) {
        count_new(shard, holding, p);
    }
    leave_from(shard);
    return p != NULL ? p : tmi_family_no_memory();
}

TMI_INLINE void *alloc_long(size_t size, bool zeroed, uintptr_t caller)
{
    if (TMI_UNLIKELY(size >= HUGE_BYTES)) {
        return alloc_aligned(size, HUGE_ALIGN, zeroed, caller);
    }
    if (TMI_UNLIKELY(tmi_load_relaxed(&tmi_tracer.mode) <= TMI_MODE_OFF)) {
        tmi_init_at_first_use();
        return alloc_untraced(size, zeroed);
    }
    size_t bytes = size + sizeof(struct tmi_block);
    void *base = zeroed ? tmi_backend_alloc_zeroed(bytes) : tmi_backend_alloc(bytes);
    return TMI_LIKELY(base != NULL) ? trace_as_set(base, size, caller)
                                    : tmi_family_no_memory();
}

TMI_NOINLINE void *tmi_family_alloc_long(size_t size, uintptr_t caller)
{
    return alloc_long(size, false, caller);
}

TMI_NOINLINE void *tmi_family_alloc_zeroed_long(size_t size, uintptr_t caller)
{
    return alloc_long(size, true, caller);
}

void *tmi_family_alloc_aligned(size_t size, size_t align, uintptr_t caller)
{
    return align <= TMI_BLOCK_ALIGN ? tmi_family_alloc_long(size, caller)
                                    : alloc_aligned(size, align, false, caller);
}

/* mimalloc moves header and content; the old header must not look alive where it was. */
static void *resize_plain(struct tmi_block *block, struct tmi_holding now)
{
    struct tmi_block old = *block;
    tmi_block_unseal(block, tmi_block_tag(block));
    void *base = tmi_backend_resize(block, now.size + sizeof(struct tmi_block));
    if (base == NULL) {
        *block = old;
        return NULL;
    }
    return seal(base, now);
}

static void *make_any(struct tmi_holding now)
{
    if (now.size >= HUGE_BYTES) {
        return make_aligned(now, HUGE_ALIGN, false);
    }
    void *base = tmi_backend_alloc(now.size + sizeof(struct tmi_block));
    return base == NULL ? NULL : seal(base, now);
}

/* To another place. An over-aligned block becomes an ordinary one, as realloc in libc
 * makes it. */
static void *move(void *p, enum tmi_block_state state, struct tmi_holding now)
{
    void *moved = make_any(now);
    if (moved == NULL) {
        return NULL;
    }
    size_t usable = tmi_block_usable(p, state);
    memcpy(moved, p, usable < now.size ? usable : now.size);
    void *old_base = tmi_block_base(p, state);
    tmi_block_unseal(tmi_block_of(p), tmi_block_tag_of(tmi_block_trace(p, state)));
    tmi_backend_release(old_base);
    return moved;
}

static void *resize_aligned(void *p, struct tmi_holding now)
{
    size_t usable = tmi_block_usable(p, TMI_BLOCK_LIVE_ALIGNED);
    if (now.size > usable || now.size < usable / 2) {
        return move(p, TMI_BLOCK_LIVE_ALIGNED, now);
    }
    char *base = tmi_block_base(p, TMI_BLOCK_LIVE_ALIGNED);
    tmi_block_seal_aligned(p, (size_t)((char *)p - base), now.size, now.domain, now.site);
    return p;
}

static void *resize(void *p, enum tmi_block_state state, struct tmi_holding now)
{
    if (state == TMI_BLOCK_LIVE_ALIGNED) {
        return resize_aligned(p, now);
    }
    return now.size >= HUGE_BYTES ? move(p, state, now)
                                  : resize_plain(tmi_block_of(p), now);
}

static TMI_NOINLINE void *resize_any(void *p, size_t size, uintptr_t caller)
{
    if (size > TMI_FAMILY_MOST) {
        return tmi_family_no_memory();
    }
    bool is_plain = tmi_block_may_look(p) && tmi_block_is_plain(tmi_block_of(p));
    enum tmi_block_state state = is_plain ? TMI_BLOCK_LIVE : tmi_block_classify(p);
    if (state >= TMI_BLOCK_FREED) {
        tmi_damage_report("realloc", p, state);
        errno = EINVAL;
        return NULL;
    }
    struct tmi_shard *shard;
    struct tmi_holding now = enter_for(size, caller, &shard);
    struct tmi_holding old = tmi_holding_of(p, state);
    void *moved = resize(p, state, now);
    if (moved != NULL && shard != NULL) {
        tmi_account_exchange(shard, old, now);
        shard->latest = moved;
    } else if (moved != NULL && old.site != 0) {
        tmi_account_free_directly(old);
    }
    leave_from(shard);
    return moved != NULL ? moved : tmi_family_no_memory();
}

/* What nobody counts, while nothing is traced: mimalloc, and a header in between. */
void *tmi_family_resize(void *p, size_t size, uintptr_t caller)
{
    struct tmi_block *block = tmi_block_of(p);
    if (TMI_UNLIKELY(tmi_tracer.plain_below == 0 || !tmi_block_may_look(p) ||
                     tmi_block_tag(block) != 0 || size >= HUGE_BYTES)) {
        return resize_any(p, size, caller);
    }
    void *moved = resize_plain(block, (struct tmi_holding){0, 0, size});
    return TMI_LIKELY(moved != NULL) ? moved : tmi_family_no_memory();
}

/* Of another domain, or with sampling, where the rest goes the quick way when it can. */
static TMI_NOINLINE void free_special(struct tmi_shard *shard, struct tmi_holding gone,
                                      const void *p)
{
    if (tmi_sample_period != 0 && gone.domain == 0 &&
        gone.site >= tmi_stamp_first(shard->stamp) &&
        tmi_tracer_site_of_id(gone.site).is_rest) {
        tmi_tracer_count_free(shard, gone.site, gone.size, p);
        tmi_quick_learn_tag(shard, gone.site);
    } else {
        tmi_account_free(shard, gone, p);
    }
}

/* Give up a live block: count it out, mark it, and hand mimalloc's block back. */
TMI_INLINE void give_up(void *p, uint32_t site, void *base)
{
    struct tmi_block *block = tmi_block_of(p);
    struct tmi_holding gone = {site, tmi_block_domain(block), tmi_block_size(block)};
    int saved = tmi_errno_get();
    struct tmi_shard *shard = tmi_tracer_enter(true);
    if (TMI_LIKELY(shard != NULL)) {
        if (TMI_UNLIKELY(gone.domain != 0 || tmi_self.is_special)) {
            free_special(shard, gone, p);
        } else if (TMI_LIKELY(site >= tmi_stamp_first(shard->stamp))) {
            tmi_tracer_count_free(shard, site, gone.size, p);
            tmi_quick_learn_tag(shard, site);
        }
        tmi_tracer_leave(shard);
    } else if (site != 0) {
        tmi_account_free_directly(gone);
    }
    tmi_block_unseal(block, tmi_block_tag_of(site));
    tmi_backend_release(base);
    tmi_errno_set(saved);
}

static TMI_NOINLINE void free_long(void *p, uint64_t tag)
{
    if (TMI_LIKELY(tmi_block_is_tag(tag))) {
        give_up(p, (uint32_t)tag, tmi_block_of(p));
    } else {
        tmi_family_free_odd(p);
    }
}

static TMI_NOINLINE void flush_and_release(struct tmi_shard *shard, void *p)
{
    tmi_family_release(tmi_quick_flush(shard, p));
}

/* What the quick way does not know it may find out. */
static TMI_NOINLINE void free_unknown(struct tmi_shard *shard, void *p, uint64_t tag)
{
    enum tmi_quick_freed freed = tmi_quick_free_found(shard, p, tag);
    if (TMI_LIKELY(freed == TMI_QUICK_DONE)) {
        tmi_family_release(p);
    } else if (freed == TMI_QUICK_FLUSH) {
        flush_and_release(shard, p);
    } else {
        free_long(p, tag);
    }
}

TMI_NOINLINE void tmi_family_free_sealed(void *p, uint64_t hash)
{
    uint64_t tag = tmi_block_of(p)->seal ^ hash;
    struct tmi_shard *shard = tmi_self.shard;
    enum tmi_quick_freed freed = tmi_quick_free(shard, p, tag);
    if (TMI_LIKELY(freed == TMI_QUICK_DONE)) {
        tmi_family_release(p);
    } else if (freed == TMI_QUICK_FLUSH) {
        flush_and_release(shard, p);
    } else {
        free_unknown(shard, p, tag);
    }
}

/* NULL, an over-aligned block, a block at the start of a page, or no block of ours. */
TMI_COLD void tmi_family_free_odd(void *p)
{
    if (p == NULL) {
        return;
    }
    enum tmi_block_state state = tmi_block_classify(p);
    if (state >= TMI_BLOCK_FREED) {
        tmi_damage_report("free", p, state);
        return;
    }
    give_up(p, tmi_block_trace(p, state), tmi_block_base(p, state));
}

size_t tmi_family_size_odd(const void *p)
{
    if (p == NULL) {
        return 0;
    }
    enum tmi_block_state state = tmi_block_classify(p);
    if (state >= TMI_BLOCK_FREED) {
        tmi_damage_report("malloc_usable_size", p, state);
        return 0;
    }
    return tmi_block_size(tmi_block_of(p));
}
