"""A flash image starts at address 0, outside memory; its device tree is at the start of memory, as on QEMU's virt."""

from __future__ import annotations

from pathlib import Path

import pytest

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
