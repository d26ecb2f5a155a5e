/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_H
#define TESTS_H

#include <gic.h>
#include <remote.h>
#include <stddef.h>
#include <stdint.h>
#include <system.h>
#include <tap.h>
#include <trap.h>

#define ARM "Arm ARM "
#define CPUS 4

/* Each file's checks. */
void test_exclusives(void);
void test_counters(void);
void test_locks(void);
void test_ordering(void);
void test_events(void);
void test_sgis(void);

/* Runs a function on all CPUs at once; back when all have finished. */
typedef void everywhere(uint32_t cpu);
void run_everywhere(everywhere *function);

#define SGI_BARRIER 14u

/* Waits, in WFI, until all CPUs are here. */
void barrier(void);

/* Private and in its own cache line. */
struct slot {
    volatile uint64_t value;
} __attribute__((aligned(64)));

#endif
