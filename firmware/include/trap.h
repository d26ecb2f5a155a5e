/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a few instructions at EL1 or EL0 and tells what exception they ended in. */
#ifndef TRAP_H
#define TRAP_H

#include <exceptions.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A probe has x0..x3 from the caller and may change any register but x29, x30 and the stack pointers.  It ends in the
 * first exception, at the latest in the SVC behind its instructions.
 */
typedef void trap_probe(uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3);
#define TRAP_PROBE(name, instructions)                                                                     \
    __attribute__((naked, section(".text.probes"))) static void name(uint64_t x0, uint64_t x1, uint64_t x2, \
                                                                     uint64_t x3)                          \
    {                                                                                                      \
        __asm__ volatile(instructions "\n\tsvc #0xfade");                                                  \
    }
#define TRAP_END 0xfade

/* SPSR.M of where a probe runs. */
#define TRAP_EL0 0x0
#define TRAP_EL1T 0x4
#define TRAP_EL1H 0x5
#define SPSR_DAIF 0x3c0
#define SPSR_NZCV 0xf0000000
#define SPSR_BTYPE 0xc00ul /* set by a branch through a register, where FEAT_BTI is implemented */

/* Takes over the firmware's exception handler. */
void trap_init(void);

/*
 * Runs a probe in the state of `spsr` and returns the frame of the exception that ended it: this CPU's own, until its
 * next one.  x0..x3 are taken from `arguments`.
 */
const struct exception_frame *trap_run(trap_probe *probe, uint64_t spsr, const uint64_t arguments[4]);

/* With DAIF masked. */
const struct exception_frame *trap_at_el1(trap_probe *probe, uint64_t x0, uint64_t x1);
const struct exception_frame *trap_at_el0(trap_probe *probe, uint64_t x0, uint64_t x1);

/* Whether the instructions ran to their end. */
bool trap_none(const struct exception_frame *frame);

#endif
