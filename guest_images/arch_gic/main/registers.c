// SPDX-License-Identifier: BSD-3-Clause
// What is written is read, by every size of access that the architecture has; identification.

#include "../tests.h"

static void test_pairs(void)
{
    static const struct {
        const char *name;
        uint32_t set, clear;
    } pairs[] = {{"ISENABLER and ICENABLER", ISENABLER, ICENABLER},
                 {"ISPENDR and ICPENDR", ISPENDR, ICPENDR},
                 {"ISACTIVER and ICACTIVER", ISACTIVER, ICACTIVER}};
    const uint32_t bits = 7u << SPI_A % 32;
    for (unsigned n = 0; n < 3; n++) {
        uintptr_t set = GICD_BASE + pairs[n].set + SPI_A / 32 * 4, clear = GICD_BASE + pairs[n].clear + SPI_A / 32 * 4;
        mmio_write32(clear, bits);
        tap_expect("cleared", mmio_read32(set) & bits, 0);
        mmio_write32(set, 1u << SPI_A % 32);
        mmio_write32(set, 1u << SPI_C % 32);
        tap_expect("two set, by the set register", mmio_read32(set) & bits, 5u << SPI_A % 32);
        tap_expect("two set, by the clear register", mmio_read32(clear) & bits, 5u << SPI_A % 32);
        mmio_write32(set, 0);
        mmio_write32(clear, 0);
        tap_expect("zeros change nothing", mmio_read32(set) & bits, 5u << SPI_A % 32);
        mmio_write32(clear, 1u << SPI_A % 32);
        tap_expect("one cleared", mmio_read32(set) & bits, 4u << SPI_A % 32);
        mmio_write32(clear, bits);
        tap_expect("all cleared", mmio_read32(clear) & bits, 0);
        tap_report(IHI "12.9 GICD_%s: ones set, ones clear, both read alike", pairs[n].name);
    }
}

void test_distributor(void)
{
    for (uint32_t intid = SPI_A; intid <= SPI_C; intid++)
        reset_interrupt(intid);
    uint32_t control = mmio_read32(GICD_BASE + GICD_CTLR);
    tap_expect("ARE", control >> 4 & 1, 1);
    tap_expect("EnableGrp1", control >> 1 & 1, 1);
    tap_expect("RWP", control >> 31, 0);
    tap_report(IHI "12.9 GICD_CTLR: affinity routing is on, group 1 is enabled, no write is in progress");
    mmio_write32(GICD_BASE + GICD_CTLR, control & ~GICD_ENABLE_GRP1);
    tap_expect("EnableGrp1", mmio_read32(GICD_BASE + GICD_CTLR) >> 1 & 1, 0);
    mmio_write32(GICD_BASE + GICD_CTLR, control);
    tap_expect("EnableGrp1", mmio_read32(GICD_BASE + GICD_CTLR) >> 1 & 1, 1);
    tap_report(IHI "12.9 GICD_CTLR.EnableGrp1 is read as written");
    uint32_t type = mmio_read32(GICD_BASE + GICD_TYPER);
    tap_expect("ITLinesNumber", ((type & 31) + 1) * 32 > SPI_C, true);
    tap_expect("IDbits", (type >> 19 & 31) >= 9, true);
    tap_report(IHI "12.9 GICD_TYPER: the SPIs of these tests exist, INTIDs have ten bits at least");
    tap_equal(mmio_read32(GICD_BASE + GIC_PIDR2) >> 4 & 15, 3, IHI "12.9 GICD_PIDR2.ArchRev is 3");

    test_pairs();

    uintptr_t group = GICD_BASE + IGROUPR + SPI_A / 32 * 4;
    uint32_t groups = mmio_read32(group);
    mmio_write32(group, groups & ~(1u << SPI_A % 32));
    tap_expect("group 0", mmio_read32(group) >> SPI_A % 32 & 1, 0);
    mmio_write32(group, groups | 1u << SPI_A % 32);
    tap_expect("group 1", mmio_read32(group) >> SPI_A % 32 & 1, 1);
    tap_report(IHI "12.9 GICD_IGROUPR is read as written");

    uintptr_t configuration = GICD_BASE + ICFGR + SPI_A / 16 * 4;
    set_edge(SPI_A, true);
    set_edge(SPI_C, true);
    tap_expect("fields", mmio_read32(configuration) >> SPI_A % 16 * 2 & 0x2a, 0x22);
    set_edge(SPI_A, false);
    set_edge(SPI_C, false);
    tap_expect("fields", mmio_read32(configuration) >> SPI_A % 16 * 2 & 0x2a, 0);
    tap_report(IHI "12.9 GICD_ICFGR: bit 1 of an SPI's field is read as written");

    mmio_write32(GICD_BASE + ISENABLER, ~0u);
    mmio_write32(GICD_BASE + IPRIORITYR, ~0u);
    tap_expect("ISENABLER0", mmio_read32(GICD_BASE + ISENABLER), 0);
    tap_expect("ISPENDR0", mmio_read32(GICD_BASE + ISPENDR), 0);
    tap_expect("IPRIORITYR0", mmio_read32(GICD_BASE + IPRIORITYR), 0);
    tap_report(IHI "12.9 with affinity routing, the distributor's words for SGIs and PPIs are RES0");
    mmio_write32(GICD_BASE + GICD_RESERVED, ~0u);
    tap_equal(mmio_read32(GICD_BASE + GICD_RESERVED), 0, IHI "12.1.3 reserved offsets are RAZ/WI");
}

