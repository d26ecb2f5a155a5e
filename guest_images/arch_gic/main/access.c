// SPDX-License-Identifier: BSD-3-Clause
// The interrupts' registers.

#include "../tests.h"

#include <exceptions.h>

#define UARTIMSC (PL011_BASE + 0x38)
#define UARTRIS (PL011_BASE + 0x3c)
#define TRANSMIT_INTERRUPT (1u << 5)

static uintptr_t find_redistributor(uint64_t mpidr)
{
    uint32_t affinity = (uint32_t)(mpidr & 0xffffff) | (uint32_t)(mpidr >> 32 & 0xff) << 24;
    for (uintptr_t frame = GICR_BASE;; frame += GICR_STRIDE) {
        if (mmio_read32(frame + GICR_TYPER + 4) == affinity)
            return frame;
        if (mmio_read32(frame + GICR_TYPER) & GICR_TYPER_LAST)
            fatal("no redistributor has affinity 0x%x", affinity);
    }
}

uintptr_t redistributor_of(uint32_t cpu)
{
    static uintptr_t found[MAX_CPUS];
    if (!found[cpu])
        found[cpu] = find_redistributor(mpidr_of(cpu));
    return found[cpu];
}

uintptr_t gic_frame(uint32_t intid)
{
    return intid < 32 ? redistributor_of(cpu_index()) + GICR_SGI_FRAME : GICD_BASE;
}

bool get_bit(uint32_t first, uint32_t intid)
{
    return mmio_read32(gic_frame(intid) + first + intid / 32 * 4) >> intid % 32 & 1;
}

void set_bit(uint32_t first, uint32_t intid)
{
    mmio_write32(gic_frame(intid) + first + intid / 32 * 4, 1u << intid % 32);
    dsb();
}

void set_priority(uint32_t intid, uint8_t priority)
{
    mmio_write8(gic_frame(intid) + IPRIORITYR + intid, priority);
    dsb();
}

void set_edge(uint32_t intid, bool edge)
{
    uintptr_t address = gic_frame(intid) + ICFGR + intid / 16 * 4;
    uint32_t bit = 2u << intid % 16 * 2;
    mmio_write32(address, edge ? mmio_read32(address) | bit : mmio_read32(address) & ~bit);
    dsb();
}

void set_route(uint32_t intid, uint64_t route)
{
    mmio_write64(GICD_BASE + GICD_IROUTER + 8 * intid, route);
    dsb();
}

void reset_interrupt(uint32_t intid)
{
    gic_disable(intid);
    uintptr_t group = gic_frame(intid) + IGROUPR + intid / 32 * 4;
    mmio_write32(group, mmio_read32(group) | 1u << intid % 32);
    if (intid >= 32) {
        set_edge(intid, false);
        set_route(intid, read_sysreg(mpidr_el1) & AFFINITY_MASK);
    }
    set_bit(ICPENDR, intid);
    set_bit(ICACTIVER, intid);
    set_priority(intid, GIC_PRIORITY_DEFAULT);
}

void prepare(uint32_t intid, uint8_t priority)
{
    reset_interrupt(intid);
    set_priority(intid, priority);
    set_bit(ISENABLER, intid);
}

void uart_drive(bool high)
{
    // Every character sent has raised the transmit interrupt, and nobody here clears it.
    if (!(mmio_read32(UARTRIS) & TRANSMIT_INTERRUPT))
        fatal("the PL011 has no transmit interrupt to drive its line with");
    mmio_write32(UARTIMSC, high ? TRANSMIT_INTERRUPT : 0);
    dsb();
}
