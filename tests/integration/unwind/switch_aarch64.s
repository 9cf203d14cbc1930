# SPDX-License-Identifier: MIT
# What switch.s has of functions that every processor can have: see there.
        .text

# through_rbp(function): has something else in x29 meanwhile.
        .globl  through_rbp
        .type   through_rbp, %function
through_rbp:
        .cfi_startproc
        stp     x29, x30, [sp, -16]!
        .cfi_def_cfa_offset 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8
        mov     x29, 7
        blr     x0
        ldp     x29, x30, [sp], 16
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   through_rbp, .-through_rbp

# call_on_stack(function, top): the caller is found through x29.
        .globl  call_on_stack
        .type   call_on_stack, %function
call_on_stack:
        .cfi_startproc
        stp     x29, x30, [sp, -16]!
        .cfi_def_cfa_offset 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8
        mov     x29, sp
        .cfi_def_cfa_register x29
        mov     sp, x1
        blr     x0
        mov     sp, x29
        .cfi_def_cfa_register sp
        ldp     x29, x30, [sp], 16
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   call_on_stack, .-call_on_stack

        .section .note.GNU-stack,"",%progbits
