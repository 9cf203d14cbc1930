/* SPDX-License-Identifier: MIT */
/* See trace/quick.h. */
#include "trace/quick.h"

static void learn(struct tmi_quick_site *sites, uint64_t key, struct tmi_cell *cell)
{
    if (cell != NULL) {
        *tmi_quick_site(sites, key) = (struct tmi_quick_site){key, cell};
    }
}

TMI_NOINLINE void *tmi_quick_flush(struct tmi_shard *shard, void *p)
{
    tmi_shard_flush(shard);
    tmi_tracer_leave(shard);
    return p;
}

/* Only what the long way remembers, too: it knows who must be asked each time. */
TMI_COLD void tmi_quick_learn_caller(struct tmi_shard *shard, uintptr_t caller,
                                     uint32_t site)
{
    const struct tmi_known_site *known = tmi_tracer_known(shard, caller);
    if (known->key == caller && known->site == site) {
        learn(shard->by_caller, caller, tmi_shard_cell(shard, site));
    }
}

TMI_COLD void tmi_quick_learn_node(struct tmi_shard *shard, uint32_t node, uint32_t site)
{
    learn(shard->by_caller, node, tmi_shard_cell(shard, site));
}

TMI_COLD void tmi_quick_learn_tag(struct tmi_shard *shard, uint32_t site)
{
    learn(shard->by_tag, tmi_block_tag_of(site), tmi_shard_cell(shard, site));
}
