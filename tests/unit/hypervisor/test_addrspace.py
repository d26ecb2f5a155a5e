"""Address spaces: their life, and a guest's memory as the hypervisor reads and writes it."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent import MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent

PAGE = 0x1000
IPA = 0x8000_0000
NORMAL = 0xF0077


@pytest.fixture
def mapped(world):
    """Two pages that are not neighbours in RAM, as one range of IPAs, and a hole after them."""
    first, second = world.extent(pages=1), world.extent(offset=0x10000, pages=1)
    assert not map_extent(first, world.addrspace, IPA, NORMAL)
    assert not map_extent(second, world.addrspace, IPA + PAGE, NORMAL)
    return world.addrspace


def test_a_vmid_is_one_address_spaces(world):
    second = Addrspace(world.partition, vmid=7)
    assert second.activate() == errors.OK
    third = Addrspace(world.partition, vmid=7)
    assert third.activate() == errors.BUSY
    second.release()
    assert Addrspace(world.partition, vmid=7).activate() == errors.OK


def test_an_address_space_without_vmid_is_busy(world):
    assert Addrspace(world.partition).activate() == errors.BUSY


def test_a_buffer_may_cross_pages_that_are_not_neighbours(world, mapped):
    assert mapped.write(IPA + PAGE - 2, b"abcd") == 4
    assert world.ram[PAGE - 2 : PAGE] == b"ab"
    assert world.ram[0x10000:0x10002] == b"cd"
    assert mapped.read(IPA + PAGE - 2, 4) == b"abcd"


def test_a_write_stops_at_the_hole_and_a_read_gives_nothing(mapped):
    end = IPA + 2 * PAGE
    assert mapped.write(end - 3, b"abcdef") == 3
    assert mapped.read(end - 3, 6) is None
    assert mapped.read(end - 3, 3) == b"abc"


@pytest.mark.parametrize("address", [0, 8, IPA - 1, 1 << 36, (1 << 64) - 8, IPA + 2 * PAGE])
def test_what_is_not_mapped_faults(mapped, address):
    assert mapped.read(address, 8) is None
    assert mapped.write(address, bytes(8)) == 0
    assert mapped.access_error(address) == errors.ADDR_INVALID


def test_the_last_piece_at_hand_is_forgotten_when_stage_2_changes(world):
    extent = world.extent(pages=1)
    cap = {"addrspace": world.cap(world.addrspace), "memextent": world.cap(extent), "vbase": IPA}
    world.call("addrspace_map", **cap, map_attrs=NORMAL)
    assert world.addrspace.read(IPA, 4) == bytes(4)
    world.call("addrspace_update_access", **cap, access_attrs=0x44)
    assert world.addrspace.write(IPA, b"x") == 0
    assert world.addrspace.access_error(IPA, write=True) == errors.DENIED
    world.call("addrspace_unmap", **cap)
    assert world.addrspace.read(IPA, 4) is None


def test_a_write_only_page_cannot_be_read(world):
    extent = world.extent(pages=1)
    assert not map_extent(extent, world.addrspace, IPA, 0xF0022)
    assert world.addrspace.write(IPA, b"x") == 1
    assert world.addrspace.read(IPA, 1) is None


def test_a_buffer_in_device_memory_stops_the_hypervisor(world):
    device = MemExtent(world.partition, device=True)
    device.configure(0x900_0000, PAGE, attributes(6, memtype=1))
    assert not map_extent(world.active(device), world.addrspace, 0x900_0000, 0x10066)
    with pytest.raises(HypervisorFatal):
        world.addrspace.read(0x900_0000, 4)
    with pytest.raises(HypervisorFatal):
        world.addrspace.write(0x900_0000, b"x")


def test_an_address_space_dies_with_all_its_mappings(world):
    space = world.active(Addrspace(world.partition, vmid=9))
    extent = world.extent(pages=1)
    assert not map_extent(extent, space, IPA, NORMAL)
    world.platform.take()
    space.release()
    assert world.platform.take() == [("unmap", space, IPA, PAGE)]
    assert extent.mappings.current(extent.base) == []
    assert 9 not in world.memory.vmids


def test_an_extent_dies_before_the_address_space(world):
    extent = world.extent(pages=1)
    assert not map_extent(extent, world.addrspace, IPA, NORMAL)
    extent.release()
    assert not world.addrspace.extents
    assert not len(world.addrspace.stage2)


def test_the_info_area_is_zeroed_and_in_use(world):
    world.ram[:PAGE] = b"\xff" * PAGE
    extent = world.extent(pages=1)
    space = Addrspace(world.partition, vmid=9)
    assert space.configure_info_area(extent, IPA) == errors.OK
    world.active(space)
    assert world.ram[:PAGE] == bytes(PAGE)
    assert extent.attached == PAGE
    space.release()
    assert not extent.attached


def test_an_info_area_that_cannot_be_attached_fails_the_activation(world):
    extent = world.extent(pages=1)
    child = MemExtent(world.partition)
    child.configure_derive(extent, 0, PAGE, attributes(7))
    world.active(child)
    space = Addrspace(world.partition, vmid=9)
    space.configure_info_area(extent, IPA)
    assert space.activate() == errors.BUSY
    assert 9 not in world.memory.vmids


@pytest.mark.parametrize(
    ("ipa", "size", "error"),
    [
        (0, 1 << 36, errors.OK),
        (1 << 36, 0, errors.ADDR_INVALID),
        (PAGE, 1 << 36, errors.ARGUMENT_SIZE),
        ((1 << 64) - 1, 2, errors.ADDR_OVERFLOW),
    ],
)
def test_check_range(world, ipa, size, error):
    assert world.addrspace.check_range(ipa, size) == error
