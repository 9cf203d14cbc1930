/* SPDX-License-Identifier: MIT */
/*
 * Does a call instruction end here? That is what tells a return address from any other
 * number that happens to lie in code. x86-64: the bytes before it, in the forms that a
 * call has.
 *
 *     e8 disp32                        call f
 *     ff /2 [sib] [disp8 or disp32]    call *%rax, call *8(%rbx,%rcx,4), call *f(%rip)
 *
 * Instructions have no fixed length, so bytes that look like a call may be the end of
 * another one: "yes" is likely, "no" is certain. Pure.
 */
#ifndef TMI_CALLSITE_H
#define TMI_CALLSITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many bytes as a call may have without its prefixes. */
#define TMI_CALLSITE_MOST 7

/* `end` is behind `bytes` bytes of code. */
bool tmi_callsite_ends_at(const uint8_t *end, size_t bytes);

#endif
