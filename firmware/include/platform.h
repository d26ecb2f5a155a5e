/* SPDX-License-Identifier: BSD-3-Clause */
/* The platform a guest sees: the addresses and interrupts of QEMU's virt machine, which gunyah_emu keeps. */
#ifndef PLATFORM_H
#define PLATFORM_H

#define RAM_BASE 0x40000000UL
#define DEVICES_BASE 0x08000000UL
#define DEVICES_END 0x0a000000UL

#define GICD_BASE 0x08000000UL
#define GICR_BASE 0x080a0000UL
#define GICR_STRIDE 0x20000UL
#define PL011_BASE 0x09000000UL

#define INTID_PPI(n) (16 + (n))
#define INTID_SPI(n) (32 + (n))
#define INTID_VIRTUAL_TIMER INTID_PPI(11)

#endif
