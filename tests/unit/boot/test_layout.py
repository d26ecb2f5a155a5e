"""Everything in a VM's memory has a place of its own, and QEMU's where a guest could tell."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gunyah_emu.boot.image import Image, Segment
from gunyah_emu.boot.layout import DEVICE_TREE_ROOM, Layout, arrange, memory_for
from gunyah_emu.boot.load import load_image
from gunyah_emu.errors import UserError

MIB = 1 << 20
RAM = 0x4000_0000


def elf(start: int, size: int, *, pie: bool = False) -> Image:
    return Image("a.elf", "elf", start, [Segment(start, b"", size, 7)], is_position_independent=pie)


def raw(size: int) -> Image:
    return Image("a.bin", "raw", 0, [Segment(0, b"", size, 7)], is_position_independent=True)


def kernel(text_offset: int, size: int) -> Image:
    segment = Segment(text_offset, b"", size, 7)
    return Image("Image", "linux", text_offset, [segment], is_position_independent=True)


# memory that nobody chose


def test_an_image_for_qemu_s_virt_gets_its_memory() -> None:
    assert memory_for([elf(0x4010_0000, MIB)]) == (RAM, 128 * MIB)
    assert memory_for([raw(100)]) == (RAM, 128 * MIB)


def test_memory_is_made_large_enough() -> None:
    base, size = memory_for([elf(0x4800_0000, 100 * MIB)])
    assert base == RAM
    assert base + size == 0x4800_0000 + 100 * MIB + 4 * MIB


@pytest.mark.parametrize(("start", "base"), [(0x8000_0000, 0x8000_0000), (0x8012_3000, 0x8000_0000), (0x10_0000, 0)])
def test_an_image_linked_elsewhere_gets_its_memory_there(start: int, base: int) -> None:
    assert memory_for([elf(start, MIB)]) == (base, 128 * MIB)


def test_memory_below_the_devices_ends_where_they_begin() -> None:
    assert memory_for([elf(0x0700_0000, MIB)]) == (0x0700_0000, 0x0100_0000)


def test_an_image_linked_to_the_devices_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        memory_for([elf(0x0900_0000, 0x1000)])
    assert str(caught.value) == (
        "a.elf: must not lie where the devices are, 0x8000000..0xaffffff; it is at 0x9000000..0x9000fff"
    )


def test_an_image_that_claims_a_terabyte_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        memory_for([elf(RAM, 1 << 40)])
    assert str(caught.value) == (
        "a.elf: must need at most 0x400000000 bytes of memory; it is at 0x40000000..0x1003fffffff"
    )


# places


def test_a_bare_metal_guest_finds_its_device_tree_at_the_start_of_memory() -> None:
    layout = arrange([elf(0x4010_0000, MIB)], RAM, 4 * MIB, "vm")
    assert (layout.entry, layout.device_tree, layout.ram_disk) == (0x4010_0000, RAM, None)


def test_an_image_at_the_start_of_memory_has_the_device_tree_behind_it() -> None:
    assert arrange([elf(RAM, 3 * MIB)], RAM, 64 * MIB, "vm").device_tree == RAM + 4 * MIB
    assert arrange([elf(RAM, MIB)], RAM, MIB + 128 * 1024, "vm").device_tree == RAM + MIB


def test_an_image_at_the_end_of_memory_has_the_device_tree_before_it() -> None:
    image = Image("a", "elf", RAM, [Segment(RAM, b"", 0x1000, 7), Segment(RAM + MIB, b"", MIB, 7)])
    assert arrange([image], RAM, 2 * MIB, "vm").device_tree == RAM + 0x1000


def test_a_raw_binary_goes_where_qemu_puts_it_or_to_the_start_of_memory_if_that_is_too_small() -> None:
    assert arrange([raw(100)], RAM, 64 * MIB, "vm").entry == RAM + 0x8_0000
    assert arrange([raw(100)], RAM, MIB // 2, "vm").entry == RAM


def test_the_device_tree_is_far_behind_a_raw_binary_which_does_not_tell_the_size_of_its_bss() -> None:
    assert arrange([raw(100)], RAM, 64 * MIB, "vm").device_tree == RAM + 32 * MIB
    assert arrange([raw(100)], RAM, 1024 * MIB, "vm").device_tree == RAM + 128 * MIB
    assert arrange([raw(100)], RAM, 64 * MIB, "vm", ram_disk_size=3 * MIB).device_tree == RAM + 36 * MIB
    assert arrange([raw(40 * MIB)], RAM, 64 * MIB, "vm").device_tree == RAM + 42 * MIB
    assert arrange([raw(100)], RAM, MIB // 2, "vm").device_tree == RAM + 0x1000


def test_a_static_pie_stays_where_it_was_linked_if_that_is_memory_and_moves_there_if_not() -> None:
    assert arrange([elf(0x4040_0000, MIB, pie=True)], RAM, 64 * MIB, "vm").entry == 0x4040_0000
    assert arrange([elf(0, MIB, pie=True)], RAM, 64 * MIB, "vm").entry == RAM + 2 * MIB
    assert arrange([elf(0x12340, MIB, pie=True)], RAM, 64 * MIB, "vm").entry == RAM + 2 * MIB + 0x2340
    assert arrange([elf(0, MIB, pie=True)], RAM, 2 * MIB, "vm").entry == RAM


def test_a_kernel_its_ram_disk_and_its_device_tree_are_where_qemu_has_them() -> None:
    layout = arrange([kernel(0, 0x190_0000)], RAM, 1024 * MIB, "vm", ram_disk_size=0x12_3456)
    assert layout == Layout(layout.images, 0x4820_0000, (0x4800_0000, 0x4812_3456))
    assert layout.entry == 0x4020_0000
    layout = arrange([kernel(0x8_0000, 0x190_0000)], RAM, 256 * MIB, "vm", ram_disk_size=0x1000)
    assert (layout.entry, layout.ram_disk) == (0x4008_0000, (0x4800_0000, 0x4800_1000))
    assert arrange([kernel(0, 0x190_0000)], RAM, 1024 * MIB, "vm").device_tree == 0x41C0_0000


def test_a_large_kernel_moves_the_ram_disk_up() -> None:
    layout = arrange([kernel(0, 40 * MIB)], RAM, 64 * MIB, "vm", ram_disk_size=MIB)
    assert layout.ram_disk == (RAM + 42 * MIB, RAM + 43 * MIB)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(UserError) as caught:
        arrange([elf(RAM, 4 * MIB)], RAM, 4 * MIB, "tiny")
    assert str(caught.value) == (
        "memory of VM 'tiny' must have room for a device tree of 0x10000 bytes beside the images; "
        "it is 0x40000000..0x403fffff"
    )
    with pytest.raises(UserError) as caught:
        arrange([elf(RAM, 4096)], RAM, 4 * MIB, "tiny", ram_disk_size=4 * MIB)
    assert str(caught.value) == (
        "memory of VM 'tiny' must have room for a RAM disk of 0x400000 bytes beside the images; "
        "it is 0x40000000..0x403fffff"
    )


def test_two_images_of_a_vm_may_not_overlap() -> None:
    with pytest.raises(UserError, match=r"^a\.elf: images of one VM must not overlap; 0x40100000\.\."):
        arrange([elf(0x4010_0000, MIB), elf(0x4010_0000, 16)], RAM, 4 * MIB, "vm")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1100), st.integers(1, 300)), min_size=1, max_size=4),
    st.integers(64, 1024),
    st.integers(0, 600),
    st.booleans(),
)
def test_whatever_is_placed_overlaps_nothing(
    segments: list[tuple[int, int]], pages: int, ram_disk_pages: int, is_pie: bool
) -> None:
    taken, at = [], RAM
    for gap, length in segments:
        at += gap * 1024
        taken.append(Segment(at, b"", length * 1024, 7))
        at += length * 1024
    image = Image("a", "elf", taken[0].address, taken, is_position_independent=is_pie)
    try:
        layout = arrange([image], RAM, pages * 4096, "vm", ram_disk_pages * 4096)
    except UserError:
        return
    ranges = [(s.address, s.end) for s in layout.images[0].segments]
    ranges.append((layout.device_tree, layout.device_tree + DEVICE_TREE_ROOM))
    if layout.ram_disk is not None:
        ranges.append(layout.ram_disk)
    ranges.sort()
    assert ranges[0][0] >= RAM
    assert ranges[-1][1] <= RAM + pages * 4096
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    assert layout.device_tree % 8 == 0


def test_the_project_s_own_guest_is_placed_as_it_was_linked() -> None:
    image = load_image(str(Path(__file__).parents[3] / "guest_images/hello/hello.elf"))
    layout = arrange([image], *memory_for([image]), "hello")
    assert layout.images == (image,)
    assert layout.device_tree == RAM
