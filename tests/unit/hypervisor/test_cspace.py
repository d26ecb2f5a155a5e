"""Capabilities: which errors come, in which order, and what becomes of ids."""

import pytest

from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    CSPACE_CAP_NULL,
    CSPACE_CAP_REVOKED,
    CSPACE_FULL,
    CSPACE_INSUFFICIENT_RIGHTS,
    CSPACE_WRONG_OBJECT_TYPE,
    NOMEM,
    OBJECT_CONFIG,
    OBJECT_STATE,
    OK,
    UNIMPLEMENTED,
)
from gunyah_emu.abi.rights import ACTIVATE, CSpaceRights, DoorbellRights
from gunyah_emu.hypervisor.cspace import MAX_CAPS, CSpace
from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.object import DESTROYED, FAILED
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.hypervisor.thread import Thread

MINUS_ONE = 0xFFFF_FFFF_FFFF_FFFF


def doorbell(world):
    return world.active(Doorbell(world.partition))


@pytest.mark.parametrize("wild", [0, 1, 2, 0x1234, 0x7FFF_FFFF, 0xFFFF_FFFF_0000_0000, MINUS_ONE])
def test_a_wild_id_does_not_decode(world, wild):
    assert world.error("doorbell_send", doorbell=wild, new_flags=1) == ARGUMENT_INVALID


def test_an_id_of_another_cspace_does_not_decode(world):
    other = CSpace(world.partition, max_caps=10)
    foreign = other.insert(doorbell(world))
    assert world.error("doorbell_send", doorbell=foreign, new_flags=1) == ARGUMENT_INVALID


def test_an_id_cut_to_32_bits_does_not_decode(world):
    cap = world.cap(doorbell(world))
    assert world.error("doorbell_send", doorbell=cap & 0xFFFF_FFFF) == ARGUMENT_INVALID


def test_look_up_checks_in_the_recorded_order(world):
    other = world.cap(doorbell(world), DoorbellRights.RECEIVE)
    inactive = world.cap(Doorbell(world.partition))
    right = world.cap(doorbell(world))
    world.ladder(
        "doorbell_send",
        {"doorbell": 1},
        (ARGUMENT_INVALID, {"doorbell": world.null}),
        (CSPACE_CAP_NULL, {"doorbell": world.cap(world.cspace)}),
        (CSPACE_WRONG_OBJECT_TYPE, {"doorbell": other}),
        (CSPACE_INSUFFICIENT_RIGHTS, {"doorbell": inactive}),
        (OBJECT_STATE, {"doorbell": right}),
    )


def test_configuring_checks_rights_before_type(world):
    poor = world.cap(doorbell(world), DoorbellRights.SEND)
    active = world.cap(world.active(CSpace(world.partition, max_caps=1)))
    world.ladder(
        "cspace_configure",
        {"cspace": world.null, "max_caps": MAX_CAPS + 1},
        (CSPACE_CAP_NULL, {"cspace": poor}),
        (CSPACE_INSUFFICIENT_RIGHTS, {"cspace": world.cap(doorbell(world))}),
        (CSPACE_WRONG_OBJECT_TYPE, {"cspace": active}),
        (OBJECT_STATE, {"cspace": world.cap(CSpace(world.partition))}),
        (ARGUMENT_INVALID, {"max_caps": MAX_CAPS}),
    )


def test_a_cspace_for_nothing_fails_to_activate_for_good(world):
    cspace = CSpace(world.partition)
    cap = world.cap(cspace)
    assert world.error("cspace_configure", cspace=cap, max_caps=0) == OK
    assert world.error("object_activate", cap=cap) == OBJECT_CONFIG
    assert cspace.state == FAILED
    assert world.error("cspace_configure", cspace=cap, max_caps=1) == OBJECT_STATE
    assert world.error("object_activate", cap=cap) == OBJECT_STATE


def test_copying_checks_in_the_recorded_order(world):
    own = world.cap(world.cspace)
    full = world.active(CSpace(world.partition, max_caps=1))
    full.insert(doorbell(world))
    poor = world.cap(world.cspace, CSpaceRights.CAP_DELETE)
    good = world.cap(doorbell(world), DoorbellRights.SEND)
    results = world.ladder(
        "cspace_copy_cap_from",
        {"src_cspace": poor, "src_cap": world.null, "dest_cspace": poor, "rights_mask": DoorbellRights.RECEIVE},
        (CSPACE_INSUFFICIENT_RIGHTS, {"src_cspace": own}),
        (CSPACE_INSUFFICIENT_RIGHTS, {"dest_cspace": world.cap(CSpace(world.partition))}),
        (OBJECT_STATE, {"dest_cspace": world.cap(full)}),
        (CSPACE_FULL, {"dest_cspace": own}),
        (CSPACE_CAP_NULL, {"src_cap": good}),
        (CSPACE_INSUFFICIENT_RIGHTS, {"rights_mask": 0xFFFF_FFFF_FFFF_FFFF}),
    )
    assert results is not None
    copy = world.cspace.table[results[1]]
    assert copy.rights == DoorbellRights.SEND
    assert not copy.master


