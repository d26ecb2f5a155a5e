// SPDX-License-Identifier: BSD-3-Clause
// Priority mask, order, preemption, binary point.

#include "../tests.h"

static void set_pmr(uint32_t value)
{
    write_sysreg(icc_pmr_el1, value);
    isb();
}

static void set_binary_point(uint32_t value)
{
    write_sysreg(icc_bpr1_el1, value);
    isb();
}

void test_priorities(void)
{
    prepare(SPI_A, 0x80);
    set_bit(ISPENDR, SPI_A);
    set_pmr(0x80);
    tap_expect("priority equal to PMR", signalled(), false);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    set_pmr(0x90);
    tap_expect("priority below PMR", signalled(), true);
    set_pmr(0);
    tap_expect("PMR 0", signalled(), false);
    set_pmr(0xff);
    tap_expect("PMR 0xff", signalled(), true);
    tap_report(IHI "4.8.5 only priorities below ICC_PMR_EL1 are signalled");

    set_pmr(0x40);
    tap_expect("HPPIR", highest_pending(), SPI_A);
    set_pmr(0xff);
    tap_report(IHI "12.2 ICC_HPPIR1_EL1 shows what the priority mask holds back");

    set_pmr(0x80);
    tap_expect("masked", signalled(), false);
    set_priority(SPI_A, 0x70);
    tap_expect("more urgent", signalled(), true);
    set_priority(SPI_A, 0x90);
    tap_expect("less urgent", signalled(), false);
    set_pmr(0xff);
    tap_report(IHI "4.8.7 a pending interrupt's new priority counts at once");
    tap_expect("IAR", acknowledge(), SPI_A);
    end(SPI_A);

    prepare(SPI_A, 0xc0);
    prepare(SPI_B, 0x40);
    prepare(SPI_C, 0x80);
    set_bit(ISPENDR, SPI_A);
    set_bit(ISPENDR, SPI_B);
    set_bit(ISPENDR, SPI_C);
    static const uint32_t order[] = {SPI_B, SPI_C, SPI_A};
    for (unsigned n = 0; n < 3; n++) {
        tap_expect("HPPIR", highest_pending(), order[n]);
        tap_expect("IAR", acknowledge(), order[n]);
        end(order[n]);
    }
    tap_report(IHI "4.8 of several pending interrupts the most urgent is acknowledged first");

    prepare(SPI_A, 0x80);
    prepare(SPI_B, 0x80);
    set_bit(ISPENDR, SPI_A);
    set_bit(ISPENDR, SPI_B);
    uint32_t first = acknowledge();
    end(first);
    uint32_t second = acknowledge();
    end(second);
    tap_expect("both", first + second, SPI_A + SPI_B);
    tap_expect("nothing else", acknowledge(), SPURIOUS);
    tap_report(IHI "4.8 of equal priorities each is acknowledged once");
    for (uint32_t intid = SPI_A; intid <= SPI_C; intid++)
        reset_interrupt(intid);
}

static volatile char order[16];
static volatile unsigned position;

static void note(char character)
{
    order[position++ & 15] = character;
}

static void on_low(uint32_t intid, void *argument)
{
    note('(');
    set_bit(ISPENDR, SPI_C); // the same priority: later
    set_bit(ISPENDR, SPI_B);
    irq_enable();
    isb();
    irq_disable();
    note(')');
}

static void on_high(uint32_t intid, void *argument)
{
    note('!');
}

static void on_same(uint32_t intid, void *argument)
{
    note('=');
}

static void test_nested_handlers(void)
{
    prepare(SPI_A, 0xa0);
    prepare(SPI_B, 0x60);
    prepare(SPI_C, 0xa0);
    irq_set_handler(SPI_A, on_low, NULL);
    irq_set_handler(SPI_B, on_high, NULL);
    irq_set_handler(SPI_C, on_same, NULL);
    position = 0;
    set_bit(ISPENDR, SPI_A);
    irq_enable();
    isb();
    irq_disable();
    static const char expected[] = "(!)=";
    for (unsigned n = 0; n < sizeof expected - 1; n++)
        tap_expect("event", (uint64_t)order[n], (uint64_t)expected[n]);
    tap_expect("events", position, sizeof expected - 1);
    tap_report(IHI "4.8.4 handlers: the more urgent interrupts, the equal one waits");
}

