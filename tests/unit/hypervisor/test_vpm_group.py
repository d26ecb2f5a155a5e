"""vpm groups: who is on, who is awake, and the order of the checks."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.vpm_group import VpmGroup

RUNNING, CPUS_SUSPENDED = 1, 2


@pytest.fixture
def group(world):
    return world.active(VpmGroup(world.partition))


def test_attach_checks_group_then_thread_then_state_then_index(world, group):
    thread = Thread(world.partition)
    last = world.ladder(
        "vpm_group_attach_vcpu",
        {"vpm_group": world.null, "vcpu": world.null, "index": 8},
        (errors.CSPACE_CAP_NULL, {"vpm_group": world.cap(VpmGroup(world.partition))}),
        (errors.OBJECT_STATE, {"vpm_group": world.cap(group)}),
        (errors.CSPACE_CAP_NULL, {"vcpu": world.cap(group)}),
        (errors.CSPACE_WRONG_OBJECT_TYPE, {"vcpu": world.cap(world.caller)}),
        (errors.OBJECT_STATE, {"vcpu": world.cap(thread)}),
        (errors.ARGUMENT_INVALID, {"index": 0x1_0007}),
    )
    assert last == (errors.OK,)
    assert thread.vpm_index == 7


def test_configure_refuses_unknown_flags_as_unimplemented(world, group):
    new = VpmGroup(world.partition)
    last = world.ladder(
        "vpm_group_configure",
        {"vpm_group": world.null, "flags": 2},
        (errors.UNIMPLEMENTED, {"flags": 1}),
        (errors.CSPACE_CAP_NULL, {"vpm_group": world.cap(group)}),
        (errors.OBJECT_STATE, {"vpm_group": world.cap(new)}),
    )
    assert last == (errors.OK,)
    assert not new.aggregates


def state(world, group):
    error, value = world.call("vpm_group_get_state", vpm_group=world.cap(group))
    assert not error
    return value


def test_a_group_runs_while_a_vcpu_is_awake(world, group):
    assert state(world, group) == CPUS_SUSPENDED
    first, second = world.vcpu(group=group), world.vcpu(group=group, index=1)
    first.power_on(0, 0)
    second.power_on(0, 0)
    first.suspend(1, 0, 0)
    assert state(world, group) == RUNNING
    second.power_off()
    assert state(world, group) == CPUS_SUSPENDED
    first.wake()
    assert state(world, group) == RUNNING
    first.kill()
    assert state(world, group) == CPUS_SUSPENDED


def test_a_power_state_of_zero_is_awake(world, group):
    vcpu = world.vcpu(group=group)
    vcpu.power_on(0, 0)
    vcpu.suspend(0x1_0000, 0, 0)
    assert state(world, group) == RUNNING


def test_a_group_without_aggregation_lets_the_last_one_go(world):
    group = VpmGroup(world.partition)
    group.options = 1
    vcpu = world.vcpu(group=world.active(group))
    vcpu.power_on(0, 0)
    assert state(world, group) == CPUS_SUSPENDED
    assert vcpu.power_off() == errors.OK


def test_the_suspend_interrupt_binds_like_any_source(world, group):
    vic = world.active(Vic(world.partition, virqs=8))
    arguments = {"vpm_group": world.cap(group), "vic": world.cap(vic)}
    assert world.error("vpm_group_bind_virq", **arguments, virq=31) == errors.ARGUMENT_INVALID
    assert world.error("vpm_group_bind_virq", **arguments, virq=39) == errors.OK
    assert world.error("vpm_group_bind_virq", **arguments, virq=38) == errors.VIRQ_BOUND
    for _ in range(2):
        assert world.error("vpm_group_unbind_virq", vpm_group=arguments["vpm_group"]) == errors.OK
    assert not vic.sources


def test_a_dead_vcpu_frees_its_place(world, group):
    vcpu = world.vcpu(group=group)
    vcpu.kill()
    vcpu.release()
    assert not group.vcpus
    world.vcpu(group=group)
