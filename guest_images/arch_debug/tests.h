/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_H
#define TESTS_H

#include <system.h>
#include <tap.h>
#include <trap.h>

/* Arm ARM D19.3.20, MDSCR_EL1. */
#define MDSCR_SS (1ul << 0)   /* software step */
#define MDSCR_KDE (1ul << 13) /* debug exceptions from EL1 to EL1 */
#define MDSCR_MDE (1ul << 15) /* breakpoints and watchpoints */

/* Arm ARM D19.2.37, ESR_EL1. */
#define EC_BREAKPOINT_LOWER 0x30u
#define EC_STEP_LOWER 0x32u
#define ISS 0x1ffffffu
#define DEBUG_EXCEPTION 0x22u

#define SPSR_D (1ul << 9)
#define SPSR_SS (1ul << 21)

/* Where probes run: debug exceptions from EL1 are taken only where PSTATE.D allows them. */
#define AT_EL1 (TRAP_EL1H | (SPSR_DAIF & ~SPSR_D))
#define AT_EL1_MASKED (TRAP_EL1H | SPSR_DAIF)
#define AT_EL0 (TRAP_EL0 | SPSR_DAIF)

/* Runs a probe with MDSCR_EL1 as given; x0 is 0. */
const struct exception_frame *debug_run(trap_probe *probe, uint64_t spsr, uint64_t mdscr);

/* Four times `add x0, x0, #1`: x0 tells how many of them were executed. */
trap_probe probe_count;

void test_breakpoints(void);
void test_steps(void);

#endif
