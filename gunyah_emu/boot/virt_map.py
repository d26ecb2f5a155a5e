"""Where QEMU's `virt` machine has its devices: guests that boot there find everything at the same place here.

Source: QEMU 7.2, `qemu-system-aarch64 -M virt,gic-version=3,dumpdtb=...`.
"""

from __future__ import annotations

FLASH_BASE, FLASH_SIZE = 0x0000_0000, 0x0800_0000  # two banks, side by side
FLASH_END = FLASH_BASE + FLASH_SIZE
FLASH_BANK_SIZE = FLASH_SIZE // 2

GICD_BASE, GICD_SIZE = 0x0800_0000, 0x1_0000
GICR_BASE, GICR_SIZE = 0x080A_0000, 0x2_0000  # a vCPU
GICR_REGION_SIZE = 0x00F6_0000

PL011_BASE, PL011_SIZE, PL011_SPI = 0x0900_0000, 0x1000, 1
PL031_BASE, PL031_SIZE, PL031_SPI = 0x0901_0000, 0x1000, 2

VIRTIO_BASE, VIRTIO_SIZE = 0x0A00_0000, 32 * 0x200  # slots of virtio-mmio, empty

DEVICES_BASE, DEVICES_END = 0x0800_0000, 0x0B00_0000  # no memory here
RAM_BASE = 0x4000_0000

APB_CLOCK_HZ = 24_000_000

# PPIs by number (INTID - 16), in the order of the timer node: secure EL1, non-secure EL1, virtual, hypervisor
TIMER_PPIS = (13, 14, 11, 10)
