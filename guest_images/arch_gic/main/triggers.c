// SPDX-License-Identifier: BSD-3-Clause
// Level-sensitive and edge-triggered interrupts, with the line of the PL011 as the source.  Nothing prints in between.

#include "../tests.h"

void test_level(void)
{
    prepare(SPI_UART, 0xa0);
    uart_drive(true);
    tap_expect("signalled", signalled(), true);
    expect_state(SPI_UART, true, false);
    uart_drive(false);
    tap_expect("signalled", signalled(), false);
    expect_state(SPI_UART, false, false);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    tap_report(IHI "4.1.2 a level-sensitive interrupt is pending while its line is high, no longer");

    uart_drive(true);
    tap_expect("IAR", acknowledge(), SPI_UART);
    expect_state(SPI_UART, true, true);
    end(SPI_UART);
    tap_expect("signalled", signalled(), true);
    tap_expect("IAR", acknowledge(), SPI_UART);
    tap_report(IHI "4.1.2 a level that still stands at the end is pending again");

    uart_drive(false);
    expect_state(SPI_UART, false, true);
    end(SPI_UART);
    tap_expect("signalled", signalled(), false);
    expect_state(SPI_UART, false, false);
    tap_report(IHI "4.1.2 a level that fell before the end is not");

    uart_drive(true);
    set_bit(ICPENDR, SPI_UART);
    expect_state(SPI_UART, true, false);
    tap_expect("signalled", signalled(), true);
    uart_drive(false);
    expect_state(SPI_UART, false, false);
    tap_report(IHI "12.9 GICD_ICPENDR does not clear a level that stands");

    set_bit(ISPENDR, SPI_UART);
    expect_state(SPI_UART, true, false);
    tap_expect("IAR", acknowledge(), SPI_UART);
    expect_state(SPI_UART, false, true);
    end(SPI_UART);
    tap_expect("signalled", signalled(), false);
    tap_report(IHI "12.9 GICD_ISPENDR of a level-sensitive interrupt lasts until the acknowledge");

    set_bit(ISPENDR, SPI_UART);
    uart_drive(true);
    uart_drive(false);
    expect_state(SPI_UART, true, false);
    set_bit(ICPENDR, SPI_UART);
    expect_state(SPI_UART, false, false);
    tap_report(IHI "12.9 GICD_ISPENDR outlasts the level, until GICD_ICPENDR");

    set_bit(ICENABLER, SPI_UART);
    uart_drive(true);
    expect_state(SPI_UART, true, false);
    tap_expect("signalled", signalled(), false);
    set_bit(ISENABLER, SPI_UART);
    tap_expect("signalled", signalled(), true);
    uart_drive(false);
    tap_report(IHI "4.7.1 a level that rose while the interrupt was disabled is signalled once it is enabled");
    reset_interrupt(SPI_UART);
}

void test_edge(void)
{
    prepare(SPI_UART, 0xa0);
    set_edge(SPI_UART, true);
    uart_drive(true);
    expect_state(SPI_UART, true, false);
    uart_drive(false);
    expect_state(SPI_UART, true, false);
    tap_expect("signalled", signalled(), true);
    tap_report(IHI "4.1.2 an edge is remembered when the line falls");

    uart_drive(true);
    uart_drive(false);
    tap_expect("IAR", acknowledge(), SPI_UART);
    end(SPI_UART);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    expect_state(SPI_UART, false, false);
    tap_report(IHI "4.1.2 two edges before the acknowledge are one interrupt");

    uart_drive(true);
    tap_expect("IAR", acknowledge(), SPI_UART);
    expect_state(SPI_UART, false, true);
    end(SPI_UART);
    tap_expect("signalled", signalled(), false);
    tap_report(IHI "4.1.2 a line that stays high after its edge is no second interrupt");

    uart_drive(false);
    uart_drive(true);
    tap_expect("IAR", acknowledge(), SPI_UART);
    uart_drive(false);
    uart_drive(true);
    uart_drive(false);
    expect_state(SPI_UART, true, true);
    tap_expect("signalled", signalled(), false);
    end(SPI_UART);
    tap_expect("IAR", acknowledge(), SPI_UART);
    end(SPI_UART);
    tap_expect("IAR", acknowledge(), SPURIOUS);
    tap_report(IHI "4.1.2 edges while it is active make it active and pending: taken once more");

    uart_drive(true);
    set_bit(ICPENDR, SPI_UART);
    expect_state(SPI_UART, false, false);
    tap_expect("signalled", signalled(), false);
    uart_drive(false);
    tap_report(IHI "12.9 GICD_ICPENDR clears an edge, though the line is high");

    set_bit(ICENABLER, SPI_UART);
    uart_drive(true);
    uart_drive(false);
    expect_state(SPI_UART, true, false);
    set_bit(ISENABLER, SPI_UART);
    tap_expect("IAR", acknowledge(), SPI_UART);
    end(SPI_UART);
    tap_report(IHI "4.7.1 an edge that came while the interrupt was disabled is taken once it is enabled");

    uart_drive(true);
    uart_drive(false);
    write_sysreg(icc_pmr_el1, 0x20);
    tap_expect("signalled under the mask", signalled(), false);
    write_sysreg(icc_pmr_el1, 0xff);
    tap_expect("signalled", signalled(), true);
    tap_expect("IAR", acknowledge(), SPI_UART);
    end(SPI_UART);
    tap_report(IHI "4.8.5 an edge outlasts the priority mask");
    reset_interrupt(SPI_UART);
}
