"""Donation: memory changes hands, and no vCPU keeps a mapping that its VM has lost."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import MemExtentRights, PartitionRights
from gunyah_emu.hypervisor.memextent import BASIC, SPARSE, MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent

PAGE = 0x1000
TOP = 1 << 64
IPA = 0x8000_0000
NORMAL = 0xF0077
TO_CHILD, TO_PARENT, TO_SIBLING = 0, 1, 2


@pytest.fixture
def parent(world):
    extent = world.extent(pages=4, kind=SPARSE)
    assert not world.memory.transfer(extent.base, extent.size, extent, world.partition)
    return extent


def child_of(world, parent, offset=0, pages=4, kind=SPARSE, access=7):
    child = MemExtent(world.partition)
    assert not child.configure_derive(parent, offset * PAGE, pages * PAGE, attributes(access, kind=kind))
    return world.active(child)


def donate(world, kind, giver, taker, offset=0, size=PAGE):
    return world.error(
        "memextent_donate",
        options=kind,
        **{"from": world.cap(giver), "to": world.cap(taker)},
        offset=offset,
        size=size,
    )


def test_donate_to_a_child_checks_in_order(world, parent):
    child = child_of(world, parent, pages=2)
    other = world.extent(offset=0x10000, kind=SPARSE)
    last = world.ladder(
        "memextent_donate",
        {"options": 3 | 1 << 8, "from": world.null, "to": world.null, "offset": 1, "size": 0},
        (errors.ARGUMENT_INVALID, {"options": 3}),
        (errors.ARGUMENT_INVALID, {"options": TO_CHILD}),
        (errors.CSPACE_CAP_NULL, {"to": world.cap(child, MemExtentRights.MAP)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"to": world.cap(child)}),
        (errors.CSPACE_CAP_NULL, {"from": world.cap(world.partition)}),
        (errors.CSPACE_WRONG_OBJECT_TYPE, {"from": world.cap(other)}),
        (errors.ARGUMENT_INVALID, {"from": world.cap(parent)}),
        (errors.ARGUMENT_ALIGNMENT, {"offset": TOP - PAGE}),
        (errors.ARGUMENT_INVALID, {"offset": 2 * PAGE}),
        (errors.ARGUMENT_SIZE, {"size": TOP - PAGE}),
        (errors.ARGUMENT_SIZE, {"size": PAGE}),
        (errors.ARGUMENT_INVALID, {"offset": PAGE}),
    )
    assert last == (errors.OK,)
    assert child.owned() == [(child.base + PAGE, child.base + 2 * PAGE)]


def test_donate_between_siblings_checks_in_order(world, parent):
    giver, taker = child_of(world, parent, pages=2), child_of(world, parent, offset=1, pages=2)
    donate(world, TO_CHILD, parent, giver, size=2 * PAGE)
    stranger = world.extent(offset=0x10000, kind=SPARSE)
    last = world.ladder(
        "memextent_donate",
        {"options": TO_SIBLING, "from": world.null, "to": world.null, "offset": 1, "size": 0},
        (errors.CSPACE_CAP_NULL, {"from": world.cap(giver)}),
        (errors.CSPACE_CAP_NULL, {"to": world.cap(giver)}),
        (errors.ARGUMENT_ALIGNMENT, {"offset": 0}),
        (errors.ARGUMENT_SIZE, {"size": PAGE}),
        (errors.ARGUMENT_INVALID, {"to": world.cap(stranger)}),
        (errors.ARGUMENT_INVALID, {"to": world.cap(taker)}),
        (errors.ARGUMENT_INVALID, {"offset": PAGE}),
    )
    assert last == (errors.OK,)
    assert taker.owned() == [(parent.base + PAGE, parent.base + 2 * PAGE)]


def test_a_partition_donates_to_an_extent_without_parent(world):
    extent = world.extent(kind=SPARSE)
    assert donate(world, TO_CHILD, world.partition, extent, size=2 * PAGE) == errors.OK
    assert extent.owned() == [(extent.base, extent.base + 2 * PAGE)]
    assert donate(world, TO_CHILD, world.partition, extent, size=PAGE) == errors.MEMDB_NOT_OWNER
    assert donate(world, TO_PARENT, extent, world.partition, size=PAGE) == errors.OK
    assert world.memory.owner(extent.base) is world.partition


def test_a_partition_needs_the_right_to_donate(world):
    extent = world.extent(kind=SPARSE)
    weak = world.cap(world.partition, PartitionRights.OBJECT_CREATE)
    arguments = {"options": TO_CHILD, "from": weak, "to": world.cap(extent), "size": PAGE}
    assert world.error("memextent_donate", **arguments) == errors.CSPACE_INSUFFICIENT_RIGHTS


def test_basic_extents_neither_give_nor_take(world, parent):
    basic = child_of(world, parent, kind=BASIC, pages=1)
    sparse = child_of(world, parent, offset=1, pages=1)
    assert donate(world, TO_CHILD, parent, basic) == errors.MEMEXTENT_TYPE
    assert donate(world, TO_SIBLING, basic, sparse) == errors.ARGUMENT_INVALID
    below_basic = child_of(world, world.extent(offset=0x10000), kind=SPARSE)
    assert donate(world, TO_CHILD, below_basic.parent, below_basic) == errors.ARGUMENT_INVALID


def test_donated_memory_leaves_the_givers_address_space(world, parent):
    child = child_of(world, parent)
    assert not map_extent(parent, world.addrspace, IPA, NORMAL)
    assert donate(world, TO_CHILD, parent, child, size=PAGE) == errors.OK
    assert world.addrspace.lookup(IPA, PAGE) == errors.ADDR_INVALID
    assert world.addrspace.lookup(IPA + PAGE, PAGE) == (parent.base + PAGE, PAGE, NORMAL)
    assert donate(world, TO_PARENT, child, parent, size=PAGE) == errors.OK
    assert world.addrspace.lookup(IPA, 4 * PAGE) == (parent.base, 4 * PAGE, NORMAL)


def test_a_mapping_that_both_have_is_not_touched(world, parent):
    assert not map_extent(parent, world.addrspace, IPA, NORMAL)
    child = child_of(world, parent)
    world.platform.take()
    assert donate(world, TO_CHILD, parent, child, size=2 * PAGE) == errors.OK
    assert world.platform.take() == []


def test_donated_memory_gets_the_takers_rights(world, parent):
    assert not map_extent(parent, world.addrspace, IPA, NORMAL)
    child = child_of(world, parent, access=4)
    assert donate(world, TO_CHILD, parent, child, size=PAGE) == errors.OK
    assert world.addrspace.lookup(IPA, PAGE) == (parent.base, PAGE, 0xF0044)


def test_a_dead_child_returns_its_memory_and_its_place(world, parent):
    assert not map_extent(parent, world.addrspace, IPA, NORMAL)
    child = child_of(world, parent, access=4)
    donate(world, TO_CHILD, parent, child, size=PAGE)
    child.release()
    child.parent = None
    assert world.addrspace.lookup(IPA, 4 * PAGE) == (parent.base, 4 * PAGE, NORMAL)


def test_memory_that_cannot_be_mapped_has_its_new_owner_nevertheless(world):
    extent = world.extent(kind=SPARSE)
    assert not map_extent(extent, world.addrspace, 1 << 40, NORMAL)
    assert donate(world, TO_CHILD, world.partition, extent) == errors.ADDR_INVALID
    assert extent.owned() == [(extent.base, extent.base + PAGE)]


def test_many_donations_do_not_grow_anything(world, parent):
    child = child_of(world, parent)
    giver, taker = world.cap(parent), world.cap(child)
    before = world.partition.used
    for _ in range(2000):
        world.call("memextent_donate", options=TO_CHILD, **{"from": giver, "to": taker}, size=PAGE)
        world.call("memextent_donate", options=TO_PARENT, **{"from": taker, "to": giver}, size=PAGE)
    assert world.partition.used == before


def test_a_place_that_was_mapped_twice_does_not_keep_the_stronger_rights(world, parent):
    for attrs in (0xF0066, NORMAL):
        assert not map_extent(parent, world.addrspace, IPA, attrs)
    child = child_of(world, parent, access=6)
    assert donate(world, TO_CHILD, parent, child, size=PAGE) == errors.OK
    assert world.addrspace.lookup(IPA, PAGE) == (parent.base, PAGE, 0xF0066)
