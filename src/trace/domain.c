/* SPDX-License-Identifier: MIT */
/*
 * See trace/domain.h. A record is complete before its slot can be found. Names are copied
 * into pages of their own and stay; there are as many names as slots at most, so the
 * records also have room for the list of who got which.
 */
#include "trace/domain.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/hash.h"
#include "base/lock.h"
#include "trace/index.h"
#include "trace/memory.h"

#define PIECE      128u
#define PIECES     ((TMI_DOMAIN_MOST + 1) / PIECE)
#define TEXT_BYTES 4096u

_Static_assert(PIECE * sizeof(struct tmi_domain) == 4096, "a piece is a page");
_Static_assert(TEXT_BYTES > TMI_DOMAIN_NAME_BYTES, "every name fits into a new piece");

static struct tmi_domain standard;        /* slot 0 */
static struct tmi_domain *pieces[PIECES]; /* atomic, written under TMI_LOCK_SITES */
static struct tmi_index numbers;

/* TMI_LOCK_SITES. */
static struct tmi_index names;
static uint32_t next_number = 1; /* all below have slots */
static uint32_t present_epoch;
static char *text;
static size_t text_room;

static struct tmi_domain *record_of(uint32_t slot)
{
    return slot == 0 ? &standard : &tmi_load_acquire(&pieces[slot / PIECE])[slot % PIECE];
}

uint32_t tmi_domain_last(void)
{
    return tmi_index_count(&numbers);
}

uint32_t tmi_domain_find(uint32_t number)
{
    uint32_t slot = number == 0 ? 0 : tmi_index_find(&numbers, number);
    return slot == 0 && number != 0 ? TMI_DOMAIN_NONE : slot;
}

uint32_t tmi_domain_number(uint32_t slot)
{
    return slot == 0 ? 0 : (uint32_t)tmi_index_key(&numbers, slot);
}

const char *tmi_domain_name(uint32_t slot)
{
    return tmi_load_acquire(&record_of(slot)->name);
}

struct tmi_totals *tmi_domain_totals(uint32_t slot)
{
    return &record_of(slot)->totals;
}

void tmi_domain_begin(uint32_t epoch)
{
    present_epoch = epoch;
    for (uint32_t slot = 0; slot <= tmi_domain_last(); slot++) {
        tmi_totals_begin(&record_of(slot)->totals, epoch);
    }
}

/* A slot for a number that has none. */
static int64_t add_locked(uint32_t number)
{
    uint32_t slot = tmi_domain_last() + 1;
    if (slot > TMI_DOMAIN_MOST) {
        return -ENOSPC;
    }
    if (pieces[slot / PIECE] == NULL) {
        struct tmi_domain *piece = tmi_memory_map(PIECE * sizeof *piece);
        if (piece == NULL) {
            return -ENOMEM;
        }
        tmi_store_release(&pieces[slot / PIECE], piece);
    }
    tmi_totals_begin(&record_of(slot)->totals, present_epoch);
    return tmi_index_add(&numbers, number) == slot ? (int64_t)slot : -ENOMEM;
}

int64_t tmi_domain_adopt(uint32_t number)
{
    uint32_t slot = tmi_domain_find(number);
    if (slot != TMI_DOMAIN_NONE) {
        return slot;
    }
    tmi_lock(TMI_LOCK_SITES);
    slot = tmi_domain_find(number);
    int64_t result = slot != TMI_DOMAIN_NONE ? (int64_t)slot : add_locked(number);
    tmi_unlock(TMI_LOCK_SITES);
    return result;
}

static const char *keep_locked(const char *name, size_t bytes)
{
    if (text_room < bytes) {
        text = tmi_memory_map(TEXT_BYTES);
        text_room = text == NULL ? 0 : TEXT_BYTES;
    }
    if (text_room < bytes) {
        return NULL;
    }
    const char *copy = memcpy(text, name, bytes);
    text += bytes;
    text_room -= bytes;
    return copy;
}

/* The domain with a name; *key is where the name is, or belongs. 0: there is none. */
static uint32_t find_name_locked(const char *name, uint64_t *key)
{
    *key = tmi_hash_bytes(name, strlen(name));
    for (;; ++*key) {
        uint32_t n = tmi_index_find(&names, *key);
        if (n == 0) {
            return 0;
        }
        uint32_t slot = record_of(n)->slot_named;
        if (strcmp(record_of(slot)->name, name) == 0) {
            return slot;
        }
    }
}

static int64_t register_locked(const char *name, size_t bytes)
{
    uint64_t key;
    uint32_t known = find_name_locked(name, &key);
    if (known != 0) {
        return tmi_domain_number(known);
    }
    while (tmi_domain_find(next_number) != TMI_DOMAIN_NONE) {
        next_number++;
    }
    if (tmi_domain_last() >= TMI_DOMAIN_MOST) {
        return -ENOSPC;
    }
    const char *kept = keep_locked(name, bytes);
    int64_t slot = kept == NULL ? -ENOMEM : add_locked(next_number);
    if (slot < 0) {
        return slot;
    }
    uint32_t n = tmi_index_add(&names, key);
    if (n == 0) {
        return -ENOMEM; /* the number stays without a name, and is passed over */
    }
    record_of(n)->slot_named = (uint32_t)slot;
    tmi_store_release(&record_of((uint32_t)slot)->name, kept);
    return next_number;
}

int64_t tmi_domain_register(const char *name)
{
    if (name == NULL || *name == '\0') {
        return -EINVAL;
    }
    size_t len = strnlen(name, TMI_DOMAIN_NAME_BYTES + 1);
    if (len > TMI_DOMAIN_NAME_BYTES) {
        return -ENAMETOOLONG;
    }
    tmi_lock(TMI_LOCK_SITES);
    int64_t number = register_locked(name, len + 1);
    tmi_unlock(TMI_LOCK_SITES);
    return number;
}
