/* SPDX-License-Identifier: BSD-3-Clause */
/* Work for another CPU, one piece after the other. */
#ifndef REMOTE_H
#define REMOTE_H

#include <smp.h>

/*
 * The body of a loop that waits for another CPU: instructions without a branch, because an emulator that counts blocks
 * goes through those at its best speed.
 */
static inline void relax(void)
{
    __asm__ volatile(".rept 128\n\tnop\n\t.endr" ::: "memory");
}

/* As cpu_mpidr(), but the device tree is read only once. */
uint64_t mpidr_of(uint32_t cpu);

/* Starts a CPU that is off; fatal when it does not start. */
void remote_start(uint32_t cpu, cpu_entry_point entry, void *argument);

/* Waits until a CPU has turned itself off. */
void remote_wait(uint32_t cpu);

/* Both. */
void remote_run(uint32_t cpu, cpu_entry_point entry, void *argument);

#endif
