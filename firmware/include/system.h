/* SPDX-License-Identifier: BSD-3-Clause */
/* The instructions that C has no words for. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdint.h>

#define read_sysreg(name)                                            \
    ({                                                               \
        uint64_t value_;                                             \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory"); \
        value_;                                                      \
    })

#define write_sysreg(name, value)                                                  \
    do {                                                                           \
        __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(value)) : "memory"); \
    } while (0)

static inline void isb(void)
{
    __asm__ volatile("isb" ::: "memory");
}

static inline void dsb(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

static inline void wfi(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}

static inline void irq_enable(void)
{
    __asm__ volatile("msr daifclr, #2\n\tisb" ::: "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}

/*
 * Waits in WFI until an interrupt handler makes the condition true.  The condition is tested with IRQs masked, so that
 * no interrupt slips in between the test and the WFI; a pending IRQ ends the WFI although it is masked, and is taken
 * after it.  IRQs are masked afterwards: code that never unmasks them itself meets its handlers here and nowhere else.
 */
#define wait_until(condition)  \
    do {                       \
        irq_disable();         \
        while (!(condition)) { \
            wfi();             \
            irq_enable();      \
            irq_disable();     \
        }                      \
    } while (0)

/*
 * Device accesses.  Written out so that the compiler can never pick a load or store with write-back or a pair: a
 * hypervisor that emulates the device gets no syndrome for those.
 */
static inline uint32_t mmio_read32(uintptr_t address)
{
    uint32_t value;
    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void mmio_write32(uintptr_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline void mmio_write64(uintptr_t address, uint64_t value)
{
    __asm__ volatile("str %0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline void mmio_write8(uintptr_t address, uint8_t value)
{
    __asm__ volatile("strb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

#endif
