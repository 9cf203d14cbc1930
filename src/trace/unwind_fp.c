/* SPDX-License-Identifier: MIT */
/*
 * The stack by frame pointers: a chain of records, each with the address of the next one
 * and a return address.
 *
 *     fp -> | next fp | return address |   ...   -> | next fp | return address |  -> 0
 *
 * Nothing says that a register holds a frame pointer: code compiled without them puts
 * there what it likes. So a record is looked at only if it is aligned, further out than
 * the last one, and in memory that may be read (trace/stackrange.h); what follows one
 * that is not is lost. The chain of code that has frame pointers all the way ends with 0,
 * as the ABIs want it: then, and only then, it is complete. Functions that make no record
 * are passed over unseen.
 */
#include "trace/stackrange.h"
#include "trace/unwind.h"

#include "trace/module.h"

#if defined(__aarch64__)
/* Return addresses may be signed (PAC); `xpaclri`, a hint to older ones, unsigns x30. */
static uintptr_t plain_address(uintptr_t pc)
{
    register uintptr_t lr __asm__("x30") = pc;
    __asm__("hint #7" : "+r"(lr));
    return lr;
}
#else
static uintptr_t plain_address(uintptr_t pc)
{
    return pc;
}
#endif

size_t tmi_unwind_fp(uintptr_t pc, uintptr_t fp, struct tmi_stackwalk *walk,
                     uintptr_t *frames, size_t room, bool *complete)
{
    size_t total = 0;
    bool inside = true; /* still in tmalloc's own frames */
    uintptr_t last = walk->low - 1;
    for (;;) {
        pc = plain_address(pc);
        inside = inside && tmi_module_is_own(pc);
        if (!inside && pc != 0) {
            if (total < room) {
                frames[total] = pc;
            }
            total++;
        }
        *complete = fp == 0;
        if (pc == 0 || fp % sizeof(uintptr_t) != 0 || fp <= last ||
            !tmi_stackwalk_may_read(walk, fp)) {
            return total;
        }
        last = fp;
        pc = ((const uintptr_t *)fp)[1];
        fp = ((const uintptr_t *)fp)[0];
    }
}
