"""The calls that advise the scheduler: the order of their checks, and that only a yield reaches the machine."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import ThreadRights
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.thread import OPTION_PINNED, Thread

ANY, TO_THREAD, LOWER = 0, 1, 2


def test_yield_to_anybody_and_to_a_thread(world):
    other = world.vcpu()
    assert world.error("scheduler_yield", control=ANY, arg1=world.null) == errors.OK
    assert world.error("scheduler_yield", control=TO_THREAD, arg1=world.cap(other)) == errors.OK
    assert world.error("scheduler_yield", control=TO_THREAD, arg1=world.cap(world.caller)) == errors.OK
    assert world.platform.take() == [("yielded", world.caller, None), ("yielded", world.caller, other)]


@pytest.mark.parametrize("control", [LOWER, 7, 1 << 31, 1 << 31 | TO_THREAD])
def test_unknown_hints_are_refused_before_the_capability(world, control):
    assert world.error("scheduler_yield", control=control, arg1=world.null) == errors.ARGUMENT_INVALID


def test_bits_between_the_hint_and_impl_def_do_not_count(world):
    assert world.error("scheduler_yield", control=0x7FFF_0000) == errors.OK


def test_yield_to_a_thread_checks_the_capability(world):
    last = world.ladder(
        "scheduler_yield",
        {"control": TO_THREAD, "arg1": world.null},
        (errors.CSPACE_CAP_NULL, {"arg1": world.cap(world.addrspace)}),
        (errors.CSPACE_WRONG_OBJECT_TYPE, {"arg1": world.cap(world.vcpu(), ThreadRights.POWER)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"arg1": world.cap(Thread(world.partition))}),
        (errors.OBJECT_STATE, {"arg1": world.cap(world.vcpu())}),
    )
    assert last == (errors.OK,)


def test_a_core_that_does_not_exist_stops_the_hypervisor_before_anything_else(world):
    with pytest.raises(HypervisorFatal, match="core 8"):
        world.call("vcpu_set_affinity", cap_id=world.null, affinity=8)
    assert world.error("vcpu_set_affinity", cap_id=world.null, affinity=0x1_0000) == errors.CSPACE_CAP_NULL


def test_no_core_at_all_takes_another_right(world):
    thread = Thread(world.partition)
    weak = world.cap(thread, ThreadRights.AFFINITY)
    assert world.error("vcpu_set_affinity", cap_id=weak, affinity=0xFFFF) == errors.CSPACE_INSUFFICIENT_RIGHTS
    assert world.error("vcpu_set_affinity", cap_id=weak, affinity=3) == errors.OK
    assert world.error("vcpu_set_affinity", cap_id=world.cap(thread), affinity=0xFFFF) == errors.OK


def test_a_pinned_vcpu_stays_on_its_core(world):
    world.caller.affinity = 1
    world.caller.options |= OPTION_PINNED
    cap = world.cap(world.caller)
    assert world.error("vcpu_set_affinity", cap_id=cap, affinity=2) == errors.DENIED
    assert world.error("vcpu_set_affinity", cap_id=cap, affinity=1) == errors.OK


def test_a_failed_thread_has_no_core(world):
    thread = Thread(world.partition)
    thread.activate()
    assert world.error("vcpu_set_affinity", cap_id=world.cap(thread)) == errors.OBJECT_STATE


def test_priority_is_checked_before_the_state(world):
    thread = Thread(world.partition)
    last = world.ladder(
        "vcpu_set_priority",
        {"cap_id": world.null, "priority": 63},
        (errors.CSPACE_CAP_NULL, {"cap_id": world.cap(world.caller, ThreadRights.POWER)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"cap_id": world.cap(world.caller)}),
        (errors.DENIED, {"priority": 62}),
        (errors.OBJECT_STATE, {"cap_id": world.cap(thread)}),
    )
    assert last == (errors.OK,)
    assert thread.priority == 62


def test_timeslice_is_checked_after_the_state(world):
    thread = Thread(world.partition)
    last = world.ladder(
        "vcpu_set_timeslice",
        {"cap_id": world.null, "timeslice": 99_999},
        (errors.CSPACE_CAP_NULL, {"cap_id": world.cap(world.caller)}),
        (errors.OBJECT_STATE, {"cap_id": world.cap(thread)}),
        (errors.ARGUMENT_INVALID, {"timeslice": 100_000_001}),
        (errors.ARGUMENT_INVALID, {"timeslice": 100_000_000}),
    )
    assert last == (errors.OK,)
    assert thread.timeslice == 100_000_000
