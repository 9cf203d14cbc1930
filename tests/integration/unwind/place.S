/* SPDX-License-Identifier: MIT */
/*
 * A library's only function, PLACE(function): with another FRAME it returns to the same
 * address, from a frame of another size.
 */
        .text
        .globl  PLACE
        .type   PLACE, @function
PLACE:
        .cfi_startproc
        sub     $FRAME, %rsp
        .cfi_adjust_cfa_offset FRAME
        call    *%rdi
        add     $FRAME, %rsp
        .cfi_adjust_cfa_offset -FRAME
        ret
        .cfi_endproc
        .size   PLACE, .-PLACE
        .section .note.GNU-stack,"",@progbits
