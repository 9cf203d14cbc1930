/* SPDX-License-Identifier: MIT */
/*
 * See trace/cut.h. A number is stored before the turn moves, and a thread that sees it
 * earlier leaves it alone until the turn has come as far: else it would be past a cut
 * that another thread cannot know of yet.
 */
#include "trace/cut.h"

#include "trace/tracer.h"

uint64_t tmi_cut_numbers[TMI_CUT_COUNT];

void tmi_cut_make_locked(enum tmi_cut which)
{
    uint64_t next = tmi_tracer.turn + 1;
    tmi_store_relaxed(&tmi_cut_numbers[which], next);
    tmi_store_release(&tmi_tracer.turn, next);
}

void tmi_cut_end_locked(enum tmi_cut which)
{
    tmi_store_relaxed(&tmi_cut_numbers[which], 0);
}

void tmi_cut_end_all_locked(void)
{
    for (int i = 0; i < TMI_CUT_COUNT; i++) {
        tmi_store_relaxed(&tmi_cut_numbers[i], 0);
    }
}
