"""vCPUs: what activation takes, what power does, and what the machine's words change."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.object import ACTIVE, DESTROYED, FAILED
from gunyah_emu.hypervisor.thread import (
    BLOCK_OFF,
    OPTION_CRITICAL,
    OPTION_HLOS,
    OPTION_PINNED,
    OPTION_PROXIED,
    Thread,
)
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.vpm_group import VpmGroup


def attached(world):
    thread = Thread(world.partition)
    thread.attach_addrspace(world.addrspace)
    world.cspace.retain()
    thread.cspace = world.cspace
    return thread


def test_activation_checks_group_then_vic_then_address_space_then_cspace(world):
    group, vic = world.active(VpmGroup(world.partition)), world.active(Vic(world.partition, virqs=8))
    world.vcpu(group=group, vic=vic)

    def activate(**attach):
        thread = Thread(world.partition)
        if "group" in attach:
            thread.attach_vpm_group(group, attach["group"])
        if "vic" in attach:
            vic.attach_vcpu(thread, 0)
        if "addrspace" in attach:
            thread.attach_addrspace(world.addrspace)
        return thread.activate()

    assert activate(group=0, vic=0) == errors.DENIED
    assert activate(group=1, vic=0) == errors.BUSY
    assert activate(group=1) == errors.OBJECT_CONFIG
    assert activate(group=1, addrspace=True) == errors.OBJECT_CONFIG
    assert list(group.vcpus) == [0]


def test_a_failed_activation_leaves_its_places_free(world):
    vic = world.active(Vic(world.partition, virqs=8))
    thread = Thread(world.partition)
    vic.attach_vcpu(thread, 0)
    assert thread.activate() == errors.OBJECT_CONFIG
    assert thread.state == FAILED
    assert not vic.vcpus


@pytest.mark.parametrize("option", [OPTION_PINNED, OPTION_HLOS])
def test_a_pinned_vcpu_needs_a_core(world, option):
    thread = attached(world)
    thread.options = option
    assert thread.activate() == errors.OBJECT_CONFIG
    thread = attached(world)
    thread.options, thread.affinity = option, 2
    assert thread.activate() == errors.OK


def test_mpidr_follows_the_place_in_the_vic(world):
    assert world.caller.mpidr == 0xC000_0000
    vic = world.active(Vic(world.partition, vcpus=4, virqs=8))
    assert world.vcpu(vic=vic, index=3).mpidr == 0x8000_0003


def test_power_on_starts_it_and_off_stops_it(world):
    group = world.active(VpmGroup(world.partition))
    first, second = world.vcpu(group=group), world.vcpu(group=group, index=1)
    assert not first.runnable
    assert first.power_on(0x1000, 7) == errors.OK
    assert first.power_on(0x1000, 7) == errors.BUSY
    assert first.runnable
    assert second.power_on(0x2000, 0) == errors.OK
    assert first.power_off() == errors.OK
    assert second.power_off() == errors.DENIED
    assert second.power_off(last=True) == errors.OK
    assert [entry[0] for entry in world.platform.take()] == ["started", "started", "stopped", "stopped"]


def test_a_vcpu_without_group_is_always_the_last_one(world):
    world.caller.power_on(0, 0)
    assert world.caller.power_off() == errors.DENIED
    assert world.caller.power_off(last=True) == errors.OK


def test_power_on_keeps_what_was_written(world):
    vcpu = world.vcpu()
    vcpu.registers[1, 0], vcpu.registers[0, 0] = 0x3000, 9
    vcpu.power_on(None, None)
    assert world.platform.take() == [("started", vcpu, 0x3000, 9)]


def test_a_killed_vcpu_never_runs_again(world):
    on, off = world.vcpu(), world.vcpu()
    on.power_on(0, 0)
    on.kill()
    off.kill()
    on.kill()
    assert on.power_on(0, 0) == errors.BUSY
    assert off.power_on(0, 0) == errors.FAILURE
    assert not on.runnable


def test_the_system_does_not_outlive_a_critical_vcpu(world):
    vcpu = attached(world)
    vcpu.options = OPTION_CRITICAL
    world.active(vcpu)
    with pytest.raises(HypervisorFatal, match="critical"):
        vcpu.kill()


def test_an_active_vcpu_lives_without_capabilities_until_it_is_killed(world):
    vcpu = world.vcpu()
    used = world.partition.used
    vcpu.release()
    assert vcpu.state == ACTIVE
    vcpu.kill()
    assert vcpu.state == DESTROYED
    assert world.partition.used == used - Thread.COST
    assert world.addrspace.threads == 1


def test_a_standby_suspend_returns_success_when_woken(world):
    vcpu = world.vcpu()
    results = []
    vcpu.completed = results.append
    vcpu.power_on(0, 0)
    assert vcpu.suspend(1, 0x5000, 3)
    assert not vcpu.runnable
    assert not vcpu.wake()
    assert results == [(0,)]
    assert vcpu.runnable


def test_a_power_down_suspend_starts_at_its_entry_when_woken(world):
    vcpu = world.vcpu()
    vcpu.power_on(0, 0)
    world.platform.take()
    assert vcpu.suspend(1 << 16 | 1, 0x5000, 3)
    assert not vcpu.wake()
    assert world.platform.take() == [("started", vcpu, 0x5000, 3)]


def test_a_pending_interrupt_prevents_the_suspend(world):
    vcpu = world.vcpu()
    vcpu.pending_wakeup = lambda: True
    assert not vcpu.suspend(1, 0, 0)
    assert not vcpu.blocks & ~BLOCK_OFF


def test_wfi_blocks_until_woken(world):
    vcpu = world.vcpu()
    vcpu.power_on(0, 0)
    vcpu.wfi()
    assert not vcpu.runnable
    assert vcpu.wake()
    assert vcpu.runnable


def test_waking_a_vcpu_that_is_off_does_not_run_it(world):
    vcpu = world.vcpu()
    assert not vcpu.wake()
    vcpu.options |= OPTION_PROXIED
    assert not vcpu.runnable
