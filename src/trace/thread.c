/* SPDX-License-Identifier: MIT */
/* See trace/thread.h. */
#include "trace/thread.h"

#include <pthread.h>

#include "base/lock.h"

/* After so many rounds of destructors libc calls ours no more, and a shard would be lost.
 */
#define RETIREMENTS_MOST 3

struct tmi_shard tmi_nobody;
TMI_THREAD_LOCAL struct tmi_thread tmi_self = {.shard = &tmi_nobody};

static struct tmi_shard *shards; /* atomic; grows under TMI_LOCK_THREADS */
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
    tmi_self.own = NULL;
    tmi_self.retirements++;
    tmi_lock(TMI_LOCK_THREADS);
    shard->owner = NULL;
    tmi_unlock(TMI_LOCK_THREADS);
}

void tmi_thread_init(void)
{
    if (!have_key) {
        have_key = pthread_key_create(&exit_key, retire) == 0;
    }
}

static struct tmi_shard *take_or_make(void)
{
    tmi_lock(TMI_LOCK_THREADS);
    struct tmi_shard *shard = shards;
    while (shard != NULL && shard->owner != NULL) {
        shard = shard->next;
    }
    if (shard == NULL) {
        shard = tmi_shard_new();
        if (shard != NULL) {
            shard->next = shards;
            shard->owner = &tmi_self;
            tmi_store_release(&shards, shard);
        }
    } else {
        shard->owner = &tmi_self;
    }
    tmi_unlock(TMI_LOCK_THREADS);
    return shard;
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
    struct tmi_shard *shard = take_or_make();
    if (shard != NULL) {
        shard->last.count = 0;
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
        if (owner != NULL && owner != &tmi_self && owner->shard == shard) {
            shard->owner = NULL;
        }
    }
}
