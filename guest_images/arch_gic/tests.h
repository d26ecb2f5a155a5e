/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_H
#define TESTS_H

#include <firmware.h>
#include <gic.h>
#include <platform.h>
#include <remote.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <system.h>
#include <tap.h>

#define IHI "IHI 0069 "

/* Each file's checks. */
void test_distributor(void);
void test_access_sizes(void);
void test_redistributors(void);
void test_cpu_interface(void);
void test_lifecycle(void);
void test_end_of_interrupt(void);
void test_priorities(void);
void test_preemption(void);
void test_binary_point(void);
void test_level(void);
void test_edge(void);
void test_private(void);
void test_sgis(void);
void test_routing(void);
void test_affinity_sgis(void);

/* SPIs that no device of the virt machine has. */
#define SPI_A 88u
#define SPI_B 89u
#define SPI_C 90u
#define SPI_ROUTED 91u
#define SPI_UART 33u
#define SPURIOUS 1023u
#define IDLE_PRIORITY 0xffu

/* Offsets in the distributor; those of per-interrupt registers are the same in an SGI frame. */
enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_SETSPI_NSR = 0x0040,
    GICD_RESERVED = 0x0044,
    GICD_CLRSPI_NSR = 0x0048,
    IGROUPR = 0x0080,
    ISENABLER = 0x0100,
    ICENABLER = 0x0180,
    ISPENDR = 0x0200,
    ICPENDR = 0x0280,
    ISACTIVER = 0x0300,
    ICACTIVER = 0x0380,
    IPRIORITYR = 0x0400,
    ICFGR = 0x0c00,
    GICD_IROUTER = 0x6000,
    GIC_PIDR2 = 0xffe8,
};
enum { GICR_TYPER = 0x0008, GICR_WAKER = 0x0014, GICR_SGI_FRAME = 0x10000 };
#define GICR_TYPER_LAST (1u << 4)
#define GICD_TYPER_MBIS (1u << 16)
#define GICD_TYPER_NO1N (1u << 25)
#define GICD_ENABLE_GRP1 (1u << 1)
#define IROUTER_IRM (1ul << 31)
#define AFFINITY_MASK 0xff00fffffful

static inline uint64_t mmio_read64(uintptr_t address)
{
    uint64_t value;
    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline uint32_t mmio_read8(uintptr_t address)
{
    uint32_t value;
    __asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void mmio_write16(uintptr_t address, uint32_t value)
{
    __asm__ volatile("strh %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

/* The frame with an interrupt's registers, of this CPU for SGIs and PPIs. */
uintptr_t gic_frame(uint32_t intid);
uintptr_t redistributor_of(uint32_t cpu);

/* A bit per interrupt: of a register such as ISENABLER. */
bool get_bit(uint32_t first, uint32_t intid);
void set_bit(uint32_t first, uint32_t intid);
void set_priority(uint32_t intid, uint8_t priority);
void set_edge(uint32_t intid, bool edge);
void set_route(uint32_t intid, uint64_t route);

/* Back to: level-sensitive, group 1, priority 0xa0, to this CPU, disabled, neither pending nor active. */
void reset_interrupt(uint32_t intid);
/* That, enabled. */
void prepare(uint32_t intid, uint8_t priority);

/* Whether this CPU is signalled an IRQ, taken or not. */
static inline bool signalled(void)
{
    isb();
    return read_sysreg(isr_el1) >> 7 & 1;
}

static inline uint32_t acknowledge(void)
{
    uint32_t intid = (uint32_t)read_sysreg(icc_iar1_el1);
    dsb();
    return intid;
}

static inline void end(uint32_t intid)
{
    write_sysreg(icc_eoir1_el1, intid);
    isb();
}

static inline uint32_t highest_pending(void)
{
    isb();
    return (uint32_t)read_sysreg(icc_hppir1_el1);
}

static inline uint32_t running_priority(void)
{
    isb();
    return (uint32_t)read_sysreg(icc_rpr_el1);
}

static inline void expect_state(uint32_t intid, bool pending, bool active)
{
    tap_expect("pending", get_bit(ISPENDR, intid), pending);
    tap_expect("pending, by ICPENDR", get_bit(ICPENDR, intid), pending);
    tap_expect("active", get_bit(ISACTIVER, intid), active);
    tap_expect("active, by ICACTIVER", get_bit(ICACTIVER, intid), active);
}

/* The PL011 drives a level that its mask register lets through: it always has room to transmit. */
void uart_drive(bool high);

#endif
