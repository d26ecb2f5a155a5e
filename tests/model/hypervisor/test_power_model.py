"""The power states of a VM's vCPUs against the state diagram: off, on, waiting in WFI, suspended, dead.

Some run by themselves, some only when a proxy scheduler lends them its time.  A wrong step here
hangs a guest, or lets a vCPU run that PSCI or its scheduler has stopped.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vcpu_run import vcpu_run
from gunyah_emu.hypervisor.vpm_group import CPUS_SUSPENDED, RUNNING, VpmGroup

OFF, ON, WFI, SUSPENDED = "off", "on", "wfi", "suspended"
VCPUS = 3
POWERDOWN = 1 << 16

picks = st.integers(0, VCPUS - 1)
power_states = st.sampled_from([0, 1, POWERDOWN, POWERDOWN | 1, 0x0300_0002])


class Machine(QuietPlatform):
    """What a machine would do: run what was started, until it is stopped."""

    def __init__(self):
        super().__init__()
        self.started = []
        self.runs = True

    def vcpu_started(self, thread, entry, context):
        self.started.append((thread, entry, context))

    def run_proxied(self, caller, vcpu):
        return self.runs


class PowerModel(RuleBasedStateMachine):
    @initialize(proxied=st.lists(st.booleans(), min_size=VCPUS, max_size=VCPUS))
    def build(self, proxied):
        self.machine = Machine()
        self.partition = Hypervisor(self.machine).root_partition
        self.cspace = CSpace(self.partition, max_caps=10)
        self.addrspace = Addrspace(self.partition, vmid=1)
        self.group = VpmGroup(self.partition)
        for target in (self.cspace, self.addrspace, self.group):
            assert not target.activate()
        self.vcpus = [self.vcpu(self.group, index) for index in range(VCPUS)]
        self.caller = self.vcpu(None, 0)
        self.results = []
        self.caller.completed = self.results.append
        for vcpu, is_proxied in zip(self.vcpus, proxied, strict=True):
            if is_proxied:
                vcpu.enable_proxy()
        self.completed = {vcpu: [] for vcpu in self.vcpus}
        for vcpu in self.vcpus:
            vcpu.completed = self.completed[vcpu].append
        self.proxied = dict(zip(self.vcpus, proxied, strict=True))
        self.power = dict.fromkeys(self.vcpus, OFF)
        self.awake = dict.fromkeys(self.vcpus, False)
        self.dead = dict.fromkeys(self.vcpus, False)
        self.resume = dict.fromkeys(self.vcpus)
        self.lent = None
        self.online = 0

    def vcpu(self, group, index):
        thread = Thread(self.partition)
        self.cspace.retain()
        thread.cspace = self.cspace
        assert not thread.attach_addrspace(self.addrspace)
        if group is not None:
            assert not thread.attach_vpm_group(group, index)
        assert not thread.activate()
        return thread

    def executes(self, vcpu):
        may_run = not self.proxied[vcpu] or self.lent is vcpu
        return self.power[vcpu] == ON and not self.dead[vcpu] and may_run

    def stopped(self, vcpu):
        """Its scheduler gets the word back when the vCPU cannot go on."""
        if self.lent is vcpu:
            self.lent = None
            assert len(self.results) == 1
            assert self.results.pop()[0] == errors.OK

    @rule(pick=picks, entry=st.integers(0, 99))
    def power_on(self, pick, entry):
        vcpu = self.vcpus[pick]
        error = vcpu.power_on(entry, pick)
        if self.power[vcpu] != OFF:
            assert error == errors.BUSY
        elif self.dead[vcpu]:
            assert error == errors.FAILURE
        else:
            assert not error
            assert self.machine.started.pop() == (vcpu, entry, pick)
            self.power[vcpu] = ON
            self.awake[vcpu] = True
            self.online += 1

    @rule(pick=picks, last=st.booleans(), force=st.booleans())
    def power_off(self, pick, last, force):
        vcpu = self.vcpus[pick]
        if not self.executes(vcpu):
            return
        error = vcpu.power_off(last=last, force=force)
        if not force and last != (self.online == 1):
            assert error == errors.DENIED
            return
        assert not error
        self.online -= 1
        self.power[vcpu] = OFF
        self.awake[vcpu] = False
        self.stopped(vcpu)

    @rule(pick=picks)
    def kill(self, pick):
        vcpu = self.vcpus[pick]
        vcpu.kill()
        if not self.dead[vcpu]:
            self.dead[vcpu] = True
            self.awake[vcpu] = False
            self.stopped(vcpu)

    @rule(pick=picks)
    def wfi(self, pick):
        vcpu = self.vcpus[pick]
        if self.executes(vcpu):
            vcpu.wfi()
            self.power[vcpu] = WFI
            self.stopped(vcpu)

    @rule(pick=picks, state=power_states, pending=st.booleans())
    def suspend(self, pick, state, pending):
        vcpu = self.vcpus[pick]
        if not self.executes(vcpu):
            return
        vcpu.pending_wakeup = lambda: pending
        assert vcpu.suspend(state, 0x77, 5) is not pending
        if not pending:
            self.power[vcpu] = SUSPENDED
            self.awake[vcpu] = not state & 0xF
            self.resume[vcpu] = bool(state & POWERDOWN)
            self.stopped(vcpu)

    @rule(pick=picks)
    def interrupt(self, pick):
        vcpu = self.vcpus[pick]
        told = vcpu.wake()
        if self.dead[vcpu]:
            assert not told
            return
        if self.power[vcpu] == SUSPENDED:
            assert not told
            self.awake[vcpu] = True
            if self.resume[vcpu]:
                assert self.machine.started.pop() == (vcpu, 0x77, 5)
            else:
                assert self.completed[vcpu].pop() == (0,)
        if self.power[vcpu] in (WFI, SUSPENDED):
            was_suspended = self.power[vcpu] == SUSPENDED
            self.power[vcpu] = ON
            assert told == (self.executes(vcpu) and not was_suspended)

    @rule(pick=picks)
    def lend_time(self, pick):
        vcpu = self.vcpus[pick]
        if self.lent is not None:
            return
        result = vcpu_run(self.caller, vcpu, 0, 0, 0)
        if not self.proxied[vcpu]:
            assert result == errors.BUSY
        elif self.power[vcpu] == ON and not self.dead[vcpu]:
            assert result is None
            self.lent = vcpu
        else:
            assert isinstance(result, tuple)
            assert result[:2] == (errors.OK, 2 if self.dead[vcpu] or self.power[vcpu] == OFF else 1)

    @rule()
    def time_is_up(self):
        vcpu = self.lent
        if vcpu is not None:
            vcpu.slice_ended()
            self.lent = None
            assert self.results.pop() == (errors.OK, 0, 0, 0, 0)

    @invariant()
    def only_what_may_execute_does(self):
        for vcpu in self.vcpus:
            assert vcpu.runnable == self.executes(vcpu)

    @invariant()
    def the_group_is_awake_with_its_vcpus(self):
        assert self.group.power_state == (RUNNING if any(self.awake.values()) else CPUS_SUSPENDED)
        assert self.group.online == self.online

    @invariant()
    def nothing_was_said_twice(self):
        assert not self.machine.started
        assert not self.results
        assert not any(self.completed.values())


TestPowerModel = PowerModel.TestCase
TestPowerModel.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
