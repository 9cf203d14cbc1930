/* SPDX-License-Identifier: MIT */
/* See trace/direct.h. */
#include "trace/direct.h"

#include "trace/memory.h"

#define FIRST      512u
#define FIRST_BITS 9
#define SEGMENTS   24

struct freed {
    uint64_t bytes;  /* atomic */
    uint64_t blocks; /* atomic */
};

static struct freed *segments[SEGMENTS]; /* atomic, written under TMI_LOCK_SITES */
static bool used;                        /* atomic */

static struct freed *cell_of(uint32_t id, bool make_locked)
{
    unsigned segment = 0;
    uint32_t within = id;
    size_t cells = FIRST;
    if (id >= FIRST) {
        unsigned top = 31u - (unsigned)__builtin_clz(id);
        segment = top - FIRST_BITS + 1;
        within = id - (1u << top);
        cells = (size_t)1 << top;
    }
    struct freed *found = tmi_load_acquire(&segments[segment]);
    if (found == NULL && make_locked) {
        found = tmi_memory_reserve(cells * sizeof *found);
        tmi_store_release(&segments[segment], found);
    }
    return found == NULL ? NULL : &found[within];
}

bool tmi_direct_reserve(uint32_t id)
{
    return cell_of(id, true) != NULL;
}

size_t tmi_direct_bytes(size_t sites)
{
    return sites * sizeof(struct freed);
}

bool tmi_direct_is_used(void)
{
    return tmi_load_acquire(&used);
}

void tmi_direct_count(uint32_t id, uint64_t bytes, uint64_t blocks)
{
    tmi_store_release(&used, true);
    struct freed *cell = cell_of(id, false);
    if (cell != NULL) {
        tmi_add_relaxed(&cell->bytes, bytes);
        if (tmi_add_relaxed(&cell->blocks, blocks) == 0) {
            tmi_memory_charge(sizeof *cell);
        }
    }
}

void tmi_direct_read(uint32_t id, struct tmi_cell *sum)
{
    struct freed *cell = cell_of(id, false);
    if (cell != NULL) {
        sum->free_bytes += tmi_load_relaxed(&cell->bytes);
        sum->free_blocks += tmi_load_relaxed(&cell->blocks);
    }
}
