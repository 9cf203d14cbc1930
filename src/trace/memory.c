/* SPDX-License-Identifier: MIT */
/* See trace/memory.h. */
#include "trace/memory.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/report.h"
#include "base/sys.h"

static size_t mapped_bytes; /* atomic */

static uint32_t told; /* atomic */

static void *map(size_t bytes)
{
    void *p = tmi_sys_map(bytes);
    if (TMI_UNLIKELY(p == NULL) && tmi_exchange_acquire(&told, 1) == 0) {
        tmi_report_text("no memory for tracing: some blocks are not traced, or only part "
                        "of their stacks is known",
                        NULL, NULL);
    }
    return p;
}

void *tmi_memory_map(size_t bytes)
{
    void *p = map(bytes);
    if (p != NULL) {
        tmi_add_relaxed(&mapped_bytes, tmi_align_up(bytes, tmi_sys_page_bytes()));
    }
    return p;
}

void tmi_memory_unmap(void *p, size_t bytes)
{
    tmi_sys_unmap(p, bytes);
    tmi_add_relaxed(&mapped_bytes, -tmi_align_up(bytes, tmi_sys_page_bytes()));
}

void *tmi_memory_reserve(size_t bytes)
{
    return map(bytes);
}

void tmi_memory_charge(size_t bytes)
{
    tmi_add_relaxed(&mapped_bytes, bytes);
}

void tmi_memory_discard(void *p, size_t bytes)
{
    size_t page = tmi_sys_page_bytes();
    uintptr_t from = tmi_align_up((uintptr_t)p, page);
    uintptr_t to = ((uintptr_t)p + bytes) & ~(uintptr_t)(page - 1);
    if (from < to) {
        tmi_sys_discard((void *)from, to - from);
        tmi_add_relaxed(&mapped_bytes, -(to - from));
    }
}

size_t tmi_memory_bytes(void)
{
    return tmi_load_relaxed(&mapped_bytes);
}
