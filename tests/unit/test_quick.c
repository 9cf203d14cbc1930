/* SPDX-License-Identifier: MIT */
/*
 * The quick way: that it steps aside for whatever it was not taught, changing nothing,
 * and that what it counts is what an array counts.
 */
#include "trace/quick.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "../support/random.h"
#include "trace/account.h"
#include "trace/read.h"

#define CALLERS 5000 /* more than there are places */
#define BLOCKS  20000

static const uintptr_t first_caller = 0x7f0000001000;

static struct tmi_shard *begin(int64_t lease)
{
    tmi_block_init();
    tmi_tracer_init(lease, TMI_CAPTURE_FAST, 0);
    tmi_tracer_set_mode(TMI_MODE_OFF);
    cr_assert_eq(tmi_tracer_start(1), 0);
    struct tmi_shard *shard = tmi_tracer_enter(false);
    cr_assert_not_null(shard);
    tmi_tracer_leave(shard);
    return shard;
}

static void *make_base(size_t size)
{
    return tmi_backend_alloc(size + sizeof(struct tmi_block));
}

/* What malloc does: the quick way, and when that knows nothing the long one. */
static void *make(size_t size, uintptr_t caller)
{
    void *base = make_base(size);
    void *p = tmi_quick_alloc(base, size, caller);
    if (p == NULL) {
        struct tmi_shard *shard = tmi_tracer_enter(false);
        uint32_t site = tmi_tracer_site(shard, caller, NULL);
        p = tmi_block_seal(base, size, 0, site);
        tmi_tracer_count_alloc(shard, site, size, p);
        tmi_quick_learn_caller(shard, caller, 0, site);
        tmi_tracer_leave(shard);
    }
    return p;
}

static void unmake(void *p)
{
    struct tmi_block *block = tmi_block_of(p);
    uint64_t tag = tmi_block_tag(block);
    struct tmi_shard *shard = tmi_self.shard;
    switch (tmi_quick_free(shard, p, tag)) {
    case TMI_QUICK_FLUSH:
        tmi_quick_flush(shard, p);
        break;
    case TMI_QUICK_UNKNOWN:
        shard = tmi_tracer_enter(true);
        tmi_tracer_count_free(shard, (uint32_t)tag, tmi_block_size(block), p);
        tmi_quick_learn_tag(shard, (uint32_t)tag);
        tmi_tracer_leave(shard);
        tmi_block_unseal(block, tag);
        break;
    default:
        break;
    }
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_FREED);
    cr_assert_eq(tmi_block_trace(p, TMI_BLOCK_FREED), (uint32_t)tag);
    tmi_backend_release(block);
}

static void expect_memory(int64_t current, int64_t peak)
{
    int64_t is_current;
    int64_t is_peak;
    struct tmi_shard *entered = tmi_guard_enter();
    tmi_account_memory(&is_current, &is_peak);
    tmi_guard_leave(entered);
    cr_assert_eq(is_current, current);
    cr_assert_eq(is_peak, peak);
}

Test(quick, what_was_not_taught_is_left_alone)
{
    struct tmi_shard *shard = begin(65536);
    void *base = make_base(100);
    cr_assert_null(tmi_quick_alloc(base, 100, first_caller));
    cr_assert_eq(tmi_self.shard, shard, "left as it was found");
    void *p = make(100, first_caller);
    uint64_t tag = tmi_block_tag(tmi_block_of(p));
    cr_assert_eq(tmi_quick_free(shard, p, tag), TMI_QUICK_UNKNOWN);
    cr_assert_eq(tmi_self.shard, shard);
    cr_assert_eq(tmi_block_classify(p), TMI_BLOCK_LIVE);
    cr_assert_null(tmi_quick_alloc(base, 100, first_caller + TMI_QUICK_CALLERS));
    cr_assert_not_null(tmi_quick_alloc(base, 100, first_caller));
    expect_memory(200, 200);
}

Test(quick, nothing_is_counted_inside)
{
    struct tmi_shard *shard = begin(65536);
    void *p = make(100, first_caller);
    uint64_t tag = tmi_block_tag(tmi_block_of(p));
    unmake(make(100, first_caller));
    struct tmi_shard *entered = tmi_guard_enter();
    cr_assert_null(tmi_quick_alloc(make_base(100), 100, first_caller));
    cr_assert_eq(tmi_quick_free(tmi_self.shard, p, tag), TMI_QUICK_UNKNOWN);
    tmi_guard_leave(entered);
    cr_assert_eq(tmi_quick_free(shard, p, tag), TMI_QUICK_DONE);
    expect_memory(0, 200);
}

