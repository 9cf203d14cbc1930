/* SPDX-License-Identifier: MIT */
/*
 * See entry/damage.h. Everything is written with the report's own writer: no allocation,
 * no symbols, only modules and offsets, as `addr2line -e MODULE OFFSET` takes them. For a
 * pointer of which nothing is known the nearest live block below is looked for: either
 * the pointer lies inside it, or it is the neighbour that ran over.
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
        tmi_put_hex(&w, pc - m->map_start);
    } else {
        tmi_put_hex(&w, pc);
    }
    tmi_report(&w);
}

static void report_allocation(uint32_t site)
{
    if (site == 0 || !tmi_tracer_is_live(site)) {
        tmi_report_text("  it was not traced: where it was allocated is not known", NULL,
                        NULL);
        return;
    }
    tmi_report_text("  allocated at (most recent call first):", NULL, NULL);
    uint32_t node = tmi_tracer_site_node(site);
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

static void report_neighbour(const void *p)
{
    enum tmi_block_state state;
    const char *below = tmi_block_search_below(p, SEARCH_BYTES, &state);
    if (below == NULL) {
        return;
    }
    const struct tmi_block *block = tmi_block_of(below);
    size_t size = tmi_block_size(block);
    size_t distance = (size_t)((const char *)p - below);
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    if (distance < size) {
        tmi_put_text(&w, "  it points ");
        tmi_put_u64(&w, distance);
        tmi_put_text(&w, " bytes into a block of ");
    } else {
        tmi_put_text(&w,
                     "  a write past its end may have come from the block below it, of ");
    }
    tmi_put_u64(&w, size);
    tmi_put_text(&w, " bytes at ");
    tmi_put_hex(&w, (uintptr_t)below);
    tmi_report(&w);
    report_allocation(block->trace);
}

static const char *headline(const void *p, enum tmi_block_state state)
{
    if (state == TMI_BLOCK_FREED) {
        return ": the block was freed already";
    }
    if (!tmi_backend_owns(p)) {
        return ": the pointer does not come from malloc";
    }
    return ": not the start of a block, or its header was overwritten";
}

TMI_COLD void tmi_damage_report(const char *function, const void *p,
                                enum tmi_block_state state)
{
    struct tmi_shard *entered = tmi_guard_enter();
    char room[TMI_REPORT_BYTES];
    struct tmi_writer w = tmi_report_on(room);
    tmi_put_text(&w, function);
    tmi_put_char(&w, '(');
    tmi_put_hex(&w, (uintptr_t)p);
    tmi_put_char(&w, ')');
    tmi_put_text(&w, headline(p, state));
    tmi_report(&w);
    if (state == TMI_BLOCK_FREED) {
        report_allocation(tmi_block_of(p)->trace);
    } else if (tmi_backend_owns(p)) {
        report_neighbour(p);
    }
    report_here();
    tmi_guard_leave(entered);
    if (tmi_option_number(TMI_OPTION_ON_ERROR) == 0) {
        abort();
    }
}
