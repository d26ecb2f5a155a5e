"""A guest's buffers: both stages, page by page, and a reason for every fault."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent import MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.thread import Thread

PAGE = 0x1000
IPA = 0x8000_0000
NORMAL = 0xF0077


def swapped(va, write):
    """A stage 1 that exchanges the first two pages, and does not let the second be written."""
    page = va & ~(PAGE - 1)
    table = {0: IPA + PAGE, PAGE: IPA}
    if page not in table or (write and page == PAGE):
        return None
    return table[page] + va % PAGE


@pytest.fixture
def reader(world):
    extent = world.extent(pages=2)
    assert not map_extent(extent, world.addrspace, IPA, NORMAL)
    world.ram[:PAGE], world.ram[PAGE : 2 * PAGE] = b"\x11" * PAGE, b"\x22" * PAGE
    return world.caller


def test_memory_is_read_through_both_stages(reader):
    assert reader.read_memory(IPA, 4) == b"\x11" * 4
    reader.translate = swapped
    assert reader.read_memory(0, 4) == b"\x22" * 4
    assert reader.read_memory(PAGE - 2, 4) == b"\x22\x22\x11\x11"
    assert reader.read_memory(2 * PAGE - 2, 4) is None
    assert reader.read_memory(3 * PAGE, 4) is None


def test_memory_is_written_up_to_the_first_fault_of_either_stage(world, reader):
    reader.translate = swapped
    assert reader.write_memory(4, b"ab") == 2
    assert reader.write_memory(PAGE - 2, b"abcd") == 2
    assert reader.write_memory(PAGE, b"abcd") == 0
    assert world.ram[2 * PAGE - 2 : 2 * PAGE] == b"ab"
    assert world.ram[:PAGE] == b"\x11" * PAGE


def test_a_thread_without_address_space_has_no_memory(world):
    thread = Thread(world.partition)
    assert thread.read_memory(0, 8) is None
    assert thread.write_memory(0, b"x") == 0


def test_a_device_page_stops_the_hypervisor_in_the_middle_of_a_buffer(world, reader):
    device = MemExtent(world.partition, device=True)
    device.configure(0x900_0000, PAGE, attributes(6, memtype=1))
    assert not map_extent(world.active(device), world.addrspace, IPA + 2 * PAGE, 0x10066)
    with pytest.raises(HypervisorFatal, match="not RAM"):
        reader.read_memory(IPA + 2 * PAGE - 2, 4)


@pytest.mark.parametrize(
    ("va", "size", "error"),
    [
        ((1 << 64) - 2, 4, errors.ADDR_OVERFLOW),
        (3 * PAGE, 4, errors.ARGUMENT_INVALID),
        (2 * PAGE - 1, 4, errors.ARGUMENT_INVALID),
        (0, 4, errors.OK),
    ],
)
def test_a_read_that_failed_has_a_reason(reader, va, size, error):
    reader.translate = swapped
    assert reader.read_error(va, size) == error


def test_a_read_that_stage_2_refused_has_a_reason(reader):
    assert reader.read_error(IPA + 2 * PAGE - 1, 4) == errors.ADDR_INVALID
