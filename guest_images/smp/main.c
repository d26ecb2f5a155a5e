// SPDX-License-Identifier: BSD-3-Clause
// Four CPUs of one VM: started by CPU_ON, they count together under a spinlock, answer an SGI with an SGI, and turn
// themselves off.

#include <gic.h>
#include <mmu.h>
#include <psci.h>
#include <smp.h>
#include <stdio.h>

#define CPUS 4
#define ADDITIONS 1000
#define SGI_PING 1
#define SGI_PONG 2

static struct spinlock lock;
static uint64_t total;                // under the lock
static volatile uint32_t pings[CPUS]; // each written by its own CPU
static volatile uint32_t pongs;       // written by CPU 0
static uint32_t ready;                // atomic

static void add_together(void)
{
    for (uint32_t n = 0; n < ADDITIONS; n++) {
        spin_lock(&lock);
        total++;
        spin_unlock(&lock);
    }
}

static void on_ping(uint32_t intid, void *argument)
{
    pings[cpu_index()]++;
    gic_send_sgi(SGI_PONG, cpu_mpidr(0));
}

static void on_pong(uint32_t intid, void *argument)
{
    pongs++;
}

static void secondary(void *argument)
{
    gic_init_cpu();
    gic_enable_private(SGI_PING, GIC_PRIORITY_DEFAULT);
    add_together();
    __atomic_fetch_add(&ready, 1, __ATOMIC_RELEASE);
    wait_until(pings[cpu_index()]);
}

int main(void)
{
    mmu_enable();
    gic_init();
    gic_init_cpu();
    irq_set_handler(SGI_PING, on_ping, NULL);
    irq_set_handler(SGI_PONG, on_pong, NULL);
    gic_enable_private(SGI_PONG, GIC_PRIORITY_DEFAULT);
    printf("%u CPUs\n", cpu_count());

    for (uint32_t cpu = 1; cpu < CPUS; cpu++) {
        int32_t before = psci_affinity_info(cpu_mpidr(cpu));
        printf("CPU %u: AFFINITY_INFO %d, CPU_ON %d\n", cpu, before, cpu_on(cpu, secondary, NULL));
    }
    printf("CPU 0: CPU_ON %d\n", psci_cpu_on(cpu_mpidr(0), 0, 0));

    add_together();
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < CPUS - 1)
        ;
    printf("counted to %lu\n", total);

    for (uint32_t cpu = 1; cpu < CPUS; cpu++) {
        gic_send_sgi(SGI_PING, cpu_mpidr(cpu));
        wait_until(pongs == cpu);
        while (psci_affinity_info(cpu_mpidr(cpu)) != AFFINITY_OFF)
            ;
        printf("CPU %u: took %u SGI, answered, is off\n", cpu, pings[cpu]);
    }
    return 0;
}
