// SPDX-License-Identifier: BSD-3-Clause
// WFE and SEV.  A WFE may end for any reason, so what is checked is that nobody waits for ever.

#include "../tests.h"

static volatile uint32_t released;
static struct slot woken[CPUS];
static uint64_t monitored __attribute__((aligned(64)));

static void wait_for_event(uint32_t cpu)
{
    if (cpu == 0) {
        for (volatile unsigned n = 0; n < 1000; n++)
            ;
        released = 1;
        __asm__ volatile("dsb ish\n\tsev" ::: "memory");
        return;
    }
    while (!released)
        __asm__ volatile("wfe" ::: "memory");
    woken[cpu].value++;
}

// Clearing the monitor that LDAXR set is an event, too.
static void wait_for_store(uint32_t cpu)
{
    if (cpu == 0) {
        for (volatile unsigned n = 0; n < 1000; n++)
            ;
        __atomic_store_n(&monitored, 1, __ATOMIC_RELEASE);
        return;
    }
    uint64_t value;
    do {
        __asm__ volatile("ldaxr %0, [%1]\n\tcbnz %0, 0f\n\twfe\n0:" : "=&r"(value) : "r"(&monitored) : "memory");
    } while (!value);
    woken[cpu].value++;
}

static void check(const char *name, everywhere *function)
{
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        woken[cpu].value = 0;
    run_everywhere(function);
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        tap_expect("woken", woken[cpu].value, 1);
    tap_report(ARM "%s", name);
}

void test_events(void)
{
    __asm__ volatile("sevl\n\twfe" ::: "memory");
    tap_true(true, ARM "D1.6.1 WFE after SEVL does not wait");
    check("D1.6.1 SEV ends the WFE of all CPUs", wait_for_event);
    check("D1.6.1 a store to what LDAXR monitors ends the WFE", wait_for_store);
}
