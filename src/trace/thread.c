/* SPDX-License-Identifier: MIT */
/* See trace/thread.h. */
#include "trace/thread.h"

#include <pthread.h>

#include "base/lock.h"
#include "trace/split.h"

/* After so many rounds of destructors libc calls ours no more, and a shard would be lost.
 */
#define RETIREMENTS_MOST 3

struct tmi_shard tmi_nobody;
TMI_THREAD_LOCAL struct tmi_thread tmi_self = {.shard = &tmi_nobody};

static struct tmi_shard *shards; /* atomic */

/* In the place of an owner: somebody who borrows, and somebody who did not survive fork.
 */
static struct tmi_thread borrower = {.shard = &tmi_nobody};
static struct tmi_thread vanished = {.shard = &tmi_nobody, .guards = 1};

static pthread_key_t exit_key;
static bool have_key;

struct tmi_shard *tmi_guard_enter(void)
{
    struct tmi_shard *entered = tmi_self.shard;
    tmi_self.shard = &tmi_nobody;
    tmi_self.guards++;
    tmi_signal_fence();
    return entered;
}

void tmi_guard_leave(struct tmi_shard *entered)
{
    tmi_signal_fence();
    tmi_self.guards--;
    tmi_self.shard = entered;
}

static void retire(void *shard_of_key)
{
    (void)shard_of_key;
    struct tmi_shard *shard = tmi_self.own;
    if (shard == NULL) {
        return;
    }
    tmi_self.shard = &tmi_nobody;
    tmi_signal_fence();
    tmi_shard_flush(shard);
    tmi_split_flush_parts(shard);
    tmi_self.own = NULL;
    tmi_self.retirements++;
    tmi_lock(TMI_LOCK_THREADS);
    tmi_store_release(&shard->owner, NULL); /* pairs with the claim by the next one */
    tmi_unlock(TMI_LOCK_THREADS);
}

void tmi_thread_init(void)
{
    if (!have_key) {
        have_key = pthread_key_create(&exit_key, retire) == 0;
    }
}

/* One that nobody has, or a new one; signal safe. */
static struct tmi_shard *claim(struct tmi_thread *owner)
{
    struct tmi_shard *shard = tmi_load_acquire(&shards);
    for (; shard != NULL; shard = shard->next) {
        struct tmi_thread *nobody = NULL;
        if (tmi_load_relaxed(&shard->owner) == NULL &&
            tmi_cas_acq_rel(&shard->owner, &nobody, owner)) {
            return shard;
        }
    }
    shard = tmi_shard_new();
    if (shard != NULL) {
        shard->owner = owner;
        shard->next = tmi_load_relaxed(&shards);
        while (!tmi_cas_acq_rel(&shards, &shard->next, shard)) {
        }
    }
    return shard;
}

struct tmi_shard *tmi_thread_borrow(void)
{
    return claim(&borrower);
}

void tmi_thread_return(struct tmi_shard *shard)
{
    tmi_store_release(&shard->owner, NULL);
}

bool tmi_thread_is_counting_locked(const struct tmi_shard *shard)
{
    const struct tmi_thread *owner = tmi_load_acquire(&shard->owner);
    return owner != NULL && tmi_load_acquire(&owner->shard) == &tmi_nobody &&
           tmi_load_relaxed(&owner->guards) == 0;
}

struct tmi_shard *tmi_thread_adopt(bool may_only_free)
{
    bool retired = tmi_self.retirements != 0;
    if (tmi_self.guards != 0 || (retired && may_only_free) ||
        tmi_self.retirements > RETIREMENTS_MOST) {
        return NULL;
    }
    tmi_self.guards++; /* pthread_setspecific may allocate, a signal may arrive */
    tmi_signal_fence();
    struct tmi_shard *shard = claim(&tmi_self);
    if (shard != NULL) {
        tmi_laststack_drop(&shard->last);
        shard->latest = NULL; /* was allocated by another thread */
        shard->range = (struct tmi_stackrange){0, 0};
    }
    if (shard != NULL && have_key) {
        pthread_setspecific(exit_key, shard);
    }
    tmi_self.own = shard;
    tmi_signal_fence();
    tmi_self.guards--;
    return shard;
}

struct tmi_shard *tmi_thread_shards(void)
{
    return tmi_load_acquire(&shards);
}

void tmi_thread_forked(void)
{
    for (struct tmi_shard *shard = shards; shard != NULL; shard = shard->next) {
        struct tmi_thread *owner = shard->owner;
        if (owner != NULL && owner != &tmi_self) {
            shard->owner = owner->shard == shard ? NULL : &vanished;
        }
    }
}
