// SPDX-License-Identifier: BSD-3-Clause

#include <exceptions.h>
#include <psci.h>
#include <remote.h>

void remote_start(uint32_t cpu, cpu_entry_point entry, void *argument)
{
    int32_t error = cpu_on(cpu, entry, argument);
    if (error)
        fatal("CPU %u does not start: %d", cpu, error);
}

void remote_wait(uint32_t cpu)
{
    while (psci_affinity_info(cpu_mpidr(cpu)) != AFFINITY_OFF)
        __asm__ volatile("yield");
}

void remote_run(uint32_t cpu, cpu_entry_point entry, void *argument)
{
    remote_start(cpu, entry, argument);
    remote_wait(cpu);
}
