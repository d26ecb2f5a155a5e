"""A flash image starts at address 0, outside memory; its device tree is at the start of memory, as on QEMU's virt."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu.boot.image import Image, Segment
from gunyah_emu.boot.layout import arrange, memory_for
from gunyah_emu.boot.load import load_image
from gunyah_emu.errors import UserError


def test_it_starts_in_the_flash_with_the_device_tree_at_the_start_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "u-boot.bin"
    path.write_bytes(b"\x0a\x00\x00\x14" + bytes(100))
    image = load_image(str(path), "flash")
    base, size = memory_for([image])
    assert (base, size) == (0x4000_0000, 128 << 20)
    layout = arrange([image], base, size, "vm")
    assert layout.entry == 0
    assert layout.device_tree == base


def test_an_initial_ram_disk_may_go_with_it(tmp_path: Path) -> None:
    path = tmp_path / "u-boot.bin"
    path.write_bytes(b"\x0a\x00\x00\x14")
    layout = arrange([load_image(str(path), "flash")], 0x4000_0000, 64 << 20, "vm", ram_disk_size=100)
    assert layout.ram_disk == (0x4200_0000, 0x4200_0064)


def test_what_is_larger_than_the_flash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate((128 << 20) + 1)
    with pytest.raises(UserError, match=r"large\.bin: must fit into 0x8000000 bytes of flash; it has 0x8000001"):
        load_image(str(path), "flash")


def split() -> Image:
    """What a linker makes that was told where the code goes, and put headers where it always does."""
    headers, code = Segment(0x40_0000, b"headers", 7, 4), Segment(0x4008_0000, b"code", 4, 5)
    return Image("split.elf", "elf", code.address, (headers, code))


def test_a_segment_below_the_devices_is_the_flash_s_where_others_are_in_memory() -> None:
    base, size = memory_for([split()])
    assert (base, size) == (0x4000_0000, 128 << 20)
    layout = arrange([split()], base, size, "vm")
    assert (layout.has_flash(base), layout.entry) == (True, 0x4008_0000)
    flash, ram = memoryview(bytearray(0x50_0000)), memoryview(bytearray(0x10_0000))
    split().load_into(flash, 0, is_zero=True)
    split().load_into(ram, base, is_zero=True)
    assert (bytes(flash[0x40_0000:0x40_0008]), bytes(ram[0x8_0000:0x8_0005])) == (b"headers\0", b"code\0")


def test_an_image_that_is_all_below_the_devices_has_its_memory_there() -> None:
    low = Image("low.elf", "elf", 0x8_0000, (Segment(0x8_0000, b"code", 4, 5),))
    assert memory_for([low])[0] == 0
    assert not arrange([low], 0, 1 << 20, "vm").has_flash(0)


def test_one_that_is_there_is_the_flash_s_where_memory_was_said_to_be_elsewhere() -> None:
    low = Image("low.elf", "elf", 0x8_0000, (Segment(0x8_0000, b"code", 4, 5),))
    assert arrange([low], 0x4000_0000, 1 << 20, "vm").has_flash(0x4000_0000)
