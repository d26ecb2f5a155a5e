// SPDX-License-Identifier: BSD-3-Clause
// Answers what is typed.  The PL011's receive interrupt puts it into a buffer; the CPU waits in WFI meanwhile.

#include "lines.h"

#include <gic.h>
#include <platform.h>
#include <timer.h>

#define UARTDR (PL011_BASE + 0x00)
#define UARTFR (PL011_BASE + 0x18)
#define UARTIMSC (PL011_BASE + 0x38)
#define FR_RXFE (1 << 4)
#define INT_RX (1 << 4)
#define INT_RT (1 << 6)
#define INTID_PL011 INTID_SPI(1)

#define BUFFER_SIZE 64 // a power of two

static volatile uint8_t buffer[BUFFER_SIZE];
static volatile uint32_t put; // by the handler
static volatile uint32_t got; // by main()

// With the buffer full the rest stays in the UART, which masks its interrupt until there is room again.
static void on_receive(uint32_t intid, void *argument)
{
    while (!(mmio_read32(UARTFR) & FR_RXFE)) {
        if (put - got == BUFFER_SIZE) {
            mmio_write32(UARTIMSC, 0);
            return;
        }
        buffer[put++ % BUFFER_SIZE] = (uint8_t)mmio_read32(UARTDR);
    }
}

static int read_character(void)
{
    wait_until(put != got);
    int character = buffer[got++ % BUFFER_SIZE];
    mmio_write32(UARTIMSC, INT_RX | INT_RT);
    return character;
}

static void sleep(uint32_t milliseconds)
{
    sleep_us(milliseconds * 1000);
}

int main(void)
{
    gic_init();
    gic_init_cpu();
    gic_enable_private(INTID_VIRTUAL_TIMER, GIC_PRIORITY_DEFAULT);
    irq_set_handler(INTID_PL011, on_receive, NULL);
    gic_enable_spi(INTID_PL011, GIC_LEVEL, GIC_PRIORITY_DEFAULT);
    mmio_write32(UARTIMSC, INT_RX | INT_RT);
    return echo_lines(read_character, sleep);
}
