"""Memory extents: configuration, derivation, and where the memory is at every point of an extent's life."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import MemExtentRights
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent import BASIC, SPARSE, MemExtent, attributes, memtype_allowed
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.object import FAILED

PAGE = 0x1000
TOP = 1 << 64
RWX = 7
NORMAL = 0xF0077


def test_configure_checks_range_then_alignment_then_attributes(world):
    target = MemExtent(world.partition)
    cap = world.cap(target)
    last = world.ladder(
        "memextent_configure",
        {"memextent": cap, "phys_base": world.ram_base + 1, "size": 0, "attributes": 1 << 3},
        (errors.ARGUMENT_INVALID, {"size": TOP - 1}),
        (errors.ARGUMENT_INVALID, {"size": 0x801}),
        (errors.ARGUMENT_ALIGNMENT, {"phys_base": world.ram_base}),
        (errors.ARGUMENT_ALIGNMENT, {"size": PAGE}),
        (errors.ARGUMENT_INVALID, {"attributes": attributes(RWX)}),
    )
    assert last == (errors.OK,)
    assert (target.base, target.size, target.access, target.sparse) == (world.ram_base, PAGE, RWX, False)


@pytest.mark.parametrize(
    "attrs",
    [
        attributes(0),
        attributes(3),
        attributes(RWX, memtype=3),
        attributes(RWX, kind=2),
        attributes(RWX, kind=3),
        attributes(RWX) | 1 << 31,
        attributes(RWX) | 1 << 10,
        attributes(RWX) | 1 << 7,
    ],
)
def test_configure_refuses_attributes_that_mean_nothing(world, attrs):
    cap = world.cap(MemExtent(world.partition))
    arguments = {"memextent": cap, "phys_base": world.ram_base, "size": PAGE, "attributes": attrs}
    assert world.error("memextent_configure", **arguments) == errors.ARGUMENT_INVALID


def test_configure_is_for_extents_in_state_init(world):
    cap = world.cap(world.extent())
    assert world.error("memextent_configure", memextent=cap) == errors.OBJECT_STATE


def test_activation_takes_the_memory_and_death_returns_it(world):
    extent = world.extent()
    assert world.memory.owns(world.ram_base, 4 * PAGE, extent)
    extent.release()
    assert world.memory.owns(world.ram_base, world.ram_size, world.partition)


def test_memory_has_one_owner(world):
    world.extent()
    second = MemExtent(world.partition)
    second.configure(world.ram_base + 3 * PAGE, 2 * PAGE, attributes(RWX))
    assert second.activate() == errors.MEMDB_NOT_OWNER
    assert second.state == FAILED
    second.release()


def test_an_extent_that_was_never_configured_cannot_be_activated(world):
    assert MemExtent(world.partition).activate() == errors.OBJECT_CONFIG


def test_a_sparse_extent_starts_empty(world):
    extent = world.extent(kind=SPARSE)
    assert extent.owned() == []


def test_a_device_extent_takes_what_nobody_has(world):
    device = MemExtent(world.partition, device=True)
    device.configure(0x900_0000, PAGE, attributes(6, memtype=1))
    assert device.activate() == errors.OK
    assert device.owned() == [(0x900_0000, 0x900_1000)]


def test_derive_checks_in_order(world):
    parent = world.extent(access=6, memtype=2)
    child = MemExtent(world.partition)
    last = world.ladder(
        "memextent_configure_derive",
        {
            "memextent": world.null,
            "parent_memextent": world.null,
            "offset": 4 * PAGE + 1,
            "size": 0,
            "attributes": attributes(RWX, memtype=1) | 8,
        },
        (errors.CSPACE_CAP_NULL, {"parent_memextent": world.cap(parent, ~MemExtentRights.DERIVE & 0xFF)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"parent_memextent": world.cap(parent)}),
        (errors.CSPACE_CAP_NULL, {"memextent": world.cap(child)}),
        (errors.ARGUMENT_INVALID, {"size": TOP - 1}),
        (errors.ARGUMENT_INVALID, {"size": PAGE}),
        (errors.ADDR_INVALID, {"offset": 3 * PAGE + 1}),
        (errors.ADDR_INVALID, {"offset": 2 * PAGE + 1}),
        (errors.ARGUMENT_ALIGNMENT, {"offset": 2 * PAGE}),
        (errors.ARGUMENT_INVALID, {"attributes": attributes(RWX, memtype=1)}),
        (errors.ARGUMENT_INVALID, {"attributes": attributes(6, memtype=1)}),
        (errors.ARGUMENT_INVALID, {"attributes": attributes(6, memtype=2)}),
    )
    assert last == (errors.OK,)
    assert child.parent is parent


def derive(world, parent, offset, pages, access=RWX, kind=BASIC):
    child = MemExtent(world.partition)
    assert not child.configure_derive(parent, offset * PAGE, pages * PAGE, attributes(access, kind=kind))
    return child


def test_a_basic_child_takes_its_memory_and_gives_it_back(world):
    parent = world.extent()
    child = world.active(derive(world, parent, 1, 2))
    assert parent.owned() == [
        (world.ram_base, world.ram_base + PAGE),
        (world.ram_base + 3 * PAGE, world.ram_base + 4 * PAGE),
    ]
    child.release()
    assert parent.owned() == [(world.ram_base, world.ram_base + 4 * PAGE)]
    assert not parent.children


def test_siblings_cannot_overlap(world):
    parent = world.extent()
    world.active(derive(world, parent, 0, 2))
    assert derive(world, parent, 1, 2).activate() == errors.MEMDB_NOT_OWNER


def test_a_child_keeps_its_parent_alive(world):
    parent = world.extent()
    child = world.active(derive(world, parent, 0, 1))
    parent.release()
    assert world.memory.owner(world.ram_base + PAGE) is parent
    child.release()
    assert world.memory.owns(world.ram_base, world.ram_size, world.partition)


def test_a_child_inherits_the_mapping_with_its_own_rights(world):
    parent = world.extent()
    assert not map_extent(parent, world.addrspace, 0x8000_0000, NORMAL)
    child = world.active(derive(world, parent, 1, 1, access=4))
    assert world.addrspace.lookup(0x8000_1000, PAGE) == (world.ram_base + PAGE, PAGE, 0xF0044)
    assert world.addrspace.translate(0x8000_1000, write=True) is None
    child.release()
    assert world.addrspace.lookup(0x8000_0000, 4 * PAGE) == (world.ram_base, 4 * PAGE, NORMAL)


def test_a_sparse_child_of_a_sparse_parent_has_wishes_and_no_memory(world):
    parent = world.extent(kind=SPARSE)
    assert not map_extent(parent, world.addrspace, 0x8000_0000, NORMAL)
    child = world.active(derive(world, parent, 1, 1, kind=SPARSE))
    assert child.owned() == []
    assert len(child.mappings.current(child.base)) == 1


def test_a_basic_child_needs_one_mapping_of_all_of_it(world):
    parent = world.extent(kind=SPARSE)
    world.memory.transfer(world.ram_base, 4 * PAGE, parent, world.partition)
    arguments = {"addrspace": world.cap(world.addrspace), "memextent": world.cap(parent), "vbase": 0x8000_0000}
    assert not world.error("addrspace_map", **arguments, map_attrs=NORMAL, map_flags=1, offset=0, size=PAGE)
    child = derive(world, parent, 0, 2)
    assert child.activate() == errors.DENIED
    assert parent.owned() == [(world.ram_base, world.ram_base + 4 * PAGE)]


def test_a_parent_that_the_hypervisor_uses_cannot_be_derived_from(world):
    parent = world.extent()
    assert parent.attach(PAGE) == errors.OK
    assert derive(world, parent, 0, 1).activate() == errors.BUSY


def test_a_derived_range_that_wraps_stops_the_hypervisor_at_activation(world):
    parent = world.extent()
    child = MemExtent(world.partition)
    assert child.configure_derive(parent, PAGE, TOP - PAGE, attributes(RWX)) == errors.OK
    with pytest.raises(HypervisorFatal, match="wraps"):
        child.activate()


@pytest.mark.parametrize(
    ("prepare", "error"),
    [
        (lambda world: world.extent(access=4), errors.DENIED),
        (lambda world: world.extent(pages=1, kind=SPARSE), errors.MEMEXTENT_TYPE),
    ],
)
def test_the_hypervisor_attaches_only_what_it_can_use(world, prepare, error):
    assert prepare(world).attach(PAGE) == error


def test_an_extent_with_children_cannot_be_attached(world):
    parent = world.extent()
    world.active(derive(world, parent, 0, 1))
    assert parent.attach(PAGE) == errors.BUSY
    assert parent.attach(8 * PAGE) == errors.ARGUMENT_SIZE


@pytest.mark.parametrize("memtype", range(20))
def test_memory_types_have_gaps(memtype):
    assert memtype_allowed(0, memtype) == (memtype < 16 and memtype not in (4, 8, 12))
    assert memtype_allowed(1, memtype) == (memtype < 4)
    assert memtype_allowed(2, memtype) == (memtype < 4 or memtype == 5)


def test_a_machine_that_goes_on_after_a_stop_has_lost_no_memory(world):
    parent = world.extent()
    assert not map_extent(parent, world.addrspace, 0x8000_0000, NORMAL)
    child = derive(world, parent, 1, 1, access=1)
    with pytest.raises(HypervisorFatal, match="cannot express"):
        child.activate()
    assert parent.owned() == [(world.ram_base, world.ram_base + 4 * PAGE)]
    assert world.addrspace.lookup(0x8000_0000, 4 * PAGE) == (world.ram_base, 4 * PAGE, NORMAL)
    child.release()
    assert not parent.children
