/* SPDX-License-Identifier: MIT */
/*
 * The stack by libgcc's unwinder: right for everything that has unwind tables, at about a
 * tenth of a microsecond a frame. It finds the tables through _dl_find_object and takes
 * no loader lock. It keeps no state. The copy of it is our own (Makefile.am), in which no
 * JIT registers tables, and only to sort such ones would it allocate.
 */
#include <stdbool.h>
#include <unwind.h>

#include "trace/module.h"
#include "trace/unwind.h"

struct walk {
    uintptr_t *frames;
    size_t room;
    size_t total;
    bool inside; /* still in tmalloc's own frames */
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    int interrupted = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &interrupted);
    if (pc == 0) {
        return _URC_NO_REASON;
    }
    pc += interrupted != 0;
    if (walk->inside && tmi_module_is_own(pc)) {
        return _URC_NO_REASON;
    }
    walk->inside = false;
    if (walk->total < walk->room) {
        walk->frames[walk->total] = pc;
    }
    walk->total++;
    return _URC_NO_REASON;
}

size_t tmi_unwind_libgcc(uintptr_t *frames, size_t room)
{
    struct walk walk = {frames, room, 0, true};
    _Unwind_Backtrace(step, &walk);
    return walk.total;
}