Test(quick, a_clear_a_stop_and_an_unload_make_it_forget)
{
    begin(65536);
    for (int i = 0; i < 3; i++) {
        void *p = make(100, first_caller);
        void *q = make(100, first_caller);
        unmake(q); /* from a peak: it forgets, and learns again */
        make(100, first_caller);
        cr_assert_not_null(tmi_quick_alloc(make_base(100), 100, first_caller));
        uint64_t tag = tmi_block_tag(tmi_block_of(p));
        if (i == 0) {
            tmi_tracer_clear();
        } else if (i == 1) {
            tmi_tracer_stop();
        } else {
            tmi_add_release(&tmi_tracer.turn, 1);
        }
        cr_assert_null(tmi_quick_alloc(make_base(100), 100, first_caller));
        cr_assert_eq(tmi_quick_free(tmi_self.shard, p, tag), TMI_QUICK_UNKNOWN);
        tmi_tracer_start(1);
    }
}

Test(quick, it_forgets_however_much_it_knows)
{
    static const uintptr_t many[] = {1, 3, 4, 5, 63, 64, 65, TMI_QUICK_CALLERS - 1};
    begin(65536);
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        for (uintptr_t k = 0; k < many[i]; k++) {
            make(100, first_caller + k);
            cr_assert_not_null(tmi_quick_alloc(make_base(100), 100, first_caller + k));
        }
        tmi_add_release(&tmi_tracer.turn, 1);
        make(100, first_caller + TMI_QUICK_CALLERS - 1); /* notices */
        for (uintptr_t k = 0; k < many[i] && k < TMI_QUICK_CALLERS - 1; k++) {
            cr_assert_null(tmi_quick_alloc(make_base(100), 100, first_caller + k));
        }
    }
}

/* A block's tag is its site's number, and that leads to the cell. */
Test(quick, what_free_does_not_know_is_found_by_its_number)
{
    struct tmi_shard *shard = begin(65536);
    void *p = make(100, first_caller);
    make(5000, first_caller); /* else p would be freed from the peak */
    uint64_t tag = tmi_block_tag(tmi_block_of(p));
    cr_assert_null(tmi_quick_find_tag(shard, tag ^ 1, tmi_block_of(p)), "no tag");
    uint64_t none = tmi_block_tag_of(1000000);
    cr_assert_null(tmi_quick_find_tag(shard, none, tmi_block_of(p)), "no site's");
    struct tmi_block other = {.size_domain = (uint64_t)1 << TMI_BLOCK_SIZE_BITS | 100};
    cr_assert_null(tmi_quick_find_tag(shard, tag, &other), "of another domain");
    tmi_add_release(&tmi_tracer.turn, 1);
    cr_assert_eq(tmi_quick_free_found(shard, p, tag), TMI_QUICK_UNKNOWN, "another turn");
    unmake(make(10000, first_caller + 1)); /* the peak is behind: all is forgotten */
    make(1, first_caller);
    cr_assert_eq(tmi_quick_free(shard, p, tag), TMI_QUICK_UNKNOWN);
    cr_assert_eq(tmi_self.shard, shard, "left as it was found");
    cr_assert_eq(tmi_quick_free_found(shard, p, tag), TMI_QUICK_DONE);
    cr_assert_eq(tmi_self.shard, shard);
    void *q = make(100, first_caller);
    cr_assert_eq(tmi_quick_free(shard, q, tag), TMI_QUICK_DONE, "known by now");
    struct tmi_cell sum = {0};
    cr_assert(tmi_read_sites(TMI_CUT_NOW, (uint32_t)tag, &sum, 1));
    cr_assert_eq(sum.alloc_bytes - sum.free_bytes, 5000 + 1);
}

/* What is noted of a stack is of one age; after as many as a note can tell apart, it is
 * forgotten. */
Test(quick, notes_are_of_an_age)
{
    struct tmi_shard *shard = begin(65536);
    void *p = make(100, first_caller);
    struct tmi_site site =
        tmi_tracer_site_of_id((uint32_t)tmi_block_tag(tmi_block_of(p)));
    struct tmi_leaf leaf = {.node = site.node};
    cr_assert_not(tmi_quick_is_noted(shard, &leaf));
    struct tmi_cell *cell = tmi_quick_find_node(shard, &leaf);
    cr_assert_not_null(cell);
    cr_assert_eq(cell->tag, tmi_block_tag(tmi_block_of(p)));
    cr_assert(tmi_quick_is_noted(shard, &leaf));
    cr_assert_eq(tmi_quick_noted(&leaf), cell);
    tmi_add_release(&tmi_tracer.turn, 1);
    cr_assert_null(tmi_quick_find_node(shard, &leaf), "there is something to look at");
    make(100, first_caller);
    cr_assert_not(tmi_quick_is_noted(shard, &leaf), "of another age");
    shard->age = TMI_QUICK_AGE_MOST;
    shard->last.routes.known[5].leaf.note = 7 << 16 | 1; /* of an age that comes again */
    tmi_add_release(&tmi_tracer.turn, 1);
    make(100, first_caller);
    cr_assert_eq(shard->age, 1);
    cr_assert_eq(shard->last.routes.known[5].leaf.note, 0);
}

