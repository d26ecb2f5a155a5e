"""PSCI starts, stops and finds the vCPUs of a VM, and of no other."""

import pytest

from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.hypervisor.thread import BLOCK_OFF, BLOCK_SUSPEND, Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.vpm_group import VpmGroup
from gunyah_emu.smccc.dispatcher import Smccc
from gunyah_emu.testing.conformance_direct import DirectTarget

VERSION, CPU_OFF, SYSTEM_OFF, SYSTEM_RESET, FEATURES = 0x8400_0000, 0x8400_0002, 0x8400_0008, 0x8400_0009, 0x8400_000A
CPU_SUSPEND, CPU_ON, AFFINITY_INFO, SYSTEM_RESET2 = 0xC400_0001, 0xC400_0003, 0xC400_0004, 0xC400_0012
CPU_ON_32, AFFINITY_INFO_32, SYSTEM_RESET2_32, SET_SUSPEND_MODE = 0x8400_0003, 0x8400_0004, 0x8400_0012, 0x8400_000F
POWER_DOWN = 1 << 16


def wide(value):
    return value & 0xFFFF_FFFF_FFFF_FFFF


def narrow(value):
    return value & 0xFFFF_FFFF


class Platform(QuietPlatform):
    """Notes what a machine would do; `owns` says whether the VM is its own."""

    def __init__(self):
        super().__init__()
        self.log = []
        self.owns = True

    def vcpu_started(self, thread, entry, context):
        self.log.append(("started", thread.label, entry, context))

    def vcpu_stopped(self, thread):
        self.log.append(("stopped", thread.label))

    def system_off(self, thread):
        self.log.append(("off", thread.label))
        return self.owns

    def system_reset(self, thread, reset_type, cookie):
        self.log.append(("reset", thread.label, reset_type, cookie))
        return self.owns


class Vm:
    """Three vCPUs of one VM, the first of which is on; the VIC has room for eight."""

    def __init__(self):
        self.platform = Platform()
        hypervisor = Hypervisor(self.platform)
        self.smccc = Smccc(hypervisor)
        partition = hypervisor.root_partition
        cspace, vic = CSpace(partition, max_caps=10), Vic(partition, vcpus=8)
        addrspace, group = Addrspace(partition, vmid=3), VpmGroup(partition)
        for target in (cspace, vic, addrspace, group):
            assert not target.activate()
        self.vcpus = [Thread(partition, f"vcpu{index}") for index in range(3)]
        for index, vcpu in enumerate(self.vcpus):
            vcpu.cspace = cspace
            cspace.retain()
            vcpu.attach_addrspace(addrspace)
            vic.attach_vcpu(vcpu, index)
            vcpu.attach_vpm_group(group, index)
            assert not vcpu.activate()
        self.vcpus[0].power_on(0x4000_0000, 0)
        self.platform.log.clear()

    def call(self, *x, by=0):
        registers = [*x, *[0] * (8 - len(x))]
        return registers[0] if self.smccc.call(self.vcpus[by], registers) else None


@pytest.fixture
def vm():
    return Vm()


def test_a_vcpu_without_a_group_has_no_psci():
    root = DirectTarget("root")
    for function_id in (VERSION, CPU_OFF, SYSTEM_OFF, CPU_ON, AFFINITY_INFO, SET_SUSPEND_MODE, CPU_SUSPEND):
        registers = [function_id, *[0] * 7]
        assert root.smccc.call(root.vcpu, registers)
        assert registers[0] == wide(-1)
    registers = [FEATURES, VERSION, *[0] * 6]
    root.smccc.call(root.vcpu, registers)
    assert registers[0] == narrow(-1)
    registers = [FEATURES, 0x8000_0000, *[0] * 6]
    root.smccc.call(root.vcpu, registers)
    assert registers[0] == 0


def test_starting_a_vcpu(vm):
    assert vm.call(AFFINITY_INFO, 2) == 1
    assert vm.call(CPU_ON, 2, 0x4008_0000, 77) == 0
    assert vm.platform.log == [("started", "vcpu2", 0x4008_0000, 77)]
    assert vm.call(AFFINITY_INFO, 2) == 0
    assert vm.call(CPU_ON, 2, 0x4008_0000, 77) == wide(-4)


def test_a_32_bit_call_starts_with_32_bits(vm):
    assert vm.call(CPU_ON_32, 1, 0xAB_4008_0000, 1 << 40 | 5) == 0
    assert vm.platform.log == [("started", "vcpu1", 0x4008_0000, 5)]


