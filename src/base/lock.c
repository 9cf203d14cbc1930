/* SPDX-License-Identifier: MIT */
/*
 * A mutex on one word: 0 free, else the number of the thread that holds it, and in the
 * lowest bit whether somebody may be waiting. So a thread can tell which it holds itself,
 * in a signal handler too: taking and knowing are one instruction. The acquire in
 * tmi_lock pairs with the release in tmi_unlock.
 */
#include "base/lock.h"

#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/sys.h"

/* Each on a line of its own: threads that wait for one must not slow another. */
static struct {
    uint32_t word; /* atomic */
} __attribute__((aligned(TMI_CACHE_LINE))) locks[TMI_LOCK_COUNT];

#define WAITED 1u
#define SPINS  100

static uint32_t last_number; /* atomic */
static TMI_THREAD_LOCAL uint32_t own_number;

/* This thread's, even and not 0; the parent's is that of a forked child's thread too. */
static uint32_t own(void)
{
    while (own_number == 0) {
        own_number = tmi_add_relaxed(&last_number, 2) + 2;
    }
    return own_number;
}

static void wait_for(uint32_t *word)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t free_word = 0;
        if (tmi_load_relaxed(word) == 0 && tmi_cas_acq_rel(word, &free_word, own())) {
            return;
        }
    }
    for (;;) {
        uint32_t seen = 0;
        if (tmi_cas_acq_rel(word, &seen, own() | WAITED)) {
            return; /* others may be waiting still */
        }
        uint32_t waited = seen | WAITED;
        if (seen == waited || tmi_cas_relaxed(word, &seen, waited)) {
            tmi_sys_futex_wait(word, waited);
        }
    }
}

bool tmi_try_lock(enum tmi_lock which)
{
    uint32_t free_word = 0;
    return tmi_cas_acq_rel(&locks[which].word, &free_word, own());
}

void tmi_lock(enum tmi_lock which)
{
    if (!tmi_try_lock(which)) {
        wait_for(&locks[which].word);
    }
}

void tmi_unlock(enum tmi_lock which)
{
    if ((tmi_exchange_release(&locks[which].word, 0) & WAITED) != 0) {
        tmi_sys_futex_wake(&locks[which].word);
    }
}

/* ---- fork ------------------------------------------------------------------------- */

/* Of all locks, a bit each, those that tmi_lock_all has taken. */
static TMI_THREAD_LOCAL uint32_t taken;

static bool is_own(int i)
{
    return (tmi_load_relaxed(&locks[i].word) & ~WAITED) == own();
}

static bool owns_any(void)
{
    bool any = false;
    for (int i = 0; i < TMI_LOCK_COUNT; i++) {
        any |= is_own(i);
    }
    return any;
}

/* Who holds some cannot wait for those above: their holder may be waiting for his. */
static bool try_for_a_while(enum tmi_lock which)
{
    for (int i = 0; i < 100 * SPINS; i++) {
        if (tmi_try_lock(which)) {
            return true;
        }
    }
    return false;
}

void tmi_lock_all(void)
{
    bool must_not_wait = owns_any();
    for (int i = 0; i < TMI_LOCK_COUNT; i++) {
        if (is_own(i)) {
            continue;
        }
        if (!must_not_wait) {
            tmi_lock((enum tmi_lock)i);
        } else if (!try_for_a_while((enum tmi_lock)i)) {
            continue;
        }
        taken |= 1u << i;
    }
}

void tmi_unlock_all(void)
{
    for (int i = TMI_LOCK_COUNT - 1; i >= 0; i--) {
        if ((taken >> i & 1) != 0) {
            tmi_unlock((enum tmi_lock)i);
        }
    }
    taken = 0;
}

void tmi_lock_forked(void)
{
    for (int i = 0; i < TMI_LOCK_COUNT; i++) {
        if (!is_own(i)) {
            tmi_store_relaxed(&locks[i].word, 0);
        }
    }
}
