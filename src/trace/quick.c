/* SPDX-License-Identifier: MIT */
/* See trace/quick.h. */
#include "trace/quick.h"

#include "trace/capture.h"
#include "trace/step.h"
#include "trace/tree.h"

/* `places` in a table is a power of two; a bit of `taught` stands for a 64th of them. */
static void put(struct tmi_quick_site *table, size_t places, uint64_t *taught,
                struct tmi_quick_site site)
{
    size_t at = site.key % places;
    *taught |= (uint64_t)1 << at / (places / 64);
    table[at] = site;
}

static void learn_caller(struct tmi_shard *shard, struct tmi_quick_site site)
{
    put(shard->by_caller, TMI_QUICK_CALLERS, &shard->callers_taught, site);
}

static void learn_tag(struct tmi_shard *shard, uint64_t tag, struct tmi_cell *cell)
{
    put(shard->by_tag, TMI_QUICK_TAGS, &shard->tags_taught,
        (struct tmi_quick_site){tag, {cell}});
}

TMI_NOINLINE void *tmi_quick_flush(struct tmi_shard *shard, void *p)
{
    tmi_shard_flush(shard);
    tmi_tracer_leave(shard);
    return p;
}

/* A wrapper's frame that has the same size whenever it allocates, as most have. */
static bool learn_wrapper(struct tmi_shard *shard, uintptr_t pc, uintptr_t *sp)
{
    tmi_step step = tmi_step_find(pc);
    if (!TMI_CAPTURE_HAS_FAST || tmi_capture_chosen != TMI_CAPTURE_FAST ||
        !(step & TMI_STEP_FAST_RSP)) {
        return false;
    }
    uintptr_t bytes = step & TMI_STEP_CFA;
    learn_caller(shard, (struct tmi_quick_site){~pc, {.frame_bytes = bytes}});
    *sp += bytes;
    return true;
}

/* Only what the long way remembers, too: it knows who must be asked each time. */
TMI_COLD void tmi_quick_learn_caller(struct tmi_shard *shard, uintptr_t pc, uintptr_t sp,
                                     uint32_t site)
{
    while (tmi_tracer_known(shard, ~pc)->key == ~pc) {
        if (!learn_wrapper(shard, pc, &sp)) {
            return;
        }
        pc = ((const uintptr_t *)sp)[-1];
    }
    const struct tmi_known_site *known = tmi_tracer_known(shard, pc);
    struct tmi_cell *cell = NULL;
    if (known->key == pc && known->site == site) {
        cell = tmi_shard_cell(shard, site);
    }
    if (cell != NULL) {
        learn_caller(shard, (struct tmi_quick_site){pc, {cell}});
    }
}

struct tmi_cell *tmi_quick_find_node(struct tmi_shard *shard, struct tmi_leaf *leaf)
{
    if (TMI_UNLIKELY(leaf->node == 0 || leaf->node & TMI_TREE_CUT)) {
        return NULL;
    }
    uint32_t site = tmi_load_acquire(tmi_node_site(leaf->node)); /* before the turn */
    struct tmi_cell *cell = tmi_shard_present_cell(shard, site);
    if (TMI_UNLIKELY(cell == NULL || shard->turn != tmi_load_relaxed(&tmi_tracer.turn))) {
        return NULL;
    }
    leaf->note = (uint64_t)(uintptr_t)cell << 16 | shard->age;
    return cell;
}

/* With sampling a site's blocks do not count alike; of another domain than 0 the first
 * word is not the size. */
TMI_NOINLINE struct tmi_cell *tmi_quick_find_tag(struct tmi_shard *shard, uint64_t tag,
                                                 const struct tmi_block *block)
{
    struct tmi_cell *cell = NULL;
    if (TMI_LIKELY(tmi_block_is_tag(tag) && tmi_sample_period == 0 &&
                   tmi_block_is_of_domain_0(block))) {
        cell = tmi_shard_present_cell(shard, (uint32_t)tag);
    }
    if (TMI_LIKELY(cell != NULL)) {
        learn_tag(shard, tag, cell);
    }
    return cell;
}

TMI_COLD void tmi_quick_learn_tag(struct tmi_shard *shard, uint32_t site)
{
    struct tmi_cell *cell = tmi_shard_cell(shard, site);
    if (cell != NULL) {
        learn_tag(shard, tmi_block_tag_of(site), cell);
    }
}