def test_a_revoked_capability_keeps_its_slot_until_it_is_deleted(world):
    own, master = world.cap(world.cspace), world.cap(doorbell(world))
    everything = 0xFFFF_FFFF
    _, copy = world.call(
        "cspace_copy_cap_from", src_cspace=own, src_cap=master, dest_cspace=own, rights_mask=everything
    )
    assert world.error("cspace_revoke_caps_from", src_cspace=own, master_cap=copy) == CSPACE_INSUFFICIENT_RIGHTS
    assert world.error("cspace_revoke_caps_from", src_cspace=own, master_cap=master) == OK
    assert world.error("doorbell_send", doorbell=copy) == CSPACE_CAP_REVOKED
    assert world.error("cspace_revoke_caps_from", src_cspace=own, master_cap=copy) == CSPACE_CAP_REVOKED
    assert world.error("object_activate", cap=copy) == CSPACE_CAP_REVOKED
    assert world.error("cspace_delete_cap_from", cspace=own, cap=copy) == OK
    assert world.error("doorbell_send", doorbell=copy) == CSPACE_CAP_NULL
    assert world.error("doorbell_send", doorbell=master) == OK


def test_a_deleted_master_leaves_its_copies_working(world):
    own, target = world.cap(world.cspace), doorbell(world)
    master = world.cap(target)
    copy = world.cap(target, DoorbellRights.SEND)
    assert world.error("cspace_delete_cap_from", cspace=own, cap=master) == OK
    assert world.error("doorbell_send", doorbell=copy) == OK
    assert world.error("cspace_delete_cap_from", cspace=own, cap=copy) == OK
    assert target.state == DESTROYED


def test_slots_are_used_again_lowest_first(world):
    own = world.cap(world.cspace)
    ids = [world.cap(doorbell(world)) for _ in range(4)]
    for cap in (ids[2], ids[0]):
        assert world.error("cspace_delete_cap_from", cspace=own, cap=cap) == OK
    assert [world.cap(doorbell(world)) for _ in range(3)] == [ids[0], ids[2], ids[3] + 1]


def test_a_cspace_that_dies_takes_its_capabilities_along(world):
    own = world.cap(world.cspace)
    before = world.partition.used
    cspace = world.active(CSpace(world.partition, max_caps=10))
    target = doorbell(world)
    cspace.insert(target)
    cap = world.cap(cspace)
    assert world.error("cspace_delete_cap_from", cspace=own, cap=cap) == OK
    assert target.state == DESTROYED
    assert world.partition.used == before


def test_attaching_looks_at_the_thread_first(world):
    thread, cspace = Thread(world.partition), world.active(CSpace(world.partition, max_caps=1))
    world.ladder(
        "cspace_attach_thread",
        {"cspace": 1, "thread": 2},
        (ARGUMENT_INVALID, {"thread": world.null}),
        (CSPACE_CAP_NULL, {"thread": world.cap(doorbell(world))}),
        (CSPACE_WRONG_OBJECT_TYPE, {"thread": world.cap(world.caller)}),
        (ARGUMENT_INVALID, {"cspace": world.cap(cspace)}),
        (OBJECT_STATE, {"thread": world.cap(thread)}),
    )
    assert thread.cspace is cspace


def test_single_revocation_is_unimplemented(world):
    assert world.call("cspace_revoke_cap_from", src_cspace=1, src_cap=2) == (UNIMPLEMENTED,)


def test_activate_from_reads_the_id_in_the_other_cspace(world):
    other, target = world.active(CSpace(world.partition, max_caps=10)), Doorbell(world.partition)
    there, cspace = other.insert(target), world.cap(other)
    powerless = other.insert(target, DoorbellRights.SEND)
    world.ladder(
        "object_activate_from",
        {"cspace": cspace, "cap": world.cap(target)},
        (ARGUMENT_INVALID, {"cap": powerless}),
        (CSPACE_INSUFFICIENT_RIGHTS, {"cap": there}),
    )
    assert world.error("object_activate_from", cspace=cspace, cap=there) == OBJECT_STATE


def test_creating_stops_at_the_partitions_limit():
    hypervisor = Hypervisor(QuietPlatform(), partition_limit=10_000)
    partition = hypervisor.root_partition
    cspace = CSpace(partition, max_caps=1000)
    cspace.activate()

    class Caller:
        pass

    caller = Caller()
    caller.cspace = cspace
    own = cspace.insert(cspace), cspace.insert(partition)
    errors = [hypervisor.calls[0x06](caller, own[1], own[0], 0) for _ in range(50)]
    assert errors[-1] == NOMEM
    assert partition.used <= 10_000


@pytest.mark.parametrize("mode", ["sequential", "random"])
def test_both_kinds_of_ids_refuse_alike(mode):
    hypervisor = Hypervisor(QuietPlatform(), capability_ids=mode)
    cspaces = [CSpace(hypervisor.root_partition, max_caps=100) for _ in range(2)]
    first, second = (cspace.insert(Doorbell(hypervisor.root_partition)) for cspace in cspaces)
    refusal = cspaces[0].refusal
    assert refusal(first, Doorbell, ACTIVATE, 0) == OK
    assert refusal(second, Doorbell, ACTIVATE, 0) == ARGUMENT_INVALID
    assert refusal(cspaces[0].table.ids.encode(77), Doorbell, ACTIVATE, 0) == CSPACE_CAP_NULL
    assert all(refusal(wild, Doorbell, ACTIVATE, 0) == ARGUMENT_INVALID for wild in (0, 1, 0x1234, MINUS_ONE))


def test_a_chain_of_cspaces_dies_without_a_stack(world):
    """Each cspace holds the only capability to the next; letting go of the first ends them all."""
    own = world.cap(world.cspace)
    before = world.partition.used
    first = last = world.active(CSpace(world.partition, max_caps=2))
    cap = world.cap(first)
    for _ in range(3000):
        following = world.active(CSpace(world.partition, max_caps=2))
        last.insert(following)
        last = following
    assert world.error("cspace_delete_cap_from", cspace=own, cap=cap) == OK
    assert last.state == DESTROYED
    assert world.partition.used == before
