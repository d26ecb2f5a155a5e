"""Proxy scheduling: every way in which a vcpu_run ends, and what resumes it."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import ThreadRights
from gunyah_emu.hypervisor.thread import OPTION_PINNED, OPTION_PROXIED, Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.vpm_group import VpmGroup

READY, EXPECTS_WAKEUP, POWERED_OFF, BLOCKED, VMMIO_READ, VMMIO_WRITE, FAULT, SYSTEM_RESET = *range(7), 0x100
IPA = 0x900_0000


class EdgeCounter:
    def __init__(self):
        self.edges = []

    def connect(self, intid, level_check):
        self.level_check = level_check

    def disconnect(self, intid):
        pass

    def assert_edge(self, intid):
        self.edges.append(intid)


@pytest.fixture
def vcpu(world):
    vcpu = world.vcpu(group=world.active(VpmGroup(world.partition)))
    vic = world.active(Vic(world.partition, virqs=8))
    vic.set_controller(EdgeCounter())
    world.vic = vic
    world.run_cap = world.cap(vcpu)
    arguments = {"vcpu": world.run_cap, "vic": world.cap(vic), "virq": 32, "virq_type": 1}
    assert not world.error("vcpu_bind_virq", **arguments)
    world.platform.take()
    return vcpu


@pytest.fixture
def running(world, vcpu):
    """The vCPU executes, and the results of its scheduler's call will be in the list."""
    vcpu.power_on(0x1000, 0)
    world.platform.runs = True
    world.results = []
    world.caller.completed = world.results.append
    assert world.call("vcpu_run", cap_id=world.run_cap) is None
    assert vcpu.runnable
    return vcpu


def test_run_checks_capability_rights_and_whether_it_is_proxied(world, vcpu):
    weak = world.cap(vcpu, ThreadRights.AFFINITY)
    last = world.ladder(
        "vcpu_run",
        {"cap_id": world.null},
        (errors.CSPACE_CAP_NULL, {"cap_id": weak}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"cap_id": world.cap(world.vcpu())}),
        (errors.BUSY, {"cap_id": world.run_cap}),
    )
    assert last == (errors.OK, POWERED_OFF, 0, 0, 0)


def test_a_pinned_vcpu_is_run_from_its_core_only(world, vcpu):
    vcpu.power_on(0, 0)
    vcpu.options |= OPTION_PINNED
    vcpu.affinity = 5
    assert world.error("vcpu_run", cap_id=world.run_cap) == errors.DENIED
    world.caller.affinity = 5
    assert world.call("vcpu_run", cap_id=world.run_cap) == (errors.OK, READY, 0, 0, 0)


def test_where_nothing_runs_the_caller_goes_on_at_once(world, vcpu):
    vcpu.power_on(0, 0)
    assert world.call("vcpu_run", cap_id=world.run_cap) == (errors.OK, READY, 0, 0, 0)
    assert not vcpu.runnable


def test_one_scheduler_at_a_time(world, running):
    assert world.error("vcpu_run", cap_id=world.run_cap) == errors.BUSY


@pytest.mark.parametrize(
    ("happens", "state"),
    [
        (lambda vcpu: vcpu.slice_ended(), (READY, 0, 0, 0)),
        (lambda vcpu: vcpu.wfi(), (EXPECTS_WAKEUP, 0, 1, 0)),
        (lambda vcpu: vcpu.suspend(0x1_0003, 0, 0), (EXPECTS_WAKEUP, 0x1_0003, 2, 0)),
        (lambda vcpu: vcpu.power_off(last=True), (POWERED_OFF, 0, 0, 0)),
        (lambda vcpu: vcpu.kill(), (POWERED_OFF, 1, 0, 0)),
        (lambda vcpu: vcpu.fault(), (FAULT, 0, 0, 0)),
        (lambda vcpu: vcpu.vmmio_access(IPA, 4, None), (VMMIO_READ, IPA, 4, 0)),
        (lambda vcpu: vcpu.vmmio_access(IPA, 2, 0xAB), (VMMIO_WRITE, IPA, 2, 0xAB)),
    ],
)
def test_what_the_vcpu_does_ends_the_run(world, running, happens, state):
    happens(running)
    assert world.results == [(errors.OK, *state)]
    assert not running.runnable


