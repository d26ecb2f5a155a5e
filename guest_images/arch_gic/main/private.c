// SPDX-License-Identifier: BSD-3-Clause
// SGIs and PPIs of this CPU.

#include "../tests.h"

#include <timer.h>

#define SGI 6u

static void send_to_self(uint32_t sgi)
{
    gic_send_sgi(sgi, read_sysreg(mpidr_el1));
}

// The timer's PPI as a level source: due at once, or never.
static void timer_drive(bool high)
{
    if (high)
        timer_set(0);
    else
        timer_stop();
    dsb();
}

void test_private(void)
{
    prepare(INTID_VIRTUAL_TIMER, 0xa0);
    timer_drive(true);
    expect_state(INTID_VIRTUAL_TIMER, true, false);
    tap_expect("signalled", signalled(), true);
    timer_drive(false);
    expect_state(INTID_VIRTUAL_TIMER, false, false);
    tap_expect("signalled", signalled(), false);
    tap_report(IHI "4.3 a PPI's level makes it pending while it stands");

    timer_drive(true);
    tap_expect("IAR", acknowledge(), INTID_VIRTUAL_TIMER);
    expect_state(INTID_VIRTUAL_TIMER, true, true);
    end(INTID_VIRTUAL_TIMER);
    tap_expect("again", acknowledge(), INTID_VIRTUAL_TIMER);
    timer_drive(false);
    end(INTID_VIRTUAL_TIMER);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    tap_report(IHI "4.3 a PPI's level is taken again until it falls");

    set_bit(ISPENDR, INTID_VIRTUAL_TIMER);
    tap_expect("IAR", acknowledge(), INTID_VIRTUAL_TIMER);
    end(INTID_VIRTUAL_TIMER);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    tap_report(IHI "12.11 GICR_ISPENDR0 makes a PPI pending");

    prepare(SPI_A, 0x80);
    set_priority(INTID_VIRTUAL_TIMER, 0x40);
    timer_drive(true);
    set_bit(ISPENDR, SPI_A);
    tap_expect("first", acknowledge(), INTID_VIRTUAL_TIMER);
    timer_drive(false);
    end(INTID_VIRTUAL_TIMER);
    tap_expect("second", acknowledge(), SPI_A);
    end(SPI_A);
    tap_report(IHI "4.8 PPIs and SPIs are ordered by one priority");
    reset_interrupt(SPI_A);
    reset_interrupt(INTID_VIRTUAL_TIMER);
}

void test_sgis(void)
{
    prepare(SGI, 0xa0);
    send_to_self(SGI);
    tap_expect("signalled", signalled(), true);
    expect_state(SGI, true, false);
    tap_expect("IAR", acknowledge(), SGI);
    expect_state(SGI, false, true);
    end(SGI);
    expect_state(SGI, false, false);
    tap_report(IHI "4.4 an SGI to oneself");

    send_to_self(SGI);
    send_to_self(SGI);
    tap_expect("IAR", acknowledge(), SGI);
    end(SGI);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    tap_report(IHI "4.4 an SGI sent twice before it is taken is one");

    send_to_self(SGI);
    tap_expect("IAR", acknowledge(), SGI);
    send_to_self(SGI);
    expect_state(SGI, true, true);
    tap_expect("signalled", signalled(), false);
    end(SGI);
    tap_expect("IAR", acknowledge(), SGI);
    end(SGI);
    tap_report(IHI "4.4 an SGI sent while it is active is taken after its end");

    set_bit(ICENABLER, SGI);
    send_to_self(SGI);
    tap_expect("signalled", signalled(), false);
    expect_state(SGI, true, false);
    set_bit(ISENABLER, SGI);
    tap_expect("signalled", signalled(), true);
    set_bit(ICPENDR, SGI);
    tap_expect("signalled", signalled(), false);
    expect_state(SGI, false, false);
    tap_report(IHI "12.11 a disabled SGI stays pending, until GICR_ICPENDR0");

    set_bit(ISPENDR, SGI);
    tap_expect("IAR", acknowledge(), SGI);
    end(SGI);
    tap_report(IHI "12.11 GICR_ISPENDR0 makes an SGI pending");

    bool right = true;
    for (uint32_t sgi = 0; sgi < 16; sgi++) {
        prepare(sgi, (uint8_t)(0xf0 - 0x10 * sgi));
        send_to_self(sgi);
    }
    for (uint32_t n = 0; n < 16; n++) {
        uint32_t intid = acknowledge();
        right &= intid == 15 - n;
        end(intid);
    }
    tap_true(right, IHI "4.8 sixteen SGIs are acknowledged in the order of their priorities");

    uint32_t depth = 0;
    for (uint32_t sgi = 0; sgi < 15; sgi++) {
        send_to_self(sgi);
        depth += acknowledge() == sgi;
    }
    tap_expect("depth", depth, 15);
    tap_expect("RPR", running_priority(), 0x10);
    for (uint32_t sgi = 15; sgi-- > 0;)
        end(sgi);
    tap_expect("RPR", running_priority(), IDLE_PRIORITY);
    tap_report(IHI "4.8.4 fifteen priorities preempt each other and end in reverse");
    for (uint32_t sgi = 0; sgi < 16; sgi++)
        reset_interrupt(sgi);
}
