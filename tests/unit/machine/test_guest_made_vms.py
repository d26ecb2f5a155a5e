"""VMs that a root guest makes, step by step, while the root VM sleeps: what a machine must survive and follow."""

from __future__ import annotations

import gc
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks

from gunyah_emu import Machine, Reason
from gunyah_emu.events import DigestSink
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.memextent import ACCESS_RWX, MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent, unmap_extent
from gunyah_emu.hypervisor.run_state import RUN_EXPECTS_WAKEUP, RUN_FAULT, RUN_VMMIO_READ, run_state
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vcpu_run import vcpu_run
from gunyah_emu.hypervisor.vdevice import attach_distributor
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.machine.vm import MAX_MESSAGES, VirtualMachine

GUESTS: Final = Path(__file__).parents[3] / "guest_images"
ROOT: Final = 0x8048_0000
PHYSICAL: Final = 0x5000_0000
IPA: Final = 0x1000_0000
PAGE: Final = 0x1000
VMMIO: Final = 0x2000_0000
OK: Final = 0
NORMAL: Final = 0xF << 16


@cache
def assemble(source: str, address: int) -> bytes:
    return bytes(Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(source, address)[0])


def elf(address: int, code: bytes) -> bytes:
    """An executable of one segment."""
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, address, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, PAGE, address, address, len(code), len(code), PAGE)
    return (ident + header + segment).ljust(PAGE, b"\0") + code


