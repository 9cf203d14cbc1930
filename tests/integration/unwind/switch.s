# SPDX-License-Identifier: MIT
# Stacks switched by hand, and functions without unwind tables.
        .text

# call_on_stack(function, top): call it with rsp = top. The caller is found through rbp.
        .globl  call_on_stack
        .type   call_on_stack, @function
call_on_stack:
        .cfi_startproc
        push    %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        mov     %rsp, %rbp
        .cfi_def_cfa_register rbp
        mov     %rsi, %rsp
        call    *%rdi
        leave
        .cfi_def_cfa rsp, 8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   call_on_stack, .-call_on_stack

# call_from_nowhere(function, top, bottom): jump to it on a stack that has one word, the
# address `bottom` that it believes to return to. Where it does return to stands above.
        .globl  call_from_nowhere
        .type   call_from_nowhere, @function
call_from_nowhere:
        .cfi_startproc
        push    %rbx
        .cfi_def_cfa_offset 16
        .cfi_offset rbx, -16
        mov     %rsp, %rbx
        .cfi_def_cfa_register rbx
        lea     -64(%rsi), %rsp
        mov     %rdx, (%rsp)
        call    enter_nowhere
        mov     %rbx, %rsp
        .cfi_def_cfa_register rsp
        pop     %rbx
        .cfi_def_cfa_offset 8
        .cfi_restore rbx
        ret
        .cfi_endproc
        .size   call_from_nowhere, .-call_from_nowhere

# Its own return address is not in its table: it says that the caller's is one word up.
        .globl  enter_nowhere
        .type   enter_nowhere, @function
enter_nowhere:
        .cfi_startproc
        .cfi_def_cfa_offset 16
        sub     $8, %rsp
        .cfi_def_cfa_offset 24
        call    *%rdi
        add     $8, %rsp
        .cfi_def_cfa_offset 16
        ret
        .cfi_endproc
        .size   enter_nowhere, .-enter_nowhere

# A place to return to where stacks end.
        .cfi_startproc
        .cfi_undefined rip
        nop
        .globl  end_of_stack
        .type   end_of_stack, @function
end_of_stack:
        nop
        hlt
        .cfi_endproc
        .size   end_of_stack, .-end_of_stack

# through_rbp(function): a frame by rsp that saves rbp.
        .globl  through_rbp
        .type   through_rbp, @function
through_rbp:
        .cfi_startproc
        push    %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        mov     $7, %ebp
        call    *%rdi
        pop     %rbp
        .cfi_def_cfa_offset 8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   through_rbp, .-through_rbp

# No tables, with a frame pointer, with the second argument in rbp, and without.
        .globl  bare_with_rbp
        .type   bare_with_rbp, @function
bare_with_rbp:
        push    %rbp
        mov     %rsp, %rbp
        call    *%rdi
        pop     %rbp
        ret
        .size   bare_with_rbp, .-bare_with_rbp

        .globl  bare_with
        .type   bare_with, @function
bare_with:
        push    %rbp
        mov     %rsi, %rbp
        call    *%rdi
        pop     %rbp
        ret
        .size   bare_with, .-bare_with

        .globl  bare
        .type   bare, @function
bare:
        sub     $40, %rsp
        call    *%rdi
        add     $40, %rsp
        ret
        .size   bare, .-bare

        .section .note.GNU-stack,"",@progbits
