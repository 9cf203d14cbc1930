/* SPDX-License-Identifier: MIT */
/* See trace/quick.h. */
#include "trace/quick.h"

#include "trace/capture.h"
#include "trace/step.h"
#include "trace/tree.h"

/* While a program grows it forgets all after every few that it learns: not all is emptied
 * then. */
static void put(struct tmi_shard *shard, struct tmi_quick_site *site,
                struct tmi_quick_site content)
{
    if (shard->taught_count < TMI_QUICK_FEW) {
        shard->taught[shard->taught_count] = site;
    }
    shard->taught_count += shard->taught_count <= TMI_QUICK_FEW;
    *site = content;
}

static void learn(struct tmi_shard *shard, struct tmi_quick_site *site, uint64_t key,
                  struct tmi_cell *cell)
{
    if (cell != NULL) {
        put(shard, site, (struct tmi_quick_site){key, {cell}});
    }
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
    struct tmi_quick_site *site = tmi_quick_caller(shard, ~pc);
    put(shard, site, (struct tmi_quick_site){~pc, {.frame_bytes = step & TMI_STEP_CFA}});
    *sp += site->frame_bytes;
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
    if (known->key == pc && known->site == site) {
        learn(shard, tmi_quick_caller(shard, pc), pc, tmi_shard_cell(shard, site));
    }
}

/* Is there a cell, and is that of the epoch that this thread is in? */
TMI_NOINLINE struct tmi_cell *tmi_quick_cell_of_node(struct tmi_shard *shard,
                                                     uint32_t node)
{
    if (node & TMI_TREE_CUT) {
        return NULL;
    }
    uint32_t site = tmi_load_acquire(tmi_node_site(node)); /* first: then the turn */
    uint32_t at = site - tmi_stamp_first(shard->stamp);
    struct tmi_cell *cells = NULL;
    if (at / TMI_SHARD_CHUNK < shard->directory_len &&
        shard->turn == tmi_load_relaxed(&tmi_tracer.turn)) {
        cells = shard->directory[at / TMI_SHARD_CHUNK];
    }
    if (TMI_UNLIKELY(cells == NULL)) {
        return NULL;
    }
    struct tmi_cell *cell = &cells[at % TMI_SHARD_CHUNK];
    learn(shard, tmi_quick_caller(shard, node), node, cell);
    return cell;
}

TMI_COLD void tmi_quick_learn_tag(struct tmi_shard *shard, uint32_t site)
{
    uint64_t tag = tmi_block_tag_of(site);
    learn(shard, tmi_quick_tag(shard, tag), tag, tmi_shard_cell(shard, site));
}
