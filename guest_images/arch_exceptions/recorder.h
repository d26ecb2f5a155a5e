/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RECORDER_H
#define RECORDER_H

#include "tests.h"

/* The CPU at the first instruction of a vector. */
struct recorded {
    uint64_t vector;
    uint64_t current_el;
    uint64_t daif;
    uint64_t spsel;
    uint64_t sp;
    uint64_t elr;
    uint64_t spsr;
    uint64_t esr;
};

/* Runs a probe until the first exception of any kind. */
const struct recorded *record_run(trap_probe *probe, uint64_t spsr);

/* That the exception came to this vector, and all that D1.3.2 promises of PSTATE there. */
void expect_entry(const struct recorded *is, unsigned vector);

#endif
