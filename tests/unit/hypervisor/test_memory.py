"""Physical memory: what the hypervisor may touch, and who owns it."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor import memory as memory_module
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memory import PhysicalMemory


@pytest.fixture
def memory():
    memory = PhysicalMemory()
    memory.add_ram(0x1000, memoryview(bytearray(b"\x11" * 0x1000)))
    memory.add_ram(0x2000, memoryview(bytearray(b"\x11" * 0x1000)))
    memory.add_device(0x9000, 0x1000)
    return memory


def test_adjacent_pieces_of_equal_content_stay_two_pieces(memory):
    memory.write(0x1FFE, b"abcd")
    assert memory.read(0x1FFE, 4) == b"abcd"
    assert memory.view(0x1FFE, 4) is None
    assert bytes(memory.view(0x2000, 2)) == b"cd"


@pytest.mark.parametrize(("address", "kind"), [(0x1000, "ram"), (0x2FFF, "ram"), (0x9000, "device"), (0x3000, None)])
def test_kind_says_what_is_there(memory, address, kind):
    assert memory.kind(address) == kind


@pytest.mark.parametrize("address", [0x2FFF, 0x8FFF, 0x9000])
def test_touching_what_is_no_ram_stops_the_hypervisor(memory, address):
    with pytest.raises(HypervisorFatal, match="not RAM"):
        memory.read(address, 2)


def test_zero_clears_exactly_the_range(memory):
    memory.zero(0x1800, 0x1000)
    assert memory.read(0x17FF, 0x1002) == b"\x11" + bytes(0x1000) + b"\x11"


def test_a_range_changes_hands_only_from_its_owner(memory):
    memory.give(0x1000, 0x2000, "partition")
    assert memory.transfer(0x1000, 0x1000, "extent", "somebody") == errors.MEMDB_NOT_OWNER
    assert memory.transfer(0x1000, 0x1000, "extent", "partition") == errors.OK
    assert memory.transfer(0x1000, 0x2000, "extent", "partition") == errors.MEMDB_NOT_OWNER
    assert memory.transfer(0x8000, 0x1000, "extent", "partition") == errors.ADDR_INVALID
    assert memory.owned(0, 0x10000, "extent") == [(0x1000, 0x2000)]
    assert memory.owner(0x2000) == "partition"
    assert memory.owns(0x1000, 0x1000, "extent")
    assert not memory.owns(0x1000, 0x1001, "extent")


def test_a_first_owner_needs_memory_that_nobody_has(memory):
    assert memory.insert(0x9000, 0x1000, "device") == errors.OK
    assert memory.insert(0x8000, 0x2000, "other") == errors.MEMDB_NOT_OWNER


def test_what_an_owner_has_goes_back_and_no_more(memory):
    memory.give(0, 0x4000, "partition")
    memory.transfer(0, 0x1000, "a", "partition")
    memory.transfer(0x1000, 0x1000, "b", "partition")
    memory.give_back(0, 0x4000, "a", "partition")
    assert memory.owned(0, 0x4000, "partition") == [(0, 0x1000), (0x2000, 0x4000)]


def test_ownership_cannot_be_cut_without_end(memory, monkeypatch):
    monkeypatch.setattr(memory_module, "MAX_OWNED_RANGES", 4)
    memory.give(0, 0x10000, "partition")
    answers = [memory.transfer(page * 0x2000, 0x1000, "extent", "partition") for page in range(6)]
    assert answers[0] == errors.OK
    assert answers[-1] == errors.NOMEM
