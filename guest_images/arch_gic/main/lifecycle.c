// SPDX-License-Identifier: BSD-3-Clause
// Inactive, pending, active, active and pending; enabling; the end of an interrupt.

#include "../tests.h"

#define EOIMODE 2u

void test_lifecycle(void)
{
    reset_interrupt(SPI_A);
    set_bit(ISPENDR, SPI_A);
    tap_expect("signalled", signalled(), false);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    expect_state(SPI_A, true, false);
    tap_report(IHI "4.7.1 a disabled SPI becomes pending and is not signalled");

    set_bit(ISENABLER, SPI_A);
    tap_expect("signalled", signalled(), true);
    tap_expect("HPPIR", highest_pending(), SPI_A);
    tap_report(IHI "4.7.1 enabled, it is signalled");

    set_bit(ICENABLER, SPI_A);
    tap_expect("signalled", signalled(), false);
    expect_state(SPI_A, true, false);
    set_bit(ISENABLER, SPI_A);
    tap_report(IHI "4.7.3 disabling a pending interrupt withdraws it and leaves it pending");

    uint32_t control = mmio_read32(GICD_BASE + GICD_CTLR);
    mmio_write32(GICD_BASE + GICD_CTLR, control & ~GICD_ENABLE_GRP1);
    tap_expect("signalled", signalled(), false);
    expect_state(SPI_A, true, false);
    mmio_write32(GICD_BASE + GICD_CTLR, control);
    tap_expect("signalled again", signalled(), true);
    tap_report(IHI "4.7.2 GICD_CTLR.EnableGrp1 stops and resumes the forwarding of group 1");

    write_sysreg(icc_igrpen1_el1, 0);
    tap_expect("signalled", signalled(), false);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    write_sysreg(icc_igrpen1_el1, 1);
    tap_expect("signalled again", signalled(), true);
    tap_report(IHI "4.7.2 ICC_IGRPEN1_EL1 stops and resumes the signalling of group 1");

    uintptr_t group = GICD_BASE + IGROUPR + SPI_A / 32 * 4;
    mmio_write32(group, mmio_read32(group) & ~(1u << SPI_A % 32));
    tap_expect("signalled", signalled(), false);
    tap_expect("IAR1", acknowledge(), SPURIOUS);
    mmio_write32(group, mmio_read32(group) | 1u << SPI_A % 32);
    tap_expect("signalled again", signalled(), true);
    tap_report(IHI "4.6 an interrupt of group 0 is no IRQ and not acknowledged by ICC_IAR1_EL1");

    set_bit(ICPENDR, SPI_A);
    tap_expect("signalled", signalled(), false);
    expect_state(SPI_A, false, false);
    tap_report(IHI "4.1.2 pending to inactive: ICPENDR takes it back");

    set_bit(ISPENDR, SPI_A);
    tap_expect("IAR", acknowledge(), SPI_A);
    expect_state(SPI_A, false, true);
    tap_expect("signalled", signalled(), false);
    tap_expect("IAR again", acknowledge(), SPURIOUS);
    tap_report(IHI "4.1.2 pending to active: the acknowledge");

    set_bit(ISPENDR, SPI_A);
    expect_state(SPI_A, true, true);
    tap_expect("signalled", signalled(), false);
    set_priority(SPI_A, 0x10);
    tap_expect("signalled at a more urgent priority", signalled(), false);
    set_priority(SPI_A, GIC_PRIORITY_DEFAULT);
    tap_report(IHI "4.1.2 active to active and pending: not signalled while it is active");

    end(SPI_A);
    expect_state(SPI_A, true, false);
    tap_expect("signalled", signalled(), true);
    tap_report(IHI "4.1.2 active and pending to pending: the end makes it signalled again");

    tap_expect("IAR", acknowledge(), SPI_A);
    end(SPI_A);
    expect_state(SPI_A, false, false);
    tap_expect("signalled", signalled(), false);
    tap_expect("RPR", running_priority(), IDLE_PRIORITY);
    tap_report(IHI "4.1.2 active to inactive: the end");

    set_bit(ISACTIVER, SPI_A);
    set_bit(ISPENDR, SPI_A);
    expect_state(SPI_A, true, true);
    tap_expect("signalled", signalled(), false);
    set_bit(ICACTIVER, SPI_A);
    expect_state(SPI_A, true, false);
    tap_expect("signalled", signalled(), true);
    tap_report(IHI "12.9 GICD_ISACTIVER and GICD_ICACTIVER activate and deactivate");

    set_bit(ISPENDR, SPI_A);
    set_bit(ISPENDR, SPI_A);
    tap_expect("IAR", acknowledge(), SPI_A);
    end(SPI_A);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    tap_report(IHI "4.1.2 an interrupt made pending three times is taken once");
    reset_interrupt(SPI_A);
}

static void set_mode(uint32_t value)
{
    write_sysreg(icc_ctlr_el1, value);
    isb();
}

static void deactivate(uint32_t intid)
{
    write_sysreg(icc_dir_el1, intid);
    isb();
}

void test_end_of_interrupt(void)
{
    prepare(SPI_A, 0xa0);
    prepare(SPI_B, 0xa0);
    set_mode(EOIMODE);
    set_bit(ISPENDR, SPI_A);
    tap_expect("IAR", acknowledge(), SPI_A);
    tap_expect("RPR", running_priority(), 0xa0);
    end(SPI_A);
    tap_expect("RPR", running_priority(), IDLE_PRIORITY);
    expect_state(SPI_A, false, true);
    tap_report(IHI "4.1.1 with EOImode 1, ICC_EOIR1_EL1 drops the priority and leaves the interrupt active");

    set_bit(ISPENDR, SPI_A);
    tap_expect("signalled", signalled(), false);
    set_bit(ISPENDR, SPI_B);
    tap_expect("another is signalled", signalled(), true);
    tap_expect("HPPIR", highest_pending(), SPI_B);
    tap_report(IHI "4.1.1 after the priority drop, others of the same priority are signalled, the active one is not");

    tap_expect("IAR", acknowledge(), SPI_B);
    deactivate(SPI_A);
    expect_state(SPI_A, true, false);
    tap_expect("RPR", running_priority(), 0xa0);
    expect_state(SPI_B, false, true);
    tap_report(IHI "12.2 ICC_DIR_EL1 deactivates the interrupt it names and leaves the running priority alone");

    end(SPI_B);
    tap_expect("IAR", acknowledge(), SPI_A);
    end(SPI_A);
    deactivate(SPI_A);
    deactivate(SPI_B);
    expect_state(SPI_A, false, false);
    expect_state(SPI_B, false, false);
    tap_report(IHI "4.1.1 with EOImode 1, the interrupts end in any order");

    set_mode(0);
    end(SPURIOUS);
    tap_expect("RPR", running_priority(), IDLE_PRIORITY);
    set_bit(ISPENDR, SPI_A);
    tap_expect("IAR", acknowledge(), SPI_A);
    end(SPURIOUS);
    tap_expect("RPR", running_priority(), 0xa0);
    expect_state(SPI_A, false, true);
    end(SPI_A);
    tap_report(IHI "12.2 ICC_EOIR1_EL1 ignores 1023");
    reset_interrupt(SPI_A);
    reset_interrupt(SPI_B);
}
