/* SPDX-License-Identifier: MIT */
/*
 * A mutex on one word: 0 free, 1 held, 2 held and somebody may be waiting. The acquire in
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

#define SPINS 100

static void wait_for(uint32_t *word)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t free_word = 0;
        if (tmi_load_relaxed(word) == 0 && tmi_cas_acq_rel(word, &free_word, 1)) {
            return;
        }
    }
    while (tmi_exchange_acquire(word, 2) != 0) {
        tmi_sys_futex_wait(word, 2);
    }
}

bool tmi_try_lock(enum tmi_lock which)
{
    uint32_t free_word = 0;
    return tmi_cas_acq_rel(&locks[which].word, &free_word, 1);
}

void tmi_lock(enum tmi_lock which)
{
    if (!tmi_try_lock(which)) {
        wait_for(&locks[which].word);
    }
}

void tmi_unlock(enum tmi_lock which)
{
    if (tmi_exchange_release(&locks[which].word, 0) == 2) {
        tmi_sys_futex_wake(&locks[which].word);
    }
}

void tmi_lock_all(void)
{
    for (int i = 0; i < TMI_LOCK_COUNT; i++) {
        tmi_lock((enum tmi_lock)i);
    }
}

void tmi_unlock_all(void)
{
    for (int i = TMI_LOCK_COUNT - 1; i >= 0; i--) {
        tmi_unlock((enum tmi_lock)i);
    }
}
