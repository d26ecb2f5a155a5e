// SPDX-License-Identifier: BSD-3-Clause
// Litmus tests: outcomes that barriers and ordered accesses forbid never happen.

#include "../tests.h"

#define ROUNDS 60

static struct slot flags[CPUS], data[CPUS], seen[CPUS];
static volatile uint64_t wrong;

static void reset(uint32_t cpu)
{
    barrier();
    flags[cpu].value = data[cpu].value = 0;
    dsb();
    barrier();
}

// CPUs 0 and 1: each writes its flag and reads the other's.  At least one of them sees the other.
static void store_buffering(uint32_t cpu)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        reset(cpu);
        if (cpu < 2) {
            flags[cpu].value = 1;
            __asm__ volatile("dmb ish" ::: "memory");
            seen[cpu].value = flags[1 - cpu].value;
        }
        barrier();
        if (cpu == 0)
            wrong += seen[0].value == 0 && seen[1].value == 0;
    }
}

// CPU 0 writes data, then a flag; the others read the flag, then the data.
static void message_passing_barriers(uint32_t cpu)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        reset(cpu);
        if (cpu == 0) {
            data[0].value = n + 1;
            __asm__ volatile("dmb ishst" ::: "memory");
            flags[0].value = 1;
        } else if (flags[0].value) {
            __asm__ volatile("dmb ishld" ::: "memory");
            wrong += data[0].value != n + 1;
        }
    }
}

static void message_passing_ordered(uint32_t cpu)
{
    for (unsigned n = 1; n <= ROUNDS * 10; n++) {
        if (cpu == 0) {
            data[0].value = n;
            data[1].value = ~(uint64_t)n;
            __atomic_store_n(&flags[0].value, n, __ATOMIC_RELEASE);
        } else {
            uint64_t flag = __atomic_load_n(&flags[0].value, __ATOMIC_ACQUIRE);
            wrong += data[0].value < flag || ~data[1].value < flag;
        }
    }
}

// CPU 0 writes; CPU 1 sees that and says so; CPU 2 sees that and must see the write.
static void causality(uint32_t cpu)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        reset(cpu);
        if (cpu == 0)
            __atomic_store_n(&data[0].value, 1, __ATOMIC_RELEASE);
        if (cpu == 1 && __atomic_load_n(&data[0].value, __ATOMIC_ACQUIRE))
            __atomic_store_n(&flags[1].value, 1, __ATOMIC_RELEASE);
        if (cpu == 2 && __atomic_load_n(&flags[1].value, __ATOMIC_ACQUIRE))
            wrong += data[0].value != 1;
    }
}

static void check(const char *name, everywhere *function)
{
    wrong = 0;
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        flags[cpu].value = data[cpu].value = 0;
    run_everywhere(function);
    tap_equal(wrong, 0, ARM "%s", name);
}

void test_ordering(void)
{
    check("B2.3 store buffering with DMB ISH: not both miss the other's store", store_buffering);
    check("B2.3 message passing with DMB ISHST and DMB ISHLD", message_passing_barriers);
    check("B2.3 message passing with STLR and LDAR", message_passing_ordered);
    check("B2.3 write to read causality with STLR and LDAR", causality);
}
