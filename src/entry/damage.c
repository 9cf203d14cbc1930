/* SPDX-License-Identifier: MIT */
/*
 * See entry/damage.h. Everything is written with the report's own writer: no allocation,
 * no symbols, only modules and offsets of the calls, as `addr2line -e MODULE OFFSET`
 * takes them. For a pointer of which nothing is known the nearest live block below is
 * looked for: either the pointer lies inside it, or it is the neighbour that ran over.
 * Where neither can be, and mimalloc does not know the address, it is none of ours.
 */
#include "entry/damage.h"

#include <stdlib.h>

#include "base/option.h"
#include "base/report.h"
#include "trace/module.h"
#include "trace/tracer.h"
#include "trace/tree.h"
#include "trace/unwind.h"

#define SEARCH_BYTES ((size_t)1 << 20)
#define FRAMES_SHOWN 32

/* A block whose end is further away is no suspect. */
#define NEIGHBOUR_BYTES 4096

static void report_frame(uintptr_t pc)
{
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    uint32_t id = tmi_module_find(pc - 1);
    tmi_put_text(&w, "    ");
    if (id != 0) {
        const struct tmi_module_record *m = tmi_module_get(id);
        tmi_put_text(&w, m->path);
        tmi_put_char(&w, '+');
        tmi_put_hex(&w, pc - 1 - m->map_start);
    } else {
        tmi_put_hex(&w, pc - 1);
    }
    tmi_report(&w);
}

/* The id of a header that nothing vouches for may be anything. */
static bool is_site(uint32_t site)
{
    return site != 0 && tmi_tracer_is_live(site) && site <= tmi_tracer_site_count() &&
           !tmi_tracer_site_of_id(site).is_rest;
}

static void report_allocation(const char *words, uint32_t site)
{
    if (!is_site(site)) {
        tmi_report_text("  where it was allocated is not known: it was not traced", NULL,
                        NULL);
        return;
    }
    tmi_report_text(words, NULL, NULL);
    uint32_t node = tmi_tracer_site_of_id(site).node;
    for (int i = 0; node != 0 && i < FRAMES_SHOWN; i++) {
        report_frame(tmi_location_address(tmi_tree_location(node)));
        node = tmi_tree_parent(node);
    }
}

static void report_here(void)
{
    uintptr_t frames[FRAMES_SHOWN];
    size_t n = tmi_unwind_libgcc(frames, FRAMES_SHOWN);
    tmi_report_text("  this call (most recent call first):", NULL, NULL);
    for (size_t i = 0; i < n && i < FRAMES_SHOWN; i++) {
        report_frame(frames[i]);
    }
}

/* What lies around a pointer that has no header of ours before it. */
struct surroundings {
    const char *below;          /* the live block that begins next below, or NULL */
    enum tmi_block_state state; /* of that block */
    size_t distance;            /* from there to the pointer */
    bool is_inside;             /* the pointer lies in that block */
    bool is_ours;               /* it lies in memory of mimalloc's */
};

static struct surroundings look_around(const void *p)
{
    struct surroundings around = {.is_ours = tmi_backend_owns(p)};
    around.below = tmi_block_search_below(p, SEARCH_BYTES, &around.state);
    if (around.below != NULL) {
        around.distance = (size_t)((const char *)p - around.below);
        size_t usable = tmi_block_usable(around.below, around.state);
        around.is_inside = around.distance < usable;
        around.is_ours |= around.is_inside;
        if (around.distance > usable + NEIGHBOUR_BYTES || !around.is_ours) {
            around.below = NULL;
        }
    }
    return around;
}

static const char *headline(enum tmi_block_state state, const struct surroundings *around)
{
    if (state == TMI_BLOCK_FREED) {
        return ": double free: the block was freed already";
    }
    if (!around->is_ours) {
        return ": the pointer does not come from malloc";
    }
    if (around->is_inside) {
        return ": the pointer is not the start of a block";
    }
    return ": the header before the block was overwritten, or no block begins there";
}

static void report_below(const struct surroundings *around)
{
    const struct tmi_block *block = tmi_block_of(around->below);
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    if (around->is_inside) {
        tmi_put_text(&w, "  it points ");
        tmi_put_u64(&w, around->distance);
        tmi_put_text(&w, " bytes into the block of ");
    } else {
        tmi_put_text(&w, "  somebody may have written past the end of the block of ");
    }
    tmi_put_u64(&w, tmi_block_size(block));
    tmi_put_text(&w, " bytes at ");
    tmi_put_hex(&w, (uintptr_t)around->below);
    tmi_report(&w);
    report_allocation("  which was allocated at (most recent call first):",
                      tmi_block_trace(around->below, around->state));
}

static void report_headline(const char *function, const void *p, const char *words)
{
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    tmi_put_text(&w, function);
    tmi_put_char(&w, '(');
    tmi_put_hex(&w, (uintptr_t)p);
    tmi_put_char(&w, ')');
    tmi_put_text(&w, words);
    tmi_report(&w);
}

static void report_surroundings(const void *p, const struct surroundings *around)
{
    if (around->below != NULL) {
        report_below(around);
    }
    bool may_be_damaged = around->is_ours && !around->is_inside &&
                          tmi_is_aligned(p, TMI_BLOCK_ALIGN) &&
                          tmi_backend_owns(tmi_block_of(p));
    uint32_t site = may_be_damaged ? tmi_block_guess_trace(p) : 0;
    if (is_site(site)) {
        report_allocation("  if the header's id survived, the block itself was allocated "
                          "at (most recent call first):",
                          site);
    }
}

TMI_COLD void tmi_damage_report(const char *function, const void *p,
                                enum tmi_block_state state)
{
    struct tmi_shard *entered = tmi_guard_enter();
    struct surroundings around = {.is_ours = true};
    if (state != TMI_BLOCK_FREED) {
        around = look_around(p);
    }
    report_headline(function, p, headline(state, &around));
    if (state == TMI_BLOCK_FREED) {
        report_allocation("  it was allocated at (most recent call first):",
                          tmi_block_trace(p, state));
    } else {
        report_surroundings(p, &around);
    }
    report_here();
    tmi_guard_leave(entered);
    if (tmi_option_number(TMI_OPTION_ON_ERROR) == 0) {
        abort();
    }
}
