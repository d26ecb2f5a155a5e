// SPDX-License-Identifier: BSD-3-Clause
// Accesses are of 32 bits where the architecture has a 32-bit form: a virtual GIC need not answer others.

#include <exceptions.h>
#include <gic.h>
#include <platform.h>
#include <system.h>

#define GICD_CTLR (GICD_BASE + 0x0000)
#define GICD_IROUTER(intid) (GICD_BASE + 0x6000 + 8 * (intid))
#define GICD_CTLR_ENABLE_GRP1 (1u << 1)
#define GICD_CTLR_ARE (1u << 4)
#define GICD_CTLR_RWP (1u << 31)

// The same layout in the distributor and in a redistributor's SGI frame.
#define IGROUPR 0x080
#define ISENABLER 0x100
#define ICENABLER 0x180
#define ISPENDR 0x200
#define IPRIORITYR 0x400
#define ICFGR 0xc00

#define GICR_CTLR 0x0000
#define GICR_CTLR_RWP (1u << 3)
#define GICR_TYPER_LOW 0x0008
#define GICR_TYPER_AFFINITY 0x000c
#define GICR_TYPER_LAST (1u << 4)
#define GICR_WAKER 0x0014
#define GICR_WAKER_PROCESSOR_SLEEP (1u << 1)
#define GICR_WAKER_CHILDREN_ASLEEP (1u << 2)
#define GICR_SGI_FRAME 0x10000

#define FIRST_SPI 32
#define SPECIAL_INTIDS 1020

static uintptr_t redistributors[MAX_CPUS];

static struct {
    uint32_t intid;
    irq_handler handler;
    void *argument;
} handlers[GIC_MAX_HANDLERS];
static uint32_t handler_count;

// Affinity fields as GICR_TYPER packs them: Aff3.Aff2.Aff1.Aff0 in 32 bits.
static uint32_t packed_affinity(uint64_t mpidr)
{
    return (uint32_t)(mpidr & 0xffffff) | (uint32_t)(mpidr >> 32 & 0xff) << 24;
}

static uintptr_t my_redistributor(void)
{
    return redistributors[read_sysreg(tpidr_el1)];
}

// The frame that holds an interrupt's bits: the distributor for SPIs, this CPU's SGI frame below.
static uintptr_t frame_of(uint32_t intid)
{
    return intid < FIRST_SPI ? my_redistributor() + GICR_SGI_FRAME : GICD_BASE;
}

static uintptr_t bit_register(uint32_t intid, uintptr_t first)
{
    return frame_of(intid) + first + intid / 32 * 4;
}

static void wait_for_writes(uint32_t intid)
{
    if (intid < FIRST_SPI)
        while (mmio_read32(my_redistributor() + GICR_CTLR) & GICR_CTLR_RWP)
            ;
    else
        while (mmio_read32(GICD_CTLR) & GICD_CTLR_RWP)
            ;
}

void gic_init(void)
{
    mmio_write32(GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_ENABLE_GRP1);
    wait_for_writes(FIRST_SPI);
}

static uintptr_t find_redistributor(uint32_t affinity)
{
    for (uintptr_t frame = GICR_BASE;; frame += GICR_STRIDE) {
        if (mmio_read32(frame + GICR_TYPER_AFFINITY) == affinity)
            return frame;
        if (mmio_read32(frame + GICR_TYPER_LOW) & GICR_TYPER_LAST)
            fatal("no redistributor has affinity 0x%08x", affinity);
    }
}

void gic_init_cpu(void)
{
    uintptr_t redistributor = find_redistributor(packed_affinity(read_sysreg(mpidr_el1)));
    redistributors[read_sysreg(tpidr_el1)] = redistributor;
    uint32_t waker = mmio_read32(redistributor + GICR_WAKER);
    mmio_write32(redistributor + GICR_WAKER, waker & ~GICR_WAKER_PROCESSOR_SLEEP);
    while (mmio_read32(redistributor + GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP)
        ;
    mmio_write32(redistributor + GICR_SGI_FRAME + IGROUPR, ~0u);

    write_sysreg(icc_sre_el1, read_sysreg(icc_sre_el1) | 1);
    isb();
    write_sysreg(icc_ctlr_el1, 0); // EOImode 0: one write drops the priority and deactivates
    write_sysreg(icc_bpr1_el1, 0);
    write_sysreg(icc_pmr_el1, 0xff);
    write_sysreg(icc_igrpen1_el1, 1);
    isb();
}

void irq_set_handler(uint32_t intid, irq_handler handler, void *argument)
{
    if (handler_count == GIC_MAX_HANDLERS)
        fatal("more than %u interrupt handlers", GIC_MAX_HANDLERS);
    handlers[handler_count].intid = intid;
    handlers[handler_count].handler = handler;
    handlers[handler_count].argument = argument;
    handler_count++;
}

void gic_enable_spi(uint32_t intid, enum gic_trigger trigger, uint8_t priority)
{
    uintptr_t group = bit_register(intid, IGROUPR);
    uintptr_t configuration = GICD_BASE + ICFGR + intid / 16 * 4;
    uint32_t edge_bit = 2u << intid % 16 * 2;
    uint32_t others = mmio_read32(configuration) & ~edge_bit;
    mmio_write32(group, mmio_read32(group) | 1u << intid % 32);
    mmio_write32(configuration, others | (trigger == GIC_EDGE ? edge_bit : 0));
    mmio_write8(GICD_BASE + IPRIORITYR + intid, priority);
    mmio_write64(GICD_IROUTER(intid), read_sysreg(mpidr_el1) & 0xff00ffffff);
    mmio_write32(bit_register(intid, ISENABLER), 1u << intid % 32);
}

void gic_enable_private(uint32_t intid, uint8_t priority)
{
    mmio_write8(frame_of(intid) + IPRIORITYR + intid, priority);
    mmio_write32(bit_register(intid, ISENABLER), 1u << intid % 32);
}

void gic_disable(uint32_t intid)
{
    mmio_write32(bit_register(intid, ICENABLER), 1u << intid % 32);
    wait_for_writes(intid);
}

bool gic_is_pending(uint32_t intid)
{
    return mmio_read32(bit_register(intid, ISPENDR)) >> intid % 32 & 1;
}

void gic_send_sgi(uint32_t sgi, uint64_t mpidr)
{
    uint64_t aff0 = mpidr & 0xff, aff1 = mpidr >> 8 & 0xff, aff2 = mpidr >> 16 & 0xff, aff3 = mpidr >> 32 & 0xff;
    // One target: bit Aff0 % 16 of the list, in the range of sixteen that the range selector names.
    uint64_t target = 1ul << aff0 % 16 | aff1 << 16 | (uint64_t)sgi << 24 | aff2 << 32 | aff0 / 16 << 44 | aff3 << 48;
    dsb(); // what the target is to see must be visible before the interrupt is
    write_sysreg(icc_sgi1r_el1, target);
    isb();
}

void irq_dispatch(void)
{
    uint32_t intid = (uint32_t)read_sysreg(icc_iar1_el1);
    if (intid >= SPECIAL_INTIDS) // spurious: withdrawn before it was acknowledged
        return;
    dsb(); // IHI 0069: the acknowledge must be complete before the device is touched
    for (uint32_t n = 0; n < handler_count; n++) {
        if (handlers[n].intid == intid) {
            handlers[n].handler(intid, handlers[n].argument);
            write_sysreg(icc_eoir1_el1, intid);
            isb();
            return;
        }
    }
    fatal("interrupt %u has no handler", intid);
}
