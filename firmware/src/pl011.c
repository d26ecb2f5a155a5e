// SPDX-License-Identifier: BSD-3-Clause
// PL011 output, polled (Arm DDI 0183).

#include <platform.h>
#include <stdio.h>
#include <system.h>

#define UARTDR (PL011_BASE + 0x00)
#define UARTFR (PL011_BASE + 0x18)
#define UARTLCR_H (PL011_BASE + 0x2c)
#define UARTCR (PL011_BASE + 0x30)

#define FR_TXFF (1 << 5)
#define LCR_H_FEN (1 << 4)
#define LCR_H_WLEN_8 (3 << 5)
#define CR_UARTEN (1 << 0)
#define CR_TXE (1 << 8)

void pl011_init(void)
{
    mmio_write32(UARTLCR_H, LCR_H_WLEN_8 | LCR_H_FEN);
    mmio_write32(UARTCR, CR_UARTEN | CR_TXE);
}

int putchar(int character)
{
    while (mmio_read32(UARTFR) & FR_TXFF)
        ;
    mmio_write32(UARTDR, (uint8_t)character);
    return character;
}

int puts(const char *text)
{
    while (*text)
        putchar(*text++);
    return putchar('\n');
}