void test_preemption(void)
{
    prepare(SPI_A, 0xa0);
    prepare(SPI_B, 0x60);
    prepare(SPI_C, 0xa0);
    set_bit(ISPENDR, SPI_A);
    tap_expect("IAR", acknowledge(), SPI_A);
    tap_equal(running_priority(), 0xa0, IHI "12.2 ICC_RPR_EL1 is the priority of the active interrupt");
    uint64_t least = read_sysreg(icc_bpr1_el1);
    tap_equal(read_sysreg(icc_ap1r0_el1), 1ul << (0xa0 >> least),
              IHI "12.2 ICC_AP1R0_EL1 has the active priority's bit");

    set_bit(ISPENDR, SPI_C);
    tap_expect("signalled", signalled(), false);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    set_priority(SPI_C, 0xe0);
    tap_expect("less urgent", signalled(), false);
    tap_report(IHI "4.8.4 an interrupt of the same or a less urgent priority does not preempt");

    set_bit(ISPENDR, SPI_B);
    tap_expect("signalled", signalled(), true);
    tap_expect("IAR", acknowledge(), SPI_B);
    tap_expect("RPR", running_priority(), 0x60);
    tap_expect("AP1R0", read_sysreg(icc_ap1r0_el1), 1ul << (0xa0 >> least) | 1ul << (0x60 >> least));
    tap_report(IHI "4.8.4 a more urgent interrupt preempts");

    end(SPI_B);
    tap_expect("RPR", running_priority(), 0xa0);
    tap_expect("signalled", signalled(), false);
    end(SPI_A);
    tap_expect("RPR", running_priority(), IDLE_PRIORITY);
    tap_expect("AP1R0", read_sysreg(icc_ap1r0_el1), 0);
    tap_expect("the one that waited", signalled(), true);
    tap_expect("IAR", acknowledge(), SPI_C);
    end(SPI_C);
    tap_report(IHI "4.8.4 each end drops to the priority below; what waited is signalled then");
    test_nested_handlers();
    for (uint32_t intid = SPI_A; intid <= SPI_C; intid++)
        reset_interrupt(intid);
}

void test_binary_point(void)
{
    set_binary_point(6); // group priority: bits 7:6
    prepare(SPI_A, 0xb0);
    prepare(SPI_B, 0x80);
    prepare(SPI_C, 0x70);
    set_bit(ISPENDR, SPI_A);
    tap_expect("IAR", acknowledge(), SPI_A);
    tap_equal(running_priority(), 0x80, IHI "4.8.2 ICC_RPR_EL1 is the group priority");
    set_bit(ISPENDR, SPI_B);
    tap_expect("the same group", signalled(), false);
    set_bit(ISPENDR, SPI_C);
    tap_expect("a more urgent group", signalled(), true);
    tap_expect("IAR", acknowledge(), SPI_C);
    end(SPI_C);
    tap_report(IHI "4.8.2 only a more urgent group priority preempts");
    end(SPI_A);
    tap_equal(highest_pending(), SPI_B, IHI "4.8.2 after the end, what was of the same group is next");

    set_bit(ISPENDR, SPI_A);
    tap_expect("first", acknowledge(), SPI_B);
    end(SPI_B);
    tap_expect("second", acknowledge(), SPI_A);
    end(SPI_A);
    tap_report(IHI "4.8.2 subpriorities order what is pending");

    set_binary_point(7);
    prepare(SPI_B, 0x00);
    prepare(SPI_A, 0x70);
    set_bit(ISPENDR, SPI_A);
    tap_expect("IAR", acknowledge(), SPI_A);
    set_bit(ISPENDR, SPI_B);
    tap_expect("the same half", signalled(), false);
    end(SPI_A);
    tap_expect("IAR", acknowledge(), SPI_B);
    end(SPI_B);
    tap_report(IHI "4.8.2 with ICC_BPR1_EL1 7 there are two group priorities");
    set_binary_point(0);
    for (uint32_t intid = SPI_A; intid <= SPI_C; intid++)
        reset_interrupt(intid);
}