void test_access_sizes(void)
{
    uintptr_t word = GICD_BASE + IPRIORITYR + SPI_A;
    mmio_write32(word, 0xf0c08040);
    for (unsigned n = 0; n < 4; n++)
        tap_expect("byte", mmio_read8(word + n), 0x40 * (n + 1) - (n == 3 ? 0x10 : 0));
    tap_report(IHI "12.1.3 GICD_IPRIORITYR: bytes of a word written whole");
    mmio_write8(word + 2, 0x20);
    tap_equal(mmio_read32(word), 0xf0208040, IHI "12.1.3 GICD_IPRIORITYR: a byte written leaves the others alone");
    mmio_write32(word, 0xa0a0a0a0);

    uintptr_t route = GICD_BASE + GICD_IROUTER + 8 * SPI_A;
    const uint64_t affinity = 0x12001f3e5d & AFFINITY_MASK;
    mmio_write64(route, affinity);
    tap_expect("doubleword", mmio_read64(route), affinity);
    tap_expect("low word", mmio_read32(route), (uint32_t)affinity);
    tap_expect("high word", mmio_read32(route + 4), affinity >> 32);
    tap_report(IHI "12.1.3 GICD_IROUTER written by a doubleword is read by words");
    mmio_write32(route, 3);
    tap_expect("high word stays", mmio_read64(route), (affinity >> 32 << 32) | 3);
    mmio_write32(route + 4, 0);
    tap_expect("low word stays", mmio_read64(route), 3);
    tap_report(IHI "12.1.3 GICD_IROUTER written by words is read by a doubleword");
    reset_interrupt(SPI_A);

    uintptr_t type = redistributor_of(0) + GICR_TYPER;
    tap_equal(mmio_read64(type), mmio_read32(type) | (uint64_t)mmio_read32(type + 4) << 32,
              IHI "12.1.3 GICR_TYPER by a doubleword and by words");

    // Message-based SPIs, where there are any: their registers take half-words and words.
    bool halfword = true, level = true;
    if (mmio_read32(GICD_BASE + GICD_TYPER) & GICD_TYPER_MBIS) {
        mmio_write16(GICD_BASE + GICD_SETSPI_NSR, SPI_A);
        halfword = get_bit(ISPENDR, SPI_A);
        mmio_write32(GICD_BASE + GICD_CLRSPI_NSR, SPI_A);
        level = !get_bit(ISPENDR, SPI_A);
    }
    tap_expect("SETSPI_NSR", halfword, true);
    tap_expect("CLRSPI_NSR", level, true);
    tap_report(IHI "12.9 GICD_SETSPI_NSR by a half-word and GICD_CLRSPI_NSR by a word, if GICD_TYPER.MBIS is set");
}

