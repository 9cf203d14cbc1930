/* SPDX-License-Identifier: MIT */
/*
 * See trace/capture.h. The slow way unwinds into the shard's own buffer (never the stack:
 * signal stacks are small), which grows to the deepest stack met. A stack deeper than the
 * tree keeps loses its oldest frames.
 */
#include "trace/capture.h"

#include <sys/auxv.h>

#include "base/atomic.h"
#include "base/errno.h"
#include "base/report.h"
#include "trace/module.h"
#include "trace/tree.h"
#include "trace/unwind.h"

#if TMI_CAPTURE_HAS_FAST || defined(__aarch64__)
#define HAVE_RECORDS true /* of frames, as trace/unwind_fp.c knows them */
#else
#define HAVE_RECORDS false
#endif

#define DIFFERENCES_TOLD 3

/* At most: where it begins the kernel says, but not where it ends. */
#define VDSO_BYTES ((uintptr_t)16 << 10)

enum tmi_capture_way tmi_capture_chosen;

static struct tmi_capture_counts counts; /* atomic */
static bool may_guess;

/* To guess is to be fast, but for stacks with code that has no tables. */
void tmi_capture_init(enum tmi_capture_way way)
{
    tmi_capture_chosen = HAVE_RECORDS ? way : TMI_CAPTURE_LIBGCC;
    if (tmi_capture_chosen == TMI_CAPTURE_GUESS) {
        tmi_capture_chosen = TMI_CAPTURE_FAST;
        may_guess = TMI_CAPTURE_HAS_FAST;
    }
    if (may_guess) {
        tmi_step_tell_no_table();
    }
}

struct tmi_capture_counts tmi_capture_counts(void)
{
    return (struct tmi_capture_counts){
        tmi_load_relaxed(&counts.checked), tmi_load_relaxed(&counts.differences),
        tmi_load_relaxed(&counts.by_libgcc), tmi_load_relaxed(&counts.guessed)};
}

/* A way to write a stack to shard->stack, as trace/unwind.h has it. */
typedef size_t unwinder(struct tmi_shard *shard, const uintptr_t *frame,
                        enum tmi_unwound *how);

static size_t by_libgcc(struct tmi_shard *shard, const uintptr_t *frame,
                        enum tmi_unwound *how)
{
    (void)frame;
    *how = TMI_UNWOUND_WHOLE;
    return tmi_unwind_libgcc(shard->stack, shard->stack_room);
}

/* A frame: the caller's rbp, the return address, and then the caller's stack. */
static struct tmi_state state_of(const uintptr_t *frame)
{
    return (struct tmi_state){frame[1], (uintptr_t)(frame + 2), frame[0]};
}

/* Our own code has frame pointers or, with tables, a way to do without. */
static size_t by_fp(struct tmi_shard *shard, const uintptr_t *frame,
                    enum tmi_unwound *how)
{
    struct tmi_state now = state_of(frame);
    while (TMI_CAPTURE_HAS_FAST && tmi_module_is_own(now.pc) &&
           tmi_laststack_step(&now)) {
    }
    struct tmi_stackwalk walk = tmi_stackwalk_from(&shard->range, (uintptr_t)frame);
    bool complete;
    size_t total =
        tmi_unwind_fp(now.pc, now.rbp, &walk, shard->stack, shard->stack_room, &complete);
    *how = complete ? TMI_UNWOUND_WHOLE : TMI_UNWOUND_PART;
    return total;
}

static size_t by_guess(struct tmi_shard *shard, const uintptr_t *frame,
                       enum tmi_unwound *how)
{
    struct tmi_state now = state_of(frame);
    struct tmi_stackwalk walk = tmi_stackwalk_from(&shard->range, (uintptr_t)frame);
    return tmi_unwind_guess(&now, &walk, shard->stack, shard->stack_room, how);
}

