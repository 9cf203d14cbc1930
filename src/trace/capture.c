/* SPDX-License-Identifier: MIT */
/*
 * See trace/capture.h. The slow way unwinds into the shard's own buffer (never the stack:
 * signal stacks are small), which grows to the deepest stack met. A stack deeper than the
 * tree keeps loses its oldest frames.
 */
#include "trace/capture.h"

#include "base/report.h"
#include "trace/module.h"
#include "trace/tree.h"
#include "trace/unwind.h"

#if defined(__x86_64__) && defined(__LP64__)
#define HAVE_FAST true
#else
#define HAVE_FAST false
#endif

#define DIFFERENCES_TOLD 3

static enum tmi_capture_way chosen;
static struct tmi_capture_checks checks; /* atomic */

void tmi_capture_init(enum tmi_capture_way way)
{
    chosen = HAVE_FAST ? way : TMI_CAPTURE_LIBGCC;
}

struct tmi_capture_checks tmi_capture_checks(void)
{
    return checks;
}

/* The stack as libgcc sees it, in shard->stack; how many frames of it are there. */
static size_t unwind_slowly(struct tmi_shard *shard)
{
    size_t total = tmi_unwind_libgcc(shard->stack, shard->stack_room);
    if (total > shard->stack_room) {
        size_t wanted = total < TMI_TREE_DEPTH_MOST ? total : TMI_TREE_DEPTH_MOST;
        if (tmi_shard_grow_stack(shard, wanted)) {
            total = tmi_unwind_libgcc(shard->stack, shard->stack_room);
        }
    }
    size_t kept = total < shard->stack_room ? total : shard->stack_room;
    return kept < TMI_TREE_DEPTH_MOST ? kept : TMI_TREE_DEPTH_MOST;
}

static void tell_difference(const struct tmi_shard *shard, size_t n, uint32_t node)
{
    char room[TMI_REPORT_BYTES];
    tmi_report_text("the two unwinders differ; newest first, fast then libgcc:", NULL,
                    NULL);
    for (size_t i = 0; i < n || node != 0; i++) {
        struct tmi_writer w = tmi_report_on(room);
        tmi_put_text(&w, "    ");
        tmi_put_hex(&w, node == 0 ? 0 : tmi_location_address(tmi_tree_location(node)));
        tmi_put_char(&w, ' ');
        tmi_put_hex(&w, i < n ? shard->stack[i] : 0);
        tmi_report(&w);
        node = node == 0 ? 0 : tmi_tree_parent(node);
    }
}

/* Compare a node's path with what libgcc says of the same stack. */
static TMI_COLD void check(struct tmi_shard *shard, uint32_t node)
{
    size_t n = unwind_slowly(shard);
    uint32_t at = node;
    size_t i = 0;
    while (i < n && at != 0 &&
           tmi_tree_location(at) == tmi_tree_locate(shard->stack[i])) {
        at = tmi_tree_parent(at);
        i++;
    }
    tmi_add_relaxed(&checks.captures, 1);
    if ((i != n || at != 0) &&
        tmi_add_relaxed(&checks.differences, 1) < DIFFERENCES_TOLD) {
        tell_difference(shard, n, node);
    }
}

/* A frame: the caller's rbp, the return address, and then the caller's stack. */
static struct tmi_state state_of(const uintptr_t *frame)
{
    return (struct tmi_state){frame[1], (uintptr_t)(frame + 2), frame[0]};
}

uint32_t tmi_capture_stack(struct tmi_shard *shard, const uintptr_t *frame,
                           uint32_t generation)
{
    uint32_t node = 0;
    if (chosen != TMI_CAPTURE_LIBGCC) {
        node = tmi_laststack_capture(&shard->last, state_of(frame), generation);
    }
    if (node != 0 && chosen == TMI_CAPTURE_CHECK) {
        check(shard, node);
    }
    if (TMI_UNLIKELY(node == 0)) {
        size_t n = unwind_slowly(shard);
        node = tmi_tree_intern(shard->stack, n);
        tmi_add_relaxed(&checks.by_libgcc, 1);
    }
    return node;
}

uintptr_t tmi_capture_outside(struct tmi_shard *shard, const uintptr_t *frame,
                              bool (*passes_over)(struct tmi_shard *, uintptr_t pc))
{
    bool on = chosen != TMI_CAPTURE_LIBGCC;
    struct tmi_state now = state_of(frame);
    for (; on && now.pc != 0; on = tmi_laststack_step(&now)) {
        if (!tmi_module_is_own(now.pc) && !passes_over(shard, now.pc)) {
            return now.pc;
        }
    }
    size_t n = unwind_slowly(shard);
    for (size_t i = 0; i < n; i++) {
        if (!passes_over(shard, shard->stack[i])) {
            return shard->stack[i];
        }
    }
    return 0;
}

uint32_t tmi_capture_caller(uintptr_t pc)
{
    return tmi_tree_intern(&pc, 1);
}

uint32_t tmi_capture_unknown(void)
{
    return tmi_tree_intern(NULL, 0);
}