def test_a_reset_is_reported_to_the_scheduler(world, running):
    running.reset_request = (1 << 63, 7)
    running.power_off(force=True)
    assert world.results == [(errors.OK, SYSTEM_RESET, 1 << 63, 7, 0)]


def test_the_answer_to_a_read_is_what_the_vcpu_reads(world, running):
    assert running.vmmio_access(IPA, 2, None) is None
    assert world.call("vcpu_run", cap_id=world.run_cap, resume_data_0=0x12345) is None
    assert running.vmmio_access(IPA, 2, None) == 0x2345
    assert running.vmmio_access(IPA, 2, None) is None


def test_a_write_is_answered_by_running_again(world, running):
    assert running.vmmio_access(IPA, 8, 5) is None
    assert world.call("vcpu_run", cap_id=world.run_cap) is None
    assert running.vmmio_access(IPA, 8, 5) == 0


def test_the_scheduler_hears_of_an_interrupt(world, running):
    edges = world.vic.controller.edges
    edges.clear()
    running.wfi()
    assert edges == []
    assert not running.wake()
    assert edges == [32]
    assert world.call("vcpu_run", cap_id=world.run_cap) is None


def test_the_scheduler_hears_of_power_on(world, vcpu):
    vcpu.power_on(0, 0)
    assert world.vic.controller.edges == [32]
    assert not world.vic.controller.level_check()


def test_a_vcpu_in_wfi_still_waits_when_it_is_run(world, running):
    running.wfi()
    assert world.call("vcpu_run", cap_id=world.run_cap) == (errors.OK, EXPECTS_WAKEUP, 0, 1, 0)


def test_check_is_busy_while_the_vcpu_may_execute_or_only_its_scheduler_holds_it(world, running):
    assert world.call("vcpu_run_check", cap_id=world.run_cap) == (errors.BUSY,)
    running.slice_ended()
    assert world.call("vcpu_run_check", cap_id=world.run_cap) == (errors.BUSY, BLOCKED, 0, 0, 0)
    running.fault()
    assert world.call("vcpu_run_check", cap_id=world.run_cap) == (errors.OK, FAULT, 0, 0, 0)


def test_check_needs_two_rights_and_no_proxy(world):
    plain = world.vcpu()
    weak = world.cap(plain, ThreadRights.STATE)
    assert world.error("vcpu_run_check", cap_id=weak) == errors.CSPACE_INSUFFICIENT_RIGHTS
    assert world.call("vcpu_run_check", cap_id=world.cap(plain)) == (errors.OK, POWERED_OFF, 0, 0, 0)
    plain.kill()
    assert world.call("vcpu_run_check", cap_id=world.cap(plain)) == (errors.OK, POWERED_OFF, 1, 0, 0)


def test_vmmio_ranges_are_for_proxied_vcpus(world, running):
    world.addrspace.add_vmmio_range(IPA, 0x100)
    assert running.is_vmmio(IPA, 4)
    assert not running.is_vmmio(IPA + 0x100, 4)
    assert not world.caller.is_vmmio(IPA, 4)


def test_an_option_makes_a_vcpu_proxied_from_the_start(world):
    thread = Thread(world.partition)
    thread.attach_addrspace(world.addrspace)
    world.cspace.retain()
    thread.cspace = world.cspace
    thread.options = OPTION_PROXIED
    world.active(thread)
    thread.power_on(0, 0)
    assert not thread.runnable


def test_a_scheduler_that_was_killed_gets_no_results(world, running):
    world.caller.kill()
    running.wfi()
    assert world.results == []


def test_a_vcpu_may_stop_before_the_machine_has_returned(world, vcpu):
    results = []
    world.caller.completed = results.append
    vcpu.power_on(0, 0)

    def run_to_the_end(_caller, target):
        target.wfi()
        return True

    world.platform.run_proxied = run_to_the_end
    assert world.call("vcpu_run", cap_id=world.run_cap) is None
    assert results == [(errors.OK, EXPECTS_WAKEUP, 0, 1, 0)]
