"""The virtio-mmio slots of QEMU's virt machine, all of them empty.

An operating system that is built for that machine looks into each slot at boot, and goes on when it finds no device
there.  Without the slots its look would be an external abort.

Source: Virtual I/O Device (VIRTIO) 1.2, section 4.2; QEMU 7.2 for the version and vendor of an empty slot.
"""

from __future__ import annotations

SLOT_SIZE = 0x200
EMPTY_SLOT = {
    0x000: 0x7472_6976,  # MagicValue: "virt"
    0x004: 1,  # Version: legacy
    0x008: 0,  # DeviceID: no device
    0x00C: 0x554D_4551,  # VendorID: "QEMU"
}


class EmptyVirtioSlots:
    """Any number of slots without a device, one after the other."""

    def read(self, offset: int, size: int) -> int | None:
        """A load; registers are 32 bits wide, and a narrower access reads as zero, as on QEMU."""
        return EMPTY_SLOT.get(offset % SLOT_SIZE, 0) if size == 4 else 0

    def write(self, offset: int, size: int, value: int) -> bool:
        """A store, which is ignored."""
        return True
