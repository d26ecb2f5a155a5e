// SPDX-License-Identifier: BSD-3-Clause
// Four CPUs under load for as long as one likes: each has a timer of its own period, and each tick sends an SGI to the
// next CPU, which counts it under a lock and works a little.  At the end every tick has arrived.

#include <device_tree.h>
#include <gic.h>
#include <mmu.h>
#include <platform.h>
#include <smp.h>
#include <stdio.h>
#include <string.h>
#include <timer.h>

#define CPUS 4
#define SGI_WORK 1
#define PERIOD_US 200
#define BLOCK 256

static struct spinlock lock;
static uint64_t done;                 // under the lock
static volatile uint64_t ticks[CPUS]; // each written by its own CPU
static volatile uint64_t works[CPUS];
static uint32_t ready; // atomic
static uint64_t rounds;
static uint8_t blocks[CPUS][2][BLOCK];

static void on_tick(uint32_t intid, void *argument)
{
    uint32_t cpu = cpu_index();
    if (ticks[cpu] < rounds)
        ticks[cpu]++;
    timer_set(timer_now() + timer_frequency() * (PERIOD_US + 7 * cpu) / 1000000);
}

static void on_work(uint32_t intid, void *argument)
{
    works[cpu_index()]++;
}

// The next CPU's answer is awaited before the next SGI, which one that is pending would swallow.  The timer runs until all
// is done: its tick is what ends the wait for that answer.
static void serve(uint32_t cpu)
{
    uint32_t next = (cpu + 1) % CPUS;
    uint64_t sent = 0, counted = 0;
    while (sent < rounds || counted < rounds) {
        wait_until((ticks[cpu] > sent && works[next] == sent) || works[cpu] > counted);
        if (ticks[cpu] > sent && works[next] == sent) {
            sent++;
            gic_send_sgi(SGI_WORK, cpu_mpidr(next));
        }
        if (works[cpu] > counted) {
            counted++;
            spin_lock(&lock);
            done++;
            spin_unlock(&lock);
            memcpy(blocks[cpu][counted & 1], blocks[cpu][~counted & 1], BLOCK);
            blocks[cpu][counted & 1][counted % BLOCK]++;
        }
    }
}

static void start(uint32_t cpu)
{
    gic_init_cpu();
    gic_enable_private(SGI_WORK, GIC_PRIORITY_DEFAULT);
    gic_enable_private(INTID_VIRTUAL_TIMER, GIC_PRIORITY_DEFAULT);
    timer_set(timer_now() + timer_frequency() * PERIOD_US / 1000000);
    serve(cpu);
    timer_stop();
    __atomic_fetch_add(&ready, 1, __ATOMIC_RELEASE);
}

static void secondary(void *argument)
{
    start(cpu_index());
}

int main(void)
{
    mmu_enable();
    rounds = bootargs_number("rounds", 50);
    gic_init();
    irq_set_handler(INTID_VIRTUAL_TIMER, on_tick, NULL);
    irq_set_handler(SGI_WORK, on_work, NULL);
    for (uint32_t cpu = 1; cpu < CPUS; cpu++)
        cpu_on(cpu, secondary, NULL);
    start(0);
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < CPUS)
        ;
    printf("%lu rounds: %lu ticks, %lu SGIs\n", rounds, ticks[0] + ticks[1] + ticks[2] + ticks[3], done);
    return 0;
}
