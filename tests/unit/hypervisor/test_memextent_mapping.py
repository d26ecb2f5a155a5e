"""Mapping and unmapping: the order of the checks, and what a vCPU sees afterwards."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import AddrSpaceRights, MemExtentRights
from gunyah_emu.hypervisor import addrspace, memextent_mappings
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent import SPARSE, MemExtent, attributes

PAGE = 0x1000
TOP = 1 << 64
IPA = 0x8000_0000
NORMAL = 0xF0077
DEVICE = 0x10066
PARTIAL = 1


@pytest.fixture
def sparse(world):
    extent = world.extent(kind=SPARSE)
    assert not world.memory.transfer(extent.base, extent.size, extent, world.partition)
    return extent


def caps(world, extent):
    return {"addrspace": world.cap(world.addrspace), "memextent": world.cap(extent)}


def test_map_checks_flags_then_capabilities_then_place_then_attributes(world):
    extent = world.extent(pages=2, access=6)
    last = world.ladder(
        "addrspace_map",
        {
            "addrspace": world.null,
            "memextent": world.null,
            "vbase": TOP - 0x800,
            "map_attrs": 0x0077_0077 | 1 << 3,
            "map_flags": 1 << 1,
        },
        (errors.ARGUMENT_INVALID, {"map_attrs": 0x0077_0077}),
        (errors.ARGUMENT_INVALID, {"map_flags": 0}),
        (errors.CSPACE_CAP_NULL, {"addrspace": world.cap(world.addrspace, AddrSpaceRights.LOOKUP)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"addrspace": world.cap(world.addrspace)}),
        (errors.CSPACE_CAP_NULL, {"memextent": world.cap(extent, MemExtentRights.LOOKUP)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"memextent": world.cap(extent)}),
        (errors.ARGUMENT_ALIGNMENT, {"vbase": TOP - PAGE}),
        (errors.ARGUMENT_INVALID, {"map_attrs": 0x0077_0066}),
        (errors.ARGUMENT_INVALID, {"map_attrs": 0xF0066}),
        (errors.ADDR_OVERFLOW, {"vbase": 1 << 36}),
        (errors.ADDR_INVALID, {"vbase": (1 << 36) - PAGE}),
        (errors.ADDR_OVERFLOW, {"vbase": (1 << 36) - 2 * PAGE}),
    )
    assert last == (errors.OK,)


def test_map_partial_checks_alignment_then_size_then_attributes_then_kind(world):
    extent = world.extent(pages=2, access=6)
    arguments = {**caps(world, extent), "vbase": 1, "map_attrs": NORMAL, "map_flags": PARTIAL, "offset": 1, "size": 1}
    last = world.ladder(
        "addrspace_map",
        arguments,
        (errors.ARGUMENT_ALIGNMENT, {"vbase": 2 * PAGE}),
        (errors.ARGUMENT_ALIGNMENT, {"offset": 3 * PAGE}),
        (errors.ARGUMENT_ALIGNMENT, {"size": 0}),
        (errors.ARGUMENT_SIZE, {"size": TOP - PAGE}),
        (errors.ARGUMENT_SIZE, {"size": PAGE}),
        (errors.ARGUMENT_SIZE, {"offset": PAGE}),
        (errors.ARGUMENT_INVALID, {"map_attrs": 0xF0066}),
    )
    assert last == (errors.MEMEXTENT_TYPE,)


def test_an_extent_has_four_mappings_also_at_the_same_place(world):
    arguments = {**caps(world, world.extent()), "vbase": IPA, "map_attrs": NORMAL}
    answers = [world.error("addrspace_map", **arguments) for _ in range(5)]
    assert answers == [0, 0, 0, 0, errors.MEMEXTENT_MAPPINGS_FULL]


def test_the_platform_hears_of_every_change_once(world):
    extent = world.extent(pages=2)
    arguments = {**caps(world, extent), "vbase": IPA}
    space, base = world.addrspace, world.ram_base
    world.call("addrspace_map", **arguments, map_attrs=NORMAL)
    world.call("addrspace_map", **arguments, map_attrs=NORMAL)
    assert world.platform.take() == [("map", space, IPA, base, 2 * PAGE, 7, 15)]
    world.call("addrspace_update_access", **arguments, access_attrs=0x44)
    assert world.platform.take() == [("unmap", space, IPA, 2 * PAGE), ("map", space, IPA, base, 2 * PAGE, 4, 15)]
    world.call("addrspace_unmap", **arguments)
    assert world.platform.take() == [("unmap", space, IPA, 2 * PAGE)]


def test_a_new_mapping_replaces_what_was_there(world):
    first, second = world.extent(pages=4), world.extent(offset=0x10000, pages=1)
    world.call("addrspace_map", **caps(world, first), vbase=IPA, map_attrs=NORMAL)
    world.call("addrspace_map", **caps(world, second), vbase=IPA + PAGE, map_attrs=NORMAL)
    assert world.addrspace.translate(IPA + PAGE) == (second.base, "ram")
    assert world.addrspace.translate(IPA + 2 * PAGE) == (first.base + 2 * PAGE, "ram")
    world.call("addrspace_unmap", **caps(world, first), vbase=IPA)
    assert world.addrspace.translate(IPA) is None
    assert world.addrspace.translate(IPA + PAGE) == (second.base, "ram")


@pytest.mark.parametrize("map_attrs", [0xF0067, 0xF0047, 0xF0011, 0xF0010, 0xF0046])
def test_rights_that_stage_2_cannot_express_stop_the_hypervisor(world, map_attrs):
    kernel, user = map_attrs >> 4 & 7, map_attrs & 7
    arguments = {**caps(world, world.extent()), "vbase": IPA, "map_attrs": map_attrs}
    if (kernel ^ user) >> 1 or kernel == 1:
        with pytest.raises(HypervisorFatal, match="cannot express"):
            world.call("addrspace_map", **arguments)
    else:
        assert not world.error("addrspace_map", **arguments)


def test_unmap_checks_in_order(world):
    extent = world.extent(pages=2)
    world.call("addrspace_map", **caps(world, extent), vbase=IPA, map_attrs=NORMAL)
    last = world.ladder(
        "addrspace_unmap",
        {"addrspace": world.null, "memextent": world.null, "vbase": 1, "map_flags": 2 | PARTIAL, "offset": 1},
        (errors.ARGUMENT_INVALID, {"map_flags": PARTIAL}),
        (errors.CSPACE_CAP_NULL, {"addrspace": world.cap(world.addrspace)}),
        (errors.CSPACE_CAP_NULL, {"memextent": world.cap(extent)}),
        (errors.ARGUMENT_ALIGNMENT, {"vbase": PAGE, "offset": 0}),
        (errors.ARGUMENT_SIZE, {"size": PAGE}),
        (errors.MEMEXTENT_TYPE, {"map_flags": 0}),
        (errors.ADDR_INVALID, {"vbase": IPA}),
    )
    assert last == (errors.OK,)


def test_update_access_checks_rights_before_alignment(world):
    extent = world.extent(pages=2, access=6)
    world.call("addrspace_map", **caps(world, extent), vbase=IPA, map_attrs=0xF0066)
    last = world.ladder(
        "addrspace_update_access",
        {**caps(world, extent), "vbase": 1, "access_attrs": 0x77 | 8},
        (errors.ARGUMENT_INVALID, {"access_attrs": 0x77}),
        (errors.ARGUMENT_INVALID, {"access_attrs": 0x44}),
        (errors.ARGUMENT_ALIGNMENT, {"vbase": PAGE}),
        (errors.ADDR_INVALID, {"vbase": IPA}),
    )
    assert last == (errors.OK,)
    assert world.addrspace.lookup(IPA, PAGE) == (extent.base, PAGE, 0xF0044)


def test_a_failed_update_leaves_the_old_rights(world):
    extent = world.extent(pages=2)
    world.call("addrspace_map", **caps(world, extent), vbase=IPA, map_attrs=NORMAL)
    world.partition.limit = world.partition.used
    assert world.error("addrspace_update_access", **caps(world, extent), vbase=IPA, access_attrs=0x44) == errors.NOMEM
    assert world.addrspace.lookup(IPA, PAGE) == (extent.base, PAGE, NORMAL)


def test_the_recorded_build_cannot_update_a_sparse_extent(world, sparse):
    world.call("addrspace_map", **caps(world, sparse), vbase=IPA, map_attrs=NORMAL)
    for flags in (0, PARTIAL):
        arguments = {**caps(world, sparse), "vbase": IPA, "access_attrs": 0x44, "map_flags": flags, "size": PAGE}
        assert world.error("addrspace_update_access", **arguments) == errors.ADDR_INVALID


def test_a_part_of_a_sparse_extent_is_mapped_and_unmapped(world, sparse):
    arguments = {**caps(world, sparse), "vbase": IPA, "map_flags": PARTIAL, "offset": PAGE, "size": 2 * PAGE}
    assert not world.error("addrspace_map", **arguments, map_attrs=NORMAL)
    assert world.addrspace.lookup(IPA, 8 * PAGE) == (sparse.base + PAGE, 2 * PAGE, NORMAL)
    inner = {**arguments, "vbase": IPA + PAGE, "offset": 2 * PAGE, "size": PAGE}
    assert not world.error("addrspace_unmap", **inner)
    assert world.error("addrspace_unmap", **inner) == errors.ADDR_INVALID
    assert world.addrspace.lookup(IPA, 8 * PAGE) == (sparse.base + PAGE, PAGE, NORMAL)


def test_a_sparse_extent_takes_one_slot_for_all_that_does_not_overlap(world, sparse):
    arguments = {**caps(world, sparse), "map_attrs": NORMAL, "map_flags": PARTIAL, "size": PAGE}
    for page in range(4):
        assert not world.error("addrspace_map", **arguments, vbase=IPA + 2 * page * PAGE, offset=page * PAGE)
    assert sum(slot is not None for slot in sparse.mappings.slots) == 1
    again = [world.error("addrspace_map", **arguments, vbase=IPA + 0x10_0000 * n, offset=0) for n in range(1, 5)]
    assert again == [0, 0, 0, errors.MEMEXTENT_MAPPINGS_FULL]


def test_a_sparse_mapping_may_be_wished_where_it_cannot_be_made(world):
    empty = world.extent(kind=SPARSE)
    arguments = {**caps(world, empty), "map_attrs": NORMAL}
    assert world.error("addrspace_map", **arguments, vbase=(1 << 48) - PAGE) == errors.ADDR_INVALID
    assert world.error("addrspace_map", **arguments, vbase=1 << 40) == errors.OK
    with pytest.raises(HypervisorFatal, match="wraps"):
        world.call("addrspace_map", **arguments, vbase=TOP - PAGE)


def test_a_sparse_extent_beyond_44_bits_cannot_be_mapped(world):
    extent = MemExtent(world.partition)
    extent.configure((1 << 44) - PAGE, 2 * PAGE, attributes(7, kind=SPARSE))
    arguments = caps(world, world.active(extent))
    assert world.error("addrspace_map", **arguments, vbase=IPA, map_attrs=NORMAL) == errors.ARGUMENT_SIZE


def test_mappings_cost_memory_and_give_it_back(world, sparse):
    arguments = {**caps(world, sparse), "map_flags": PARTIAL, "size": PAGE}
    before = world.partition.used
    places = [{"vbase": IPA + 2 * page * PAGE, "offset": page * PAGE} for page in range(4)]
    for place in places:
        world.call("addrspace_map", **arguments, **place, map_attrs=NORMAL)
    assert world.partition.used > before
    for place in places:
        world.call("addrspace_unmap", **arguments, **place)
    assert world.partition.used == before


def test_without_memory_nothing_is_mapped(world, sparse):
    extent = world.extent(offset=0x10000)
    basic, partial = caps(world, extent), caps(world, sparse)
    world.partition.limit = world.partition.used
    assert world.error("addrspace_map", **basic, vbase=IPA, map_attrs=NORMAL) == errors.NOMEM
    assert world.error("addrspace_map", **partial, vbase=IPA, map_attrs=NORMAL) == errors.NOMEM
    assert not len(world.addrspace.stage2)
    world.partition.limit = 1 << 30
    assert not world.error("addrspace_map", **basic, vbase=IPA, map_attrs=NORMAL)


def test_mappings_cannot_be_cut_without_end(world, sparse, monkeypatch):
    monkeypatch.setattr(memextent_mappings, "MAX_RANGES", 3)
    arguments = {**caps(world, sparse), "map_flags": PARTIAL, "size": PAGE}
    places = [{"vbase": IPA + 2 * page * PAGE, "offset": page * PAGE} for page in range(4)]
    answers = [world.error("addrspace_map", **arguments, **place, map_attrs=NORMAL) for place in places]
    assert answers == [0, 0, 0, errors.NOMEM]
    assert world.error("addrspace_unmap", **arguments, **places[0]) == errors.OK


def test_a_cut_takes_memory(world, sparse):
    whole = {**caps(world, sparse), "vbase": IPA}
    assert not world.error("addrspace_map", **whole, map_attrs=NORMAL)
    world.partition.limit = world.partition.used
    middle = {**whole, "vbase": IPA + PAGE, "map_flags": PARTIAL, "offset": PAGE, "size": PAGE}
    assert world.error("addrspace_unmap", **middle) == errors.NOMEM
    assert world.error("addrspace_unmap", **whole) == errors.OK


def test_stage_2_cannot_be_cut_without_end(world, sparse, monkeypatch):
    monkeypatch.setattr(addrspace, "MAX_STAGE2_RANGES", 2)
    arguments = {**caps(world, sparse), "map_flags": PARTIAL, "size": PAGE}
    places = [{"vbase": IPA + 2 * page * PAGE, "offset": page * PAGE} for page in range(3)]
    answers = [world.error("addrspace_map", **arguments, **place, map_attrs=NORMAL) for place in places]
    assert answers == [0, 0, errors.NOMEM]
    assert not world.error("addrspace_unmap", **arguments, **places[0])
    assert not world.error("addrspace_map", **arguments, **places[2], map_attrs=NORMAL)


def test_a_device_extent_maps_as_device_only(world):
    device = MemExtent(world.partition, device=True)
    device.configure(0x900_0000, PAGE, attributes(6, memtype=1))
    arguments = {**caps(world, world.active(device)), "vbase": 0x900_0000}
    assert world.error("addrspace_map", **arguments, map_attrs=0xF0066) == errors.ARGUMENT_INVALID
    assert world.error("addrspace_map", **arguments, map_attrs=DEVICE) == errors.OK
    assert world.addrspace.translate(0x900_0000) == (0x900_0000, "device")
