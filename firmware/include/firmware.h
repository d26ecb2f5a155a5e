/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the assembly and the C of this firmware agree on.  Guests need it only for the limits and exit statuses.
 */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#define MAX_CPUS 8
#define CPU_STACK_SIZE 0x4000

/* Semihosting exit statuses of the firmware itself; main() returns a guest's own. */
#define EXIT_FATAL_EXCEPTION 100
#define EXIT_FATAL_ERROR 101

/* struct cpu_boot (smp.c) */
#define CPU_BOOT_ENTRY 0
#define CPU_BOOT_STACK 16
#define CPU_BOOT_TABLES 32

/* struct exception_frame (exceptions.h) */
#define FRAME_X 0
#define FRAME_ELR 248
#define FRAME_ESR 264
#define FRAME_VECTOR 280
#define FRAME_SIZE 288

#define VECTOR_CURRENT_SP0 0
#define VECTOR_CURRENT_SPX 4
#define VECTOR_LOWER_A64 8
#define VECTOR_LOWER_A32 12
#define VECTOR_SYNCHRONOUS 0
#define VECTOR_IRQ 1
#define VECTOR_FIQ 2
#define VECTOR_SERROR 3

/* MAIR: attribute 0 Device-nGnRE, attribute 1 Normal, write-back. */
#define MMU_MAIR 0xff04
/* TCR: T0SZ 25 (39 bits), write-back, inner shareable, 4 KiB granule, no TTBR1 walks, 40-bit physical addresses. */
#define MMU_TCR (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32)
#define SCTLR_M (1 << 0)
#define SCTLR_C (1 << 2)
#define SCTLR_I (1 << 12)

#endif
