/* SPDX-License-Identifier: MIT */
/*
 * The beginning. The first allocation of a process comes from the dynamic loader, long
 * before any constructor; the environment is there a little later. So the tracer begins
 * in TMI_MODE_BOOT, which sends each allocation here, until one finds the environment.
 */
#ifndef TMI_INIT_H
#define TMI_INIT_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "trace/tracer.h"

void tmi_init_try(void);

/* Before each allocation that finds tracing not off: costs a load once that is done. */
TMI_INLINE void tmi_init_at_first_use(void)
{
    if (TMI_UNLIKELY(tmi_load_relaxed(&tmi_tracer.mode) == TMI_MODE_BOOT)) {
        tmi_init_try();
    }
}

#endif
