// SPDX-License-Identifier: BSD-3-Clause
// A physical interrupt in a root VM: the UART's, forwarded to the root VM's own GIC, says that somebody typed.

#include <child.h>
#include <gic.h>
#include <platform.h>
#include <root.h>
#include <stdio.h>
#include <timer.h>

#define UART_INTID 33
#define UARTDR (PL011_BASE + 0x00)
#define UARTFR (PL011_BASE + 0x18)
#define UARTCR (PL011_BASE + 0x30)
#define UARTIMSC (PL011_BASE + 0x38)
#define FR_RXFE (1 << 4)
#define CR_RXE (1 << 9)
#define IMSC_RXIM (1 << 4)
#define IMSC_RTIM (1 << 6)

#define PATIENCE_MS 10

static char line[64];
static volatile uint32_t length, interrupts;
static volatile bool is_line_complete, is_patience_over;

static void on_uart(uint32_t intid, void *argument)
{
    interrupts++;
    while (!(mmio_read32(UARTFR) & FR_RXFE)) {
        char character = (char)mmio_read32(UARTDR);
        is_line_complete |= character == '\n';
        if (!is_line_complete && length < sizeof line - 1)
            line[length++] = character;
    }
}

static void on_timer(uint32_t intid, void *argument)
{
    timer_stop();
    is_patience_over = true;
}

int main(void)
{
    gic_init();
    gic_init_cpu();
    irq_set_handler(UART_INTID, on_uart, 0);
    irq_set_handler(INTID_VIRTUAL_TIMER, on_timer, 0);
    root_check("hwirq_bind_virq", gunyah_hwirq_bind_virq(root_interrupt(UART_INTID), root.vic, UART_INTID));
    gic_enable_spi(UART_INTID, GIC_LEVEL, GIC_PRIORITY_DEFAULT);
    gic_enable_private(INTID_VIRTUAL_TIMER, GIC_PRIORITY_DEFAULT);
    mmio_write32(UARTCR, mmio_read32(UARTCR) | CR_RXE);
    mmio_write32(UARTIMSC, IMSC_RXIM | IMSC_RTIM);

    printf("name? ");
    timer_set(timer_now() + timer_frequency() / 1000 * PATIENCE_MS);
    wait_until(is_line_complete || is_patience_over);
    if (is_line_complete)
        printf("hello, %s\n", line);
    else
        printf("nobody is there\n");
    root_check("hwirq_unbind_virq", gunyah_hwirq_unbind_virq(root_interrupt(UART_INTID)));
    return 0;
}
