/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>

/* What to do; whoever starts the guest may write other numbers here before it runs. */
struct fuzz_parameters {
    uint64_t seed;
    uint64_t count;
};
extern volatile struct fuzz_parameters fuzz_parameters;

/* What came of it, to be read there after the run: how many calls succeeded, of how many kinds, and all that came back. */
struct fuzz_results {
    uint64_t succeeded;
    uint64_t kinds;
    uint64_t digest;
};
extern volatile struct fuzz_results fuzz_results;

/* Numbers that depend on the seed alone. */
uint64_t random64(void);
uint64_t random_below(uint64_t limit);

/* Calls: hvc #0x6000 + number; or hvc #0, smc #0 with the function id in x0.  x0..x7 go in and come out. */
#define CALL_NUMBERS 0x80
enum conduit { NATIVE, SMCCC_HVC, SMCCC_SMC };
void make_call(enum conduit conduit, uint32_t number, uint64_t x[8]);

/* The ids that arguments are taken from; the type of the object that a call with this number has created. */
void pool_open(void);
char pool_add(uint32_t number, uint64_t id);

/* Registers for a call; for one that brings the object `id` to life, with no surprises. */
void choose_arguments(uint32_t number, uint64_t x[8]);
void remember_arguments(uint32_t number, const uint64_t x[8]); /* of a call that succeeded */
void choose_arguments_for(uint32_t number, char type, uint64_t id, uint64_t x[8]);

#endif
