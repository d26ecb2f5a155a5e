// SPDX-License-Identifier: BSD-3-Clause
//
// The first instructions of a CPU.  Entry state: EL1, MMU and caches off, interrupts masked; x0 is the address of the
// device tree on the first CPU, and the context that PSCI CPU_ON was given on every other.

#include "firmware.h"

        .section .text.start, "ax"
        .global _start
        .type _start, %function
_start:
        msr     daifset, #15
        adrp    x1, __bss_start
        add     x1, x1, :lo12:__bss_start
        adrp    x2, __bss_end
        add     x2, x2, :lo12:__bss_end
0:      cmp     x1, x2
        b.hs    1f
        stp     xzr, xzr, [x1], #16
        b       0b
1:      adrp    x1, cpu_stacks + CPU_STACK_SIZE
        add     x1, x1, :lo12:cpu_stacks + CPU_STACK_SIZE
        mov     sp, x1
        msr     tpidr_el1, xzr
        bl      set_vectors
        bl      firmware_start          // (device tree); does not return
        brk     #0
        .size _start, . - _start

// x0: struct cpu_boot of this CPU.  Whoever started us cleaned it to memory, so it can be read with the MMU still off.
        .global cpu_entry
        .type cpu_entry, %function
cpu_entry:
        msr     daifset, #15
        ldp     x19, x20, [x0, #CPU_BOOT_ENTRY]         // entry, argument
        ldp     x1, x2, [x0, #CPU_BOOT_STACK]           // stack, index
        ldr     x0, [x0, #CPU_BOOT_TABLES]
        mov     sp, x1
        msr     tpidr_el1, x2
        bl      set_vectors
        cbz     x0, 0f
        bl      mmu_switch_on
0:      mov     x0, x20
        blr     x19
        bl      cpu_finished                            // does not return
        brk     #0
        .size cpu_entry, . - cpu_entry

        .type set_vectors, %function
set_vectors:
        adrp    x9, vectors
        add     x9, x9, :lo12:vectors
        msr     vbar_el1, x9
        isb
        ret
        .size set_vectors, . - set_vectors

// x0: level 1 translation table of a 39-bit address space.
        .global mmu_switch_on
        .type mmu_switch_on, %function
mmu_switch_on:
        ldr     x9, =MMU_MAIR
        msr     mair_el1, x9
        ldr     x9, =MMU_TCR
        msr     tcr_el1, x9
        msr     ttbr0_el1, x0
        dsb     ish
        isb
        tlbi    vmalle1
        ic      iallu
        dsb     nsh
        isb
        mrs     x9, sctlr_el1
        mov     x10, #SCTLR_M | SCTLR_C
        orr     x9, x9, x10
        mov     x10, #SCTLR_I
        orr     x9, x9, x10
        msr     sctlr_el1, x9
        isb
        ret
        .size mmu_switch_on, . - mmu_switch_on
        .ltorg

        .section .stacks, "aw", %nobits
        .balign 16
        .global cpu_stacks
        .type cpu_stacks, %object
cpu_stacks:
        .skip   CPU_STACK_SIZE * MAX_CPUS
        .size cpu_stacks, . - cpu_stacks
