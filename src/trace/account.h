/* SPDX-License-Identifier: MIT */
/*
 * Accounting for memory of any domain, and asking for it: what threads have flushed, and
 * what they have not. The process's bytes and those of each domain are read in one way.
 *
 *     now = totals' current + each shard's unflushed bytes of that kind
 *
 * Reading costs a look at each thread's shard. The caller is guarded; his own shard is
 * flushed first. When not tracing everything is 0. Locking: none. What is of domain 0 and
 * frequent is counted elsewhere (trace/quick.h, trace/tracer.h).
 */
#ifndef TMI_ACCOUNT_H
#define TMI_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "heap/block.h"
#include "trace/shard.h"

/* What a block, or another resource, counts as. Site 0: it does not count. */
struct tmi_holding {
    uint32_t site;
    uint32_t domain;
    size_t size;
};

TMI_INLINE struct tmi_holding tmi_holding_of(const void *p, enum tmi_block_state state)
{
    const struct tmi_block *block = tmi_block_of(p);
    return (struct tmi_holding){tmi_block_trace(p, state), tmi_block_domain(block),
                                tmi_block_size(block)};
}

/*
 * `gone` goes and `come` comes, in any domain, as one step: no peak sees both. What is of
 * an epoch that is over does not count either.
 */
void tmi_account_exchange(struct tmi_shard *shard, struct tmi_holding gone,
                          struct tmi_holding come);

/* A block that is freed. */
void tmi_account_free(struct tmi_shard *shard, struct tmi_holding gone,
                      const void *block);

/* A free for which there is no shard to count in. */
void tmi_account_free_directly(struct tmi_holding gone);

/* Bytes now and at most, of all threads. */
void tmi_account_memory(int64_t *current, int64_t *peak);

/* The same of one domain, given by its slot. */
void tmi_account_domain(uint32_t slot, int64_t *current, int64_t *peak);

/* Make the peaks of the process and of each domain what they have now. */
void tmi_account_reset_peak(void);

#endif