void test_redistributors(void)
{
    uint32_t frames = 0, cpus_found = 0, numbers = 0;
    for (uintptr_t frame = GICR_BASE;; frame += GICR_STRIDE) {
        uint32_t affinity = mmio_read32(frame + GICR_TYPER + 4), low = mmio_read32(frame + GICR_TYPER);
        for (uint32_t cpu = 0; cpu < cpu_count(); cpu++)
            cpus_found |= (uint32_t)(affinity == (uint32_t)mpidr_of(cpu)) << cpu;
        numbers |= 1u << (low >> 8 & 31);
        frames++;
        if (low & GICR_TYPER_LAST || frames > MAX_CPUS)
            break;
    }
    tap_expect("frames", frames, cpu_count());
    tap_expect("CPUs by their affinity", cpus_found, (1u << cpu_count()) - 1);
    tap_expect("Processor_Number", numbers, (1u << cpu_count()) - 1);
    tap_report(IHI "12.11 GICR_TYPER: a frame a CPU, each with its affinity and a number of its own, Last in the last");
    tap_equal(mmio_read32(redistributor_of(0) + GIC_PIDR2) >> 4 & 15, 3, IHI "12.11 GICR_PIDR2.ArchRev is 3");

    uintptr_t waker = redistributor_of(3) + GICR_WAKER;
    mmio_write32(waker, mmio_read32(waker) | 2);
    tap_expect("ProcessorSleep", mmio_read32(waker) & 2, 2);
    while (!(mmio_read32(waker) & 4))
        ;
    mmio_write32(waker, mmio_read32(waker) & ~2u);
    while (mmio_read32(waker) & 4)
        ;
    tap_expect("ProcessorSleep and ChildrenAsleep", mmio_read32(waker) & 6, 0);
    tap_report(IHI "12.11 GICR_WAKER: ChildrenAsleep follows ProcessorSleep, both ways");

    uintptr_t frame = gic_frame(0);
    tap_equal(mmio_read32(frame + ICFGR), 0xaaaaaaaa, IHI "12.11 GICR_ICFGR0: SGIs are edge-triggered");
    mmio_write32(frame + IPRIORITYR + 24, 0x10305070);
    tap_expect("byte", mmio_read8(frame + IPRIORITYR + 25), 0x50);
    mmio_write8(frame + IPRIORITYR + 25, 0x90);
    tap_expect("word", mmio_read32(frame + IPRIORITYR + 24), 0x10309070);
    tap_report(IHI "12.11 GICR_IPRIORITYR by bytes and words");
    uint32_t enabled = mmio_read32(frame + ISENABLER);
    mmio_write32(frame + ISENABLER, 1u << 27);
    tap_expect("set", mmio_read32(frame + ICENABLER), enabled | 1u << 27);
    mmio_write32(frame + ICENABLER, 1u << 27);
    tap_expect("cleared", mmio_read32(frame + ISENABLER), enabled & ~(1u << 27));
    tap_report(IHI "12.11 GICR_ISENABLER0 and GICR_ICENABLER0");
}

void test_cpu_interface(void)
{
    tap_equal(read_sysreg(icc_sre_el1) & 1, 1, IHI "12.2 ICC_SRE_EL1.SRE is set");
    uint64_t control = read_sysreg(icc_ctlr_el1);
    tap_expect("PRIbits", (control >> 8 & 7) >= 3, true);
    tap_expect("IDbits", (control >> 11 & 7) <= 1, true);
    tap_report(IHI "12.2 ICC_CTLR_EL1: sixteen priorities at least, INTIDs of 16 or 24 bits");
    write_sysreg(icc_ctlr_el1, 2);
    isb();
    tap_expect("EOImode", read_sysreg(icc_ctlr_el1) & 2, 2);
    write_sysreg(icc_ctlr_el1, 0);
    isb();
    tap_expect("EOImode", read_sysreg(icc_ctlr_el1) & 2, 0);
    tap_report(IHI "12.2 ICC_CTLR_EL1.EOImode is read as written");
    write_sysreg(icc_pmr_el1, 0x80);
    tap_expect("0x80", read_sysreg(icc_pmr_el1), 0x80);
    write_sysreg(icc_pmr_el1, 0xff);
    tap_expect("0xff, implemented bits", read_sysreg(icc_pmr_el1) & 0xf0, 0xf0);
    tap_report(IHI "12.2 ICC_PMR_EL1 is read as written");
    tap_equal(running_priority(), IDLE_PRIORITY, IHI "12.2 ICC_RPR_EL1 is 0xff when nothing is active");
    tap_equal(acknowledge(), SPURIOUS, IHI "2.2.1 ICC_IAR1_EL1 is 1023 when nothing is pending");
    tap_equal(highest_pending(), SPURIOUS, IHI "2.2.1 ICC_HPPIR1_EL1 is 1023 when nothing is pending");
    write_sysreg(icc_bpr1_el1, 0);
    isb();
    uint64_t least = read_sysreg(icc_bpr1_el1);
    write_sysreg(icc_bpr1_el1, 7);
    isb();
    tap_expect("7", read_sysreg(icc_bpr1_el1), 7);
    write_sysreg(icc_bpr1_el1, 0);
    isb();
    tap_expect("least", read_sysreg(icc_bpr1_el1), least);
    tap_expect("least, by PRIbits", least <= 4 && least >= 1, true);
    tap_report(IHI "12.2 ICC_BPR1_EL1: a value below the least becomes the least");
    uint64_t bpr0 = read_sysreg(icc_bpr0_el1);
    write_sysreg(icc_bpr0_el1, 4);
    write_sysreg(icc_ctlr_el1, 1);
    isb();
    tap_expect("ICC_BPR1_EL1", read_sysreg(icc_bpr1_el1), 5);
    write_sysreg(icc_ctlr_el1, 0);
    write_sysreg(icc_bpr0_el1, bpr0);
    isb();
    tap_expect("ICC_BPR1_EL1 of its own", read_sysreg(icc_bpr1_el1), least);
    tap_report(IHI "12.2 ICC_CTLR_EL1.CBPR: ICC_BPR1_EL1 reads as ICC_BPR0_EL1 plus one");
}
