"""memextent_modify: what it touches, and what it refuses to touch."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.memextent import MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent

PAGE = 0x1000
TOP = 1 << 64
NO_SYNC = 1 << 31
UNMAP_ALL, ZERO, CLEAN, FLUSH, SYNC_ALL = 0, 1, 2, 3, 255


def test_modify_checks_flags_then_capability_then_operation_then_range(world):
    extent = world.extent(pages=2)
    last = world.ladder(
        "memextent_modify",
        {"memextent": world.null, "flags": 1 << 8 | NO_SYNC | ZERO, "offset": 1, "size": 0},
        (errors.ARGUMENT_INVALID, {"flags": ZERO}),
        (errors.CSPACE_CAP_NULL, {"memextent": world.cap(extent)}),
        (errors.ARGUMENT_INVALID, {"flags": ZERO | NO_SYNC}),
        (errors.ARGUMENT_ALIGNMENT, {"offset": TOP - PAGE}),
        (errors.ARGUMENT_INVALID, {"offset": 2 * PAGE}),
        (errors.ARGUMENT_SIZE, {"size": TOP - PAGE}),
        (errors.ARGUMENT_SIZE, {"size": PAGE}),
        (errors.ARGUMENT_INVALID, {"offset": PAGE}),
    )
    assert last == (errors.OK,)


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (SYNC_ALL, errors.OK),
        (SYNC_ALL | NO_SYNC, errors.ARGUMENT_INVALID),
        (UNMAP_ALL, errors.OK),
        (UNMAP_ALL | NO_SYNC, errors.OK),
        (CLEAN, errors.ARGUMENT_INVALID),
        (FLUSH | NO_SYNC, errors.OK),
        (4, errors.ARGUMENT_INVALID),
        (4 | NO_SYNC, errors.ARGUMENT_INVALID),
    ],
)
def test_no_sync_belongs_to_the_range_operations(world, flags, error):
    cap = world.cap(world.extent())
    assert world.error("memextent_modify", memextent=cap, flags=flags, size=PAGE) == error


def test_zero_range_clears_what_the_extent_owns(world):
    world.ram[:] = b"\xff" * len(world.ram)
    extent = world.extent(pages=3)
    child = MemExtent(world.partition)
    child.configure_derive(extent, PAGE, PAGE, attributes(7))
    world.active(child)
    cap = world.cap(extent)
    assert not world.error("memextent_modify", memextent=cap, flags=ZERO | NO_SYNC, offset=0, size=3 * PAGE)
    assert world.ram[: 4 * PAGE] == bytes(PAGE) + b"\xff" * PAGE + bytes(PAGE) + b"\xff" * PAGE


@pytest.mark.parametrize(("access", "memtype"), [(4, 0), (5, 0), (6, 1)])
def test_an_extent_that_may_not_be_written_is_not_zeroed(world, access, memtype):
    cap = world.cap(world.extent(access=access, memtype=memtype))
    assert world.error("memextent_modify", memextent=cap, flags=ZERO | NO_SYNC, size=PAGE) == errors.DENIED


def test_unmap_all_takes_the_extent_out_of_every_place(world):
    extent = world.extent(pages=1)
    for place in (0x8000_0000, 0x9000_0000):
        assert not map_extent(extent, world.addrspace, place, 0xF0077)
    assert not world.error("memextent_modify", memextent=world.cap(extent), flags=UNMAP_ALL)
    assert not len(world.addrspace.stage2)
    assert not map_extent(extent, world.addrspace, 0x8000_0000, 0xF0077)
