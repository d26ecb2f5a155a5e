// SPDX-License-Identifier: BSD-3-Clause

#include <exceptions.h>
#include <psci.h>
#include <remote.h>

// What a CPU is to do.  AFFINITY_INFO alone does not tell when it is done: on QEMU a CPU is still OFF for a while after
// CPU_ON succeeded.
static struct {
    cpu_entry_point entry;
    void *argument;
    bool busy;
} work[MAX_CPUS];

uint64_t mpidr_of(uint32_t cpu)
{
    static struct {
        uint64_t mpidr;
        bool known;
    } cpus[MAX_CPUS];
    if (!__atomic_load_n(&cpus[cpu].known, __ATOMIC_ACQUIRE)) {
        cpus[cpu].mpidr = cpu_mpidr(cpu);
        __atomic_store_n(&cpus[cpu].known, true, __ATOMIC_RELEASE);
    }
    return cpus[cpu].mpidr;
}

static void perform(void *argument)
{
    uint32_t cpu = cpu_index();
    work[cpu].entry(work[cpu].argument);
    __atomic_store_n(&work[cpu].busy, false, __ATOMIC_RELEASE);
}

void remote_start(uint32_t cpu, cpu_entry_point entry, void *argument)
{
    work[cpu].entry = entry;
    work[cpu].argument = argument;
    __atomic_store_n(&work[cpu].busy, true, __ATOMIC_RELEASE);
    int32_t error = cpu_on(cpu, perform, NULL);
    if (error)
        fatal("CPU %u does not start: %d", cpu, error);
}

void remote_wait(uint32_t cpu)
{
    while (__atomic_load_n(&work[cpu].busy, __ATOMIC_ACQUIRE) || psci_affinity_info(mpidr_of(cpu)) != AFFINITY_OFF)
        relax();
}

void remote_run(uint32_t cpu, cpu_entry_point entry, void *argument)
{
    remote_start(cpu, entry, argument);
    remote_wait(cpu);
}
