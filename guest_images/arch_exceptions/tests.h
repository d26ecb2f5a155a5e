/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_H
#define TESTS_H

#include <stdint.h>
#include <system.h>
#include <tap.h>
#include <trap.h>

#define ARM "Arm ARM "
#define WHOLE_ISS 0x1ffffffu

/* Each file's checks. */
void test_synchronous(void);
void test_controls(void);
void test_entry(void);
void test_interrupts(void);
void test_process_state(void);

/* ESR.ISS of a trapped MRS, MSR or system instruction (EC 0x18); `read` for MRS. */
static inline uint32_t system_iss(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm, uint32_t op2, uint32_t rt,
                                  bool read)
{
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | read;
}

/* What every exception frame must show. */
static inline void expect_exception(const struct exception_frame *frame, unsigned vector, unsigned class, uint32_t iss,
                                    uint64_t elr, uint64_t spsr)
{
    tap_expect("vector", frame->vector, vector);
    tap_expect("ESR.EC", exception_class(frame), class);
    tap_expect("ESR.IL", frame->esr >> 25 & 1, 1);
    tap_expect("ESR.ISS", frame->esr & WHOLE_ISS, iss);
    tap_expect("ELR", frame->elr, elr);
    tap_expect("SPSR", frame->spsr & ~SPSR_BTYPE, spsr);
}

#endif