@pytest.mark.parametrize(
    ("affinity", "error"),
    [(0, -4), (3, -6), (7, -6), (8, -2), (0xFF, -2), (0x100, -2), (1 << 32, -2)],
)
def test_errors_of_cpu_on_have_the_width_of_the_call(vm, affinity, error):
    assert vm.call(CPU_ON, affinity, 0x4000_0000) == wide(error)
    if affinity < 1 << 32:
        assert vm.call(CPU_ON_32, affinity, 0x4000_0000) == narrow(error)


@pytest.mark.parametrize(("affinity", "level"), [(3, 0), (0x100, 0), (0, 1)])
def test_affinity_info_knows_only_vcpus(vm, affinity, level):
    assert vm.call(AFFINITY_INFO, affinity, level) == wide(-2)
    assert vm.call(AFFINITY_INFO_32, affinity, level) == narrow(-2)


def test_the_last_vcpu_cannot_go_off(vm):
    assert vm.call(CPU_OFF) == narrow(-3)
    vm.call(CPU_ON, 1, 0x4000_0000)
    assert vm.call(CPU_OFF) is None
    assert vm.vcpus[0].blocks & BLOCK_OFF
    assert vm.call(CPU_OFF, by=1) == narrow(-3)
    assert vm.call(CPU_ON, 0, 0x5000_0000, by=1) == 0


def test_standby_waits_for_an_interrupt_and_returns(vm):
    done = []
    vm.vcpus[0].completed = done.append
    assert vm.call(CPU_SUSPEND, 0, 0x4000_0000, 9) is None
    assert vm.vcpus[0].blocks & BLOCK_SUSPEND
    vm.vcpus[0].wake()
    assert done == [(0,)]
    assert not vm.platform.log


def test_power_down_resumes_at_the_entry_point(vm):
    assert vm.call(CPU_SUSPEND, POWER_DOWN, 0x4123_0000, 9) is None
    vm.vcpus[0].wake()
    assert vm.platform.log == [("started", "vcpu0", 0x4123_0000, 9)]


def test_a_pending_interrupt_ends_a_suspend_at_once(vm):
    vm.vcpus[0].pending_wakeup = lambda: True
    assert vm.call(CPU_SUSPEND, POWER_DOWN, 0x4123_0000, 9) == 0


@pytest.mark.parametrize(("mode", "answer"), [(0, 0), (1, -2), (2, -2)])
def test_only_platform_coordination(vm, mode, answer):
    assert vm.call(SET_SUSPEND_MODE, mode) == narrow(answer)


def test_the_machine_ends_or_restarts_its_own_vm(vm):
    assert vm.call(SYSTEM_OFF) is None
    assert vm.call(SYSTEM_RESET) is None
    assert vm.call(SYSTEM_RESET2, 1 << 31, 42) is None
    assert vm.platform.log == [("off", "vcpu0"), ("reset", "vcpu0", 0, 0), ("reset", "vcpu0", 1 << 31, 42)]
    assert not any(vcpu.exited for vcpu in vm.vcpus)


@pytest.mark.parametrize("function_id", [SYSTEM_OFF, SYSTEM_RESET, SYSTEM_RESET2_32])
def test_the_vcpus_of_a_guests_vm_are_stopped_for_good(vm, function_id):
    vm.platform.owns = False
    vm.call(CPU_ON, 1, 0x4000_0000)
    assert vm.call(function_id, 5, 6) is None
    assert [vcpu.exited for vcpu in vm.vcpus] == [False, True, True]
    assert vm.vcpus[0].blocks & BLOCK_OFF


def test_a_proxy_scheduler_learns_what_was_asked_for(vm):
    vm.platform.owns = False
    vm.call(SYSTEM_RESET2, 5, 6)
    assert vm.vcpus[0].reset_request == (1 << 62 | 5, 6)


def test_features_are_what_is_implemented(vm):
    implemented = {VERSION, CPU_OFF, CPU_ON, CPU_ON_32, AFFINITY_INFO, AFFINITY_INFO_32, SYSTEM_OFF, SYSTEM_RESET}
    implemented |= {FEATURES, 0x8400_000C, 0xC400_000C, SET_SUSPEND_MODE, SYSTEM_RESET2, SYSTEM_RESET2_32, 0x8000_0000}
    for number in range(0x20):
        for asked in (0x8400_0000 | number, 0xC400_0000 | number, 0x8000_0000 | number):
            expected = 2 if asked in (0x8400_0001, CPU_SUSPEND) else 0 if asked in implemented else narrow(-1)
            assert vm.call(FEATURES, asked) == expected, hex(asked)
