/* SPDX-License-Identifier: BSD-3-Clause */
/* The other CPUs of this VM, numbered as the device tree lists them. */
#ifndef SMP_H
#define SMP_H

#include <stdint.h>
#include <system.h>

typedef void (*cpu_entry_point)(void *argument);

static inline uint32_t cpu_index(void)
{
    return (uint32_t)read_sysreg(tpidr_el1);
}

/* At most MAX_CPUS; 1 when the VM has no device tree. */
uint32_t cpu_count(void);
uint64_t cpu_mpidr(uint32_t index);

/*
 * Starts a CPU by PSCI: it runs entry(argument) on a stack of its own, interrupts masked, with the MMU as the caller
 * has it, and turns itself off when that returns.  The result is that of CPU_ON.
 */
int32_t cpu_on(uint32_t index, cpu_entry_point entry, void *argument);

/*
 * A spinlock.  Load-exclusive and store-exclusive need Normal memory: turn the MMU on first.
 */
struct spinlock {
    uint32_t held;
};

static inline void spin_lock(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
            __asm__ volatile("yield");
}

static inline void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