/* The long way has to look whether the process's peak is here. */
Test(quick, it_steps_aside_where_the_bytes_turn_down_from_a_peak)
{
    struct tmi_shard *shard = begin(65536);
    void *p = make(1000, first_caller);
    void *q = make(1000, first_caller);
    unmake(q);
    uint64_t turn = tmi_tracer.turn;
    void *r = make(1000, first_caller);
    unmake(r); /* not above it: no new cut */
    cr_assert_eq(tmi_tracer.turn, turn);
    r = make(1100, first_caller);
    int64_t net = shard->net;
    cr_assert_eq(tmi_quick_free(shard, r, tmi_block_tag(tmi_block_of(r))),
                 TMI_QUICK_UNKNOWN);
    cr_assert_eq(shard->net, net);
    unmake(r);
    cr_assert_gt(tmi_tracer.turn, turn);
    unmake(p);
}

/* A peak found in the middle of an operation brings the shard to the turn, too, and that
 * may have moved for an unload. */
Test(quick, what_is_of_unloaded_code_is_forgotten_with_the_turn)
{
    struct tmi_shard *shard = begin(65536);
    make(100, first_caller);
    const struct tmi_known_site *known = tmi_tracer_known(shard, first_caller);
    cr_assert_eq(known->key, first_caller);
    cr_assert_eq(tmi_tracer_enter(true), shard);
    tmi_add_relaxed(&tmi_shard_generation, 1);
    tmi_add_release(&tmi_tracer.turn, 1);
    tmi_shard_turns_down(shard);
    tmi_tracer_leave(shard);
    cr_assert_eq(shard->turn, tmi_tracer.turn);
    cr_assert_eq(known->key, 0);
}

/* Of threads that see a new epoch's stamp before its turn. */
Test(quick, nobody_is_ahead_of_the_turn)
{
    begin(65536);
    void *p = make(100, first_caller);
    cr_assert_neq(tmi_block_tag(tmi_block_of(p)), 0);
    tmi_stamp stamp = tmi_tracer.stamp;
    tmi_tracer.stamp += (tmi_stamp)1 << 32;
    tmi_add_release(&tmi_tracer.turn, 1); /* an unload, say, makes the thread look */
    cr_assert_null(tmi_tracer_enter(false));
    tmi_tracer.stamp = stamp;
    struct tmi_shard *shard = tmi_tracer_enter(false);
    cr_assert_not_null(shard);
    tmi_tracer_leave(shard);
    expect_memory(100, 100);
}

struct made {
    void *p;
    size_t size;
    unsigned caller;
};

static struct tmi_cell model[CALLERS];
static struct made blocks[BLOCKS];

static uint32_t ids[CALLERS];

static void churn(int64_t *current, int64_t *peak, int operations)
{
    uint64_t random = 17;
    const void *latest = NULL;
    for (int i = 0; i < operations; i++) {
        struct made *made = &blocks[random_below(&random, BLOCKS)];
        if (made->p != NULL) {
            struct tmi_cell *cell = &model[made->caller];
            cell->free_bytes += made->size;
            cell->free_blocks++;
            cell->temporary_blocks += made->p == latest;
            *current -= (int64_t)made->size;
            unmake(made->p);
            made->p = NULL;
            continue;
        }
        made->size = random_below(&random, 3000);
        made->caller = (unsigned)random_below(&random, CALLERS);
        latest = made->p = make(made->size, first_caller + made->caller);
        ids[made->caller] = (uint32_t)tmi_block_tag(tmi_block_of(made->p));
        model[made->caller].alloc_bytes += made->size;
        model[made->caller].alloc_blocks++;
        *current += (int64_t)made->size;
        *peak = *current > *peak ? *current : *peak;
        if (random_below(&random, 4) == 0) { /* the one that was allocated last */
            model[made->caller].free_bytes += made->size;
            model[made->caller].free_blocks++;
            model[made->caller].temporary_blocks++;
            *current -= (int64_t)made->size;
            unmake(made->p);
            made->p = NULL;
        }
    }
}

static void count_like_an_array(int64_t lease)
{
    int64_t current = 0;
    int64_t peak = 0;
    begin(lease);
    churn(&current, &peak, 200000);
    expect_memory(current, peak);
    for (int i = 0; i < CALLERS; i++) {
        struct tmi_cell sum = {0};
        cr_assert(tmi_read_sites(TMI_CUT_NOW, ids[i], &sum, 1));
        cr_assert_eq(memcmp(&sum, &model[i], sizeof sum), 0, "caller %d", i);
    }
}

Test(quick, it_counts_what_an_array_counts)
{
    count_like_an_array(65536);
}

Test(quick, it_counts_what_an_array_counts_without_a_lease)
{
    count_like_an_array(0);
}
