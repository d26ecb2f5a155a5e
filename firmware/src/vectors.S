// SPDX-License-Identifier: BSD-3-Clause
//
// The EL1 vector table.  An IRQ saves what a C function may change; everything else saves all registers, because the
// handler may look at them, change them, or print them and give up.

#include "firmware.h"

        .macro vector kind, entry
        .balign 128
        sub     sp, sp, #FRAME_SIZE
        stp     x0, x1, [sp, #FRAME_X + 8 * 0]
        mov     x1, #\kind
        b       \entry
        .endm

        // For debuggers: where what was interrupted has its registers.  Its address is in ELR, not in x30, so the column of
        // the return address is the PC's (32).
        .cfi_sections .debug_frame
        .macro describe_frame
        .cfi_startproc
        .cfi_signal_frame
        .cfi_return_column 32
        .cfi_def_cfa sp, FRAME_SIZE
        .cfi_offset 32, FRAME_ELR - FRAME_SIZE
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 29, 30
        .cfi_offset \n, FRAME_X + 8 * \n - FRAME_SIZE
        .endr
        .endm

        .macro save_caller_saved
        stp     x2, x3, [sp, #FRAME_X + 8 * 2]
        stp     x4, x5, [sp, #FRAME_X + 8 * 4]
        stp     x6, x7, [sp, #FRAME_X + 8 * 6]
        stp     x8, x9, [sp, #FRAME_X + 8 * 8]
        stp     x10, x11, [sp, #FRAME_X + 8 * 10]
        stp     x12, x13, [sp, #FRAME_X + 8 * 12]
        stp     x14, x15, [sp, #FRAME_X + 8 * 14]
        stp     x16, x17, [sp, #FRAME_X + 8 * 16]
        stp     x18, x19, [sp, #FRAME_X + 8 * 18]
        stp     x29, x30, [sp, #FRAME_X + 8 * 29]
        mrs     x2, elr_el1
        mrs     x3, spsr_el1
        stp     x2, x3, [sp, #FRAME_ELR]
        .endm

        .macro restore_caller_saved_and_return
        ldp     x2, x3, [sp, #FRAME_ELR]
        msr     elr_el1, x2
        msr     spsr_el1, x3
        ldp     x29, x30, [sp, #FRAME_X + 8 * 29]
        ldp     x18, x19, [sp, #FRAME_X + 8 * 18]
        ldp     x16, x17, [sp, #FRAME_X + 8 * 16]
        ldp     x14, x15, [sp, #FRAME_X + 8 * 14]
        ldp     x12, x13, [sp, #FRAME_X + 8 * 12]
        ldp     x10, x11, [sp, #FRAME_X + 8 * 10]
        ldp     x8, x9, [sp, #FRAME_X + 8 * 8]
        ldp     x6, x7, [sp, #FRAME_X + 8 * 6]
        ldp     x4, x5, [sp, #FRAME_X + 8 * 4]
        ldp     x2, x3, [sp, #FRAME_X + 8 * 2]
        ldp     x0, x1, [sp, #FRAME_X + 8 * 0]
        add     sp, sp, #FRAME_SIZE
        eret
        .endm

        .section .text.vectors, "ax"
        .balign 2048
        .global vectors
        .type vectors, %object
vectors:
        vector  VECTOR_CURRENT_SP0 + VECTOR_SYNCHRONOUS, exception_entry
        vector  VECTOR_CURRENT_SP0 + VECTOR_IRQ, irq_entry
        vector  VECTOR_CURRENT_SP0 + VECTOR_FIQ, exception_entry
        vector  VECTOR_CURRENT_SP0 + VECTOR_SERROR, exception_entry

        vector  VECTOR_CURRENT_SPX + VECTOR_SYNCHRONOUS, exception_entry
        vector  VECTOR_CURRENT_SPX + VECTOR_IRQ, irq_entry
        vector  VECTOR_CURRENT_SPX + VECTOR_FIQ, exception_entry
        vector  VECTOR_CURRENT_SPX + VECTOR_SERROR, exception_entry

        vector  VECTOR_LOWER_A64 + VECTOR_SYNCHRONOUS, exception_entry
        vector  VECTOR_LOWER_A64 + VECTOR_IRQ, irq_entry
        vector  VECTOR_LOWER_A64 + VECTOR_FIQ, exception_entry
        vector  VECTOR_LOWER_A64 + VECTOR_SERROR, exception_entry

        vector  VECTOR_LOWER_A32 + VECTOR_SYNCHRONOUS, exception_entry
        vector  VECTOR_LOWER_A32 + VECTOR_IRQ, irq_entry
        vector  VECTOR_LOWER_A32 + VECTOR_FIQ, exception_entry
        vector  VECTOR_LOWER_A32 + VECTOR_SERROR, exception_entry
        .balign 128
        .size vectors, . - vectors

        .type irq_entry, %function
irq_entry:
        describe_frame
        save_caller_saved
        bl      irq_dispatch
        restore_caller_saved_and_return
        .cfi_endproc
        .size irq_entry, . - irq_entry

        .type exception_entry, %function
exception_entry:
        describe_frame
        save_caller_saved
        stp     x20, x21, [sp, #FRAME_X + 8 * 20]
        stp     x22, x23, [sp, #FRAME_X + 8 * 22]
        stp     x24, x25, [sp, #FRAME_X + 8 * 24]
        stp     x26, x27, [sp, #FRAME_X + 8 * 26]
        str     x28, [sp, #FRAME_X + 8 * 28]
        mrs     x2, esr_el1
        mrs     x3, far_el1
        stp     x2, x3, [sp, #FRAME_ESR]
        str     x1, [sp, #FRAME_VECTOR]
        mov     x0, sp
        bl      exception_dispatch
        ldp     x20, x21, [sp, #FRAME_X + 8 * 20]
        ldp     x22, x23, [sp, #FRAME_X + 8 * 22]
        ldp     x24, x25, [sp, #FRAME_X + 8 * 24]
        ldp     x26, x27, [sp, #FRAME_X + 8 * 26]
        ldr     x28, [sp, #FRAME_X + 8 * 28]
        restore_caller_saved_and_return
        .cfi_endproc
        .size exception_entry, . - exception_entry
