"""The hypercalls on address spaces: the order of their checks."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import AddrSpaceRights
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.memextent import SPARSE
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic

PAGE = 0x1000
TOP = 1 << 64
IPA = 0x8000_0000
NORMAL = 0xF0077


def test_attach_thread_looks_at_the_thread_first_and_at_its_state_last(world):
    thread = Thread(world.partition)
    last = world.ladder(
        "addrspace_attach_thread",
        {"addrspace": world.null, "thread": world.null},
        (errors.CSPACE_CAP_NULL, {"thread": world.cap(world.addrspace)}),
        (errors.CSPACE_WRONG_OBJECT_TYPE, {"thread": world.cap(world.caller)}),
        (errors.CSPACE_CAP_NULL, {"addrspace": world.cap(world.addrspace)}),
        (errors.OBJECT_STATE, {"thread": world.cap(thread)}),
    )
    assert last == (errors.OK,)
    assert thread.addrspace is world.addrspace


def test_eight_threads_share_an_address_space(world):
    space = world.cap(world.addrspace)
    threads = [world.cap(Thread(world.partition)) for _ in range(8)]
    answers = [world.error("addrspace_attach_thread", addrspace=space, thread=thread) for thread in threads]
    assert answers == [errors.OK] * 7 + [errors.NOMEM]
    for thread in threads:
        world.call("cspace_delete_cap_from", cspace=world.cap(world.cspace), cap=thread)
    assert world.addrspace.threads == 1


def test_a_thread_that_is_attached_again_leaves_the_first_place(world):
    other = world.active(Addrspace(world.partition, vmid=3))
    thread = Thread(world.partition)
    assert not thread.attach_addrspace(world.addrspace)
    assert not thread.attach_addrspace(other)
    assert (world.addrspace.threads, other.threads) == (1, 1)


def test_configure_takes_a_vmid_of_eight_bits(world):
    space = Addrspace(world.partition)
    cap = world.cap(space)
    last = world.ladder(
        "addrspace_configure",
        {"addrspace": cap, "vmid": 0},
        (errors.ARGUMENT_INVALID, {"vmid": 256}),
        (errors.ARGUMENT_INVALID, {"vmid": 0x1_00FF}),
    )
    assert last == (errors.OK,)
    assert space.vmid == 255
    world.call("addrspace_configure", addrspace=cap, vmid=4)
    world.active(space)
    assert world.error("addrspace_configure", addrspace=cap, vmid=4) == errors.OBJECT_STATE


def test_vdma_is_never_attached(world):
    cap = world.cap(world.addrspace)
    assert world.error("addrspace_attach_vdma", addrspace=cap) == errors.CSPACE_WRONG_OBJECT_TYPE
    weak = world.cap(world.addrspace, AddrSpaceRights.MAP)
    assert world.error("addrspace_attach_vdma", addrspace=weak) == errors.CSPACE_INSUFFICIENT_RIGHTS


def test_lookup_checks_size_then_overflow_then_alignment_then_mapping_then_owner(world):
    extent, other = world.extent(pages=2), world.extent(offset=0x10000, pages=1)
    assert not map_extent(extent, world.addrspace, IPA, NORMAL)
    last = world.ladder(
        "addrspace_lookup",
        {"addrspace": world.null, "memextent": world.null, "vbase": TOP - PAGE + 1, "size": 0},
        (errors.CSPACE_CAP_NULL, {"addrspace": world.cap(world.addrspace)}),
        (errors.CSPACE_CAP_NULL, {"memextent": world.cap(other)}),
        (errors.ARGUMENT_SIZE, {"size": 2 * PAGE}),
        (errors.ADDR_OVERFLOW, {"vbase": 1}),
        (errors.ARGUMENT_ALIGNMENT, {"vbase": 0}),
        (errors.ADDR_INVALID, {"vbase": IPA}),
        (errors.MEMDB_NOT_OWNER, {"memextent": world.cap(extent)}),
    )
    assert last == (errors.OK, 0, 2 * PAGE, NORMAL)


def test_lookup_ends_where_the_mapping_changes(world):
    extent, other = world.extent(pages=2), world.extent(offset=2 * PAGE, pages=1)
    assert not map_extent(extent, world.addrspace, IPA, NORMAL)
    assert not map_extent(other, world.addrspace, IPA + 2 * PAGE, 0xF0066)
    arguments = {"addrspace": world.cap(world.addrspace), "memextent": world.cap(extent)}
    assert world.call("addrspace_lookup", **arguments, vbase=IPA + PAGE, size=4 * PAGE) == (0, PAGE, PAGE, NORMAL)


def test_info_area_checks_in_order(world):
    space = Addrspace(world.partition, vmid=9)
    last = world.ladder(
        "addrspace_configure_info_area",
        {"addrspace": world.null, "info_area_me": world.null, "ipa": 1},
        (errors.CSPACE_CAP_NULL, {"addrspace": world.cap(world.addrspace)}),
        (errors.CSPACE_CAP_NULL, {"info_area_me": world.cap(world.extent(pages=2))}),
        (errors.OBJECT_STATE, {"addrspace": world.cap(space)}),
        (errors.ARGUMENT_INVALID, {"info_area_me": world.cap(world.extent(offset=0x10000, pages=1, access=4))}),
        (errors.ADDR_INVALID, {"ipa": 1 << 36}),
        (errors.ADDR_INVALID, {"ipa": IPA}),
        (errors.ARGUMENT_INVALID, {"info_area_me": world.cap(world.extent(offset=0x20000, pages=1, kind=SPARSE))}),
        (errors.ARGUMENT_INVALID, {"info_area_me": world.cap(world.extent(offset=0x30000, pages=1, memtype=2))}),
        (errors.ARGUMENT_INVALID, {"info_area_me": world.cap(world.extent(offset=0x40000, pages=1))}),
    )
    assert last == (errors.OK,)


def test_vmmio_checks_in_order(world):
    cap = world.cap(world.addrspace)
    failed = Addrspace(world.partition)
    failed.activate()
    last = world.ladder(
        "addrspace_configure_vmmio",
        {"addrspace": world.cap(failed), "vbase": TOP - PAGE, "size": 0, "op": 2},
        (errors.OBJECT_STATE, {"addrspace": cap}),
        (errors.UNIMPLEMENTED, {"op": 0}),
        (errors.ARGUMENT_SIZE, {"size": PAGE}),
        (errors.ADDR_OVERFLOW, {"vbase": 1 << 52}),
        (errors.ARGUMENT_SIZE, {"vbase": IPA}),
    )
    assert last == (errors.OK,)
    arguments = {"addrspace": cap, "vbase": IPA - 8, "size": 16}
    assert world.error("addrspace_configure_vmmio", **arguments) == errors.BUSY
    assert world.error("addrspace_configure_vmmio", **{**arguments, "vbase": IPA}, op=1) == errors.BUSY


def test_a_guest_cannot_add_ranges_without_end(world):
    cap = world.cap(world.addrspace)
    answers = [
        world.error("addrspace_configure_vmmio", addrspace=cap, vbase=IPA + page * PAGE, size=PAGE)
        for page in range(129)
    ]
    assert answers == [errors.OK] * 128 + [errors.NORESOURCES]


def test_an_access_must_lie_in_one_vmmio_range(world):
    world.addrspace.add_vmmio_range(IPA, 0x100)
    world.addrspace.add_vmmio_range(IPA + 0x100, 0x100)
    assert world.addrspace.is_vmmio(IPA + 0xFC, 4)
    assert not world.addrspace.is_vmmio(IPA + 0xFC, 8)
    assert not world.addrspace.is_vmmio(IPA - 4, 4)


@pytest.fixture
def vic(world):
    vic = world.active(Vic(world.partition, vcpus=2, virqs=64))
    world.vcpu(vic=vic, index=0)
    return vic


def test_attach_vdevice_checks_index_then_flags_then_use_then_range(world, vic):
    arguments = {"addrspace": world.cap(world.addrspace), "vdevice": world.cap(vic), "size": 0x10000}
    last = world.ladder(
        "addrspace_attach_vdevice",
        {**arguments, "index": 3, "vbase": TOP - PAGE, "flags": 1 << 63},
        (errors.ARGUMENT_INVALID, {"index": 0}),
        (errors.ARGUMENT_INVALID, {"flags": 1}),
        (errors.ARGUMENT_INVALID, {"flags": 0}),
        (errors.ARGUMENT_INVALID, {"vbase": 1 << 44}),
        (errors.ARGUMENT_SIZE, {"vbase": 0x800_0000}),
    )
    assert last == (errors.OK,)
    assert world.error("addrspace_attach_vdevice", **arguments, vbase=0x700_0000) == errors.BUSY


def test_a_redistributor_is_its_vcpus(world, vic):
    arguments = {"addrspace": world.cap(world.addrspace), "vdevice": world.cap(vic), "size": 0x20000}
    last = world.ladder(
        "addrspace_attach_vdevice",
        {**arguments, "index": 2, "vbase": 0x80A_0000, "flags": 4},
        (errors.ARGUMENT_INVALID, {"flags": 0}),
        (errors.IDLE, {"index": 1}),
    )
    assert last == (errors.OK,)
    assert world.error("addrspace_attach_vdevice", **arguments, index=1, vbase=0x90A_0000) == errors.BUSY
    assert vic.vcpus[0].gicr.last is False


def test_two_devices_cannot_overlap(world, vic):
    arguments = {"addrspace": world.cap(world.addrspace), "vdevice": world.cap(vic)}
    assert not world.error("addrspace_attach_vdevice", **arguments, index=0, vbase=0x800_0000, size=0x10000)
    overlapping = {**arguments, "index": 1, "vbase": 0x800_F000, "size": 0x20000}
    assert world.error("addrspace_attach_vdevice", **overlapping) == errors.BUSY


@pytest.mark.parametrize(("flags", "last"), [(0, True), (1, False), (3, True), (2, True)])
def test_the_last_redistributor_is_marked_by_flag_or_by_index(world, vic, flags, last):
    vcpu = world.vcpu(vic=vic, index=1)
    arguments = {"addrspace": world.cap(world.addrspace), "vdevice": world.cap(vic), "size": 0x20000}
    assert not world.error("addrspace_attach_vdevice", **arguments, index=2, vbase=0x80C_0000, flags=flags)
    assert vcpu.gicr.last is last