/* Into shard->stack, which grows if need be; how many frames of the stack are there. */
static size_t unwind_slowly(struct tmi_shard *shard, const uintptr_t *frame, unwinder *by,
                            enum tmi_unwound *how)
{
    size_t total = by(shard, frame, how);
    if (total > shard->stack_room) {
        size_t wanted = total < TMI_TREE_DEPTH_MOST ? total : TMI_TREE_DEPTH_MOST;
        if (tmi_shard_grow_stack(shard, wanted)) {
            total = by(shard, frame, how);
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
static TMI_COLD void check(struct tmi_shard *shard, const uintptr_t *frame, uint32_t node)
{
    enum tmi_unwound how;
    size_t n = unwind_slowly(shard, frame, by_libgcc, &how);
    uint32_t at = node;
    size_t i = 0;
    while (i < n && at != 0 &&
           tmi_tree_location(at) == tmi_tree_locate(shard->stack[i])) {
        at = tmi_tree_parent(at);
        i++;
    }
    tmi_add_relaxed(&counts.checked, 1);
    if ((i != n || at != 0) &&
        tmi_add_relaxed(&counts.differences, 1) < DIFFERENCES_TOLD) {
        tell_difference(shard, n, node);
    }
}

/*
 * The node of a stack found by frame pointers, if that can be believed: the record that
 * the kernel makes for a signal handler does not say where the signal came. It is known
 * by its return address, in the vDSO or in no module; code that the program wrote is like
 * it.
 */
static uint32_t intern_believed(const uintptr_t *newest_first, size_t n)
{
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    uint32_t node = 0;
    for (size_t i = n; i > 0; i--) {
        uintptr_t pc = newest_first[i - 1];
        uint32_t location = tmi_tree_locate(pc);
        if (location == 0 || tmi_location_module(location) == 0 ||
            pc - vdso < VDSO_BYTES) {
            return 0;
        }
        node = tmi_tree_child(node, location);
        if (node == 0) {
            return 0;
        }
    }
    return node;
}

/* The way of this machine; 0: it is none for this stack. */
static uint32_t capture_fast(struct tmi_shard *shard, const uintptr_t *frame)
{
    if (TMI_CAPTURE_HAS_FAST) {
        return tmi_laststack_capture(&shard->last, frame)->node;
    }
    enum tmi_unwound how;
    size_t n = unwind_slowly(shard, frame, by_fp, &how);
    return how == TMI_UNWOUND_WHOLE ? intern_believed(shard->stack, n) : 0;
}

/* As tmi_tree_intern(), of return addresses whose steps were looked for mostly. */
static uint32_t intern(const uintptr_t *newest_first, size_t n)
{
    uint32_t node = 0;
    for (size_t i = n; i > 0; i--) {
        uintptr_t pc = newest_first[i - 1];
        tmi_step step = tmi_step_known(pc);
        uint32_t location = step == 0 ? tmi_tree_locate(pc) : tmi_step_location(step);
        node = tmi_tree_child(node, location);
    }
    return n == 0 ? tmi_tree_intern(NULL, 0) : node;
}

/* A way that does without the last stack, and always finds something. */
static uint32_t capture_anyhow(struct tmi_shard *shard, const uintptr_t *frame)
{
    bool by_records = tmi_capture_chosen == TMI_CAPTURE_FP;
    enum tmi_unwound how = TMI_UNWOUND_PART;
    size_t n = 0;
    if (by_records || may_guess) {
        n = unwind_slowly(shard, frame, by_records ? by_fp : by_guess, &how);
    }
    if (how == TMI_UNWOUND_PART && !by_records) {
        n = unwind_slowly(shard, frame, by_libgcc, &how);
        tmi_add_relaxed(&counts.by_libgcc, 1);
    }
    tmi_add_relaxed(&counts.guessed, how == TMI_UNWOUND_GUESSED);
    return intern(shard->stack, n);
}

TMI_COLD uint32_t tmi_capture_slowly(struct tmi_shard *shard, const uintptr_t *frame)
{
    int saved = tmi_errno_get();
    uint32_t node = 0;
    bool checks_it = tmi_capture_chosen == TMI_CAPTURE_CHECK;
    if (checks_it || (!TMI_CAPTURE_HAS_FAST && tmi_capture_chosen == TMI_CAPTURE_FAST)) {
        node = capture_fast(shard, frame);
    }
    if (node != 0 && checks_it) {
        check(shard, frame, node);
    }
    if (node == 0) {
        node = capture_anyhow(shard, frame);
    }
    tmi_errno_set(saved);
    return node;
}

uintptr_t tmi_capture_outside(struct tmi_shard *shard, const uintptr_t *frame,
                              bool (*passes_over)(struct tmi_shard *, uintptr_t pc))
{
    bool on = TMI_CAPTURE_HAS_FAST && tmi_capture_chosen != TMI_CAPTURE_LIBGCC;
    struct tmi_state now = state_of(frame);
    for (; on && now.pc != 0; on = tmi_laststack_step(&now)) {
        if (!tmi_module_is_own(now.pc) && !passes_over(shard, now.pc)) {
            return now.pc;
        }
    }
    enum tmi_unwound how;
    bool by_records = !TMI_CAPTURE_HAS_FAST && tmi_capture_chosen != TMI_CAPTURE_LIBGCC;
    size_t n = unwind_slowly(shard, frame, by_records ? by_fp : by_libgcc, &how);
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
