"""An operating system for QEMU's virt that looks for virtio devices finds slots without any, and goes on."""

from __future__ import annotations

from gunyah_emu.devices.virtio_mmio import EmptyVirtioSlots


def test_every_slot_says_that_it_has_no_device() -> None:
    slots = EmptyVirtioSlots()
    for slot in range(0, 32 * 0x200, 0x200):
        assert [slots.read(slot + register, 4) for register in (0, 4, 8, 12)] == [0x7472_6976, 1, 0, 0x554D_4551]
        assert slots.read(slot + 0x70, 4) == 0


def test_nothing_that_a_driver_writes_changes_that() -> None:
    slots = EmptyVirtioSlots()
    assert slots.write(8, 4, 1)
    assert slots.read(8, 4) == 0
    assert slots.read(0, 1) == 0