class Bench:
    """A machine whose root VM sleeps, and objects in it as a root guest would make them."""

    def __init__(self, folder: Path, way: str) -> None:
        (folder / "root.elf").write_bytes(elf(ROOT, assemble("loop: wfi; b loop", ROOT)))
        (folder / "machine.toml").write_text('[[vm]]\nname = "root"\nkind = "root"\nimage = "root.elf"\n')
        self.machine = Machine.from_toml(folder / "machine.toml", way=way)  # type: ignore[arg-type]  # from parametrize
        self.partition = self.machine.hypervisor.root_partition
        self.root = self.machine.vm("root").threads[0]
        self.cspace = CSpace(self.partition, max_caps=16)
        self.addrspace = Addrspace(self.partition, "child", vmid=40)
        self.memory = self.extent(PHYSICAL, PAGE)
        assert self.cspace.activate() == self.addrspace.activate() == OK
        self.map(self.memory, IPA)

    def extent(self, physical: int, size: int) -> MemExtent:
        extent = MemExtent(self.partition)
        assert extent.configure(physical, size, attributes(ACCESS_RWX)) == extent.activate() == OK
        return extent

    def map(self, extent: MemExtent, ipa: int, access: int = ACCESS_RWX) -> None:
        assert map_extent(extent, self.addrspace, ipa, NORMAL | access << 4 | access) == OK

    def write(self, physical: int, data: bytes) -> None:
        view = self.machine.memory.view(physical, len(data))
        assert view is not None
        view[:] = data

    def thread(self, vic: Vic | None = None) -> Thread:
        """An active vCPU that is off."""
        thread = Thread(self.partition)
        thread.cspace = self.cspace
        self.cspace.retain()
        assert thread.attach_addrspace(self.addrspace) == OK
        if vic is not None:
            assert vic.attach_vcpu(thread, 0) == OK
        assert thread.activate() == OK
        return thread

    def start(self, thread: Thread, source: str) -> None:
        self.write(PHYSICAL, assemble(source, IPA))
        assert thread.power_on(IPA, 0) == OK

    def caller(self) -> Thread:
        """A vCPU that sleeps, for calls to be made in its name."""
        thread = self.thread()
        self.write(PHYSICAL + PAGE // 2, assemble("loop: wfi; b loop", IPA + PAGE // 2))
        assert thread.power_on(IPA + PAGE // 2, 0) == OK
        assert self.run() is Reason.IDLE
        return thread

    def run(self, instructions: int = 10_000) -> Reason:
        return self.machine.run(max_instructions=instructions).reason

    def x(self, thread: Thread, number: int) -> int:
        vcpu = self.machine.platform.vcpus[thread]
        return vcpu.vm.engine.registers(vcpu.index).x[number]


@pytest.fixture(params=["auto", "portable"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, request.param)
    yield made
    made.machine.close()


def test_one_vcpu_after_the_other_in_one_address_space(bench: Bench) -> None:
    """Places in an engine are few, and used again when their vCPU is dead."""
    timers = len(bench.machine.scheduler._timers)
    for number in range(20):
        thread = bench.thread()
        bench.start(thread, f"mov x1, #{number}; loop: wfi; b loop")
        assert bench.run() is Reason.IDLE
        assert bench.x(thread, 1) == number
        thread.kill()
        thread.release()
    assert len(bench.machine.platform.vcpus) == 1
    assert len(bench.machine.scheduler._timers) == timers
    assert [vm.name for vm in bench.machine.vms] == ["root", "child"]


def test_an_interrupt_for_a_dead_vcpu_reaches_nobody(bench: Bench) -> None:
    vic = Vic(bench.partition, vcpus=1, virqs=32)
    assert vic.activate() == OK
    first = bench.thread(vic)
    bench.start(first, "loop: wfi; b loop")
    bench.run()
    first.kill()
    first.release()
    bench.addrspace.release()
    assert vic.controller is not None
    vic.controller.assert_edge(32)
    assert bench.run() is Reason.IDLE


def test_a_caller_of_vcpu_run_that_dies_is_not_told(bench: Bench) -> None:
    caller, proxied = bench.caller(), bench.thread()
    proxied.enable_proxy()
    bench.start(proxied, "loop: wfi; b loop")
    assert vcpu_run(caller, proxied, 0, 0, 0) is None
    caller.kill()
    assert bench.run() is Reason.IDLE
    assert run_state(proxied)[0] == RUN_EXPECTS_WAKEUP, "it waits for its next vcpu_run"


def test_a_running_vcpu_that_becomes_proxied_stops_and_goes_on_by_vcpu_run(bench: Bench) -> None:
    caller, thread = bench.caller(), bench.thread()
    bench.start(thread, "loop: add x1, x1, #1; b loop")
    bench.run()
    before = bench.x(thread, 1)
    assert before > 0
    thread.enable_proxy()
    assert bench.run() is Reason.IDLE
    assert bench.x(thread, 1) == before

    assert vcpu_run(caller, thread, 0, 0, 0) is None
    bench.machine.run(max_instructions=1000)
    assert bench.x(thread, 1) > before


def test_a_bus_follows_stage_2_over_a_vmmio_range_and_back(bench: Bench) -> None:
    caller, proxied = bench.caller(), bench.thread()
    proxied.enable_proxy()
    assert bench.addrspace.add_vmmio_range(VMMIO, PAGE) == OK
    ram = bench.extent(PHYSICAL + PAGE, PAGE)
    bench.write(PHYSICAL + PAGE, (0x1234).to_bytes(8, "little"))
    bench.start(proxied, f"movz x2, #{VMMIO >> 16:#x}, lsl #16; loop: ldr x1, [x2]; wfi; b loop")

    def exits() -> int:
        assert vcpu_run(caller, proxied, 0x77, 0, 0) is None
        bench.machine.run(until=lambda: proxied.proxy is None, max_instructions=100_000)
        return proxied.last_run_state

    assert exits() == RUN_VMMIO_READ
    assert exits() == RUN_EXPECTS_WAKEUP
    assert bench.x(proxied, 1) == 0x77
    bench.map(ram, VMMIO)
    proxied.wake()
    assert exits() == RUN_EXPECTS_WAKEUP
    assert bench.x(proxied, 1) == 0x1234
    assert unmap_extent(ram, bench.addrspace, VMMIO) == OK
    proxied.wake()
    assert exits() == RUN_VMMIO_READ


def test_ram_under_a_vics_registers_is_there_when_they_go(bench: Bench) -> None:
    vic = Vic(bench.partition, vcpus=1, virqs=32)
    assert vic.activate() == OK
    thread = bench.thread()
    bench.map(bench.extent(PHYSICAL + PAGE, PAGE), VMMIO)
    bench.write(PHYSICAL + PAGE, (0x1234).to_bytes(8, "little"))
    bench.start(thread, f"movz x2, #{VMMIO >> 16:#x}, lsl #16; loop: ldr w1, [x2]; wfi; b loop")
    bench.run()
    assert attach_distributor(vic, bench.addrspace, VMMIO - PAGE, 0x1_0000) == OK
    vic.release()
    engine = bench.machine.platform.vcpus[thread].vm.engine
    assert engine.ram_at(VMMIO) is not None
    assert engine.devices == []


def test_a_guest_that_makes_faulting_vms_for_ever_fills_no_list(bench: Bench) -> None:
    for _ in range(MAX_MESSAGES // 2):
        thread = bench.thread()
        assert thread.power_on(0x3000_0000, 0) == OK
        bench.machine.scheduler.run(1000, None, None)
        assert run_state(thread)[0] == RUN_FAULT
        thread.kill()
        thread.release()
    outcome = bench.machine.run(max_instructions=1000)
    assert len(outcome.messages) <= MAX_MESSAGES + 1  # that the root VM waits is said too
    assert not bench.machine.platform.by_addrspace.get(bench.addrspace)


def test_a_vm_that_is_gone_is_forgotten_by_who_records_it_too():
    """A guest that makes VMs for ever must not fill the host's memory, whoever looks on."""
    with Machine.from_toml(GUESTS / "root_vm" / "machine.toml") as machine:
        machine.record(DigestSink())
        machine.run(max_instructions=150_000)
        gc.collect()
        alive = [found for found in gc.get_objects() if isinstance(found, VirtualMachine) and found.machine is machine]
        assert {id(vm) for vm in alive} == {id(vm) for vm in machine.vms}
