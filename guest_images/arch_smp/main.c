// SPDX-License-Identifier: BSD-3-Clause
// Four CPUs on one memory: exclusives, atomics, locks, ordering, events and SGIs, with exact counts.

#include "tests.h"

#include <mmu.h>

extern char __text_start[], __text_end[];

static everywhere *current;
static uint32_t arrived, generation; // atomic

// Takes the SGI of a barrier, and nothing else: that would be missing in somebody's count.
static void drain(void)
{
    while (read_sysreg(icc_hppir1_el1) == SGI_BARRIER) {
        write_sysreg(icc_eoir1_el1, read_sysreg(icc_iar1_el1));
        isb();
    }
}

static void on_barrier(uint32_t intid, void *argument)
{
}

void barrier(void)
{
    uint32_t mine = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == CPUS) {
        arrived = 0;
        __atomic_store_n(&generation, mine + 1, __ATOMIC_RELEASE);
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            if (cpu != cpu_index())
                gic_send_sgi(SGI_BARRIER, mpidr_of(cpu));
        return;
    }
    while (__atomic_load_n(&generation, __ATOMIC_ACQUIRE) == mine) {
        wfi();
        drain();
    }
}

static void secondary(void *argument)
{
    gic_init_cpu();
    gic_enable_private(SGI_BARRIER, GIC_PRIORITY_DEFAULT);
    barrier();
    current(cpu_index());
}

void run_everywhere(everywhere *function)
{
    current = function;
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        remote_start(cpu, secondary, NULL);
    barrier();
    function(0);
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        remote_wait(cpu);
}

int main(void)
{
    mmu_enable();
    mmu_map((uintptr_t)__text_start, (uintptr_t)__text_end, MMU_USER_CODE);
    trap_init();
    gic_init();
    gic_init_cpu();
    gic_enable_private(SGI_BARRIER, GIC_PRIORITY_DEFAULT);
    irq_set_handler(SGI_BARRIER, on_barrier, NULL); // one that came late
    test_exclusives();
    test_counters();
    test_locks();
    test_ordering();
    test_events();
    test_sgis();
    tap_finish("arch_smp");
}
