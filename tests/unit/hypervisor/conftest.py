"""A hypervisor with a root guest in it, and nothing that runs."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from gunyah_emu.abi.declare import DECLARATIONS, FIRST_IMMEDIATE
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.memextent import ACCESS_RWX, MemExtent, attributes
from gunyah_emu.hypervisor.object import ACTIVE, HypervisorObject
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.vpm_group import VpmGroup

T = TypeVar("T", bound=HypervisorObject)

RAM_BASE = 0x4000_0000
RAM_SIZE = 0x10_0000


class RecordingPlatform(QuietPlatform):
    """Notes what the machine would have been told."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[Any, ...]] = []
        self.runs = False

    def map(self, addrspace: Addrspace, ipa: int, pa: int, size: int, access: int, memtype: int) -> None:
        self.log.append(("map", addrspace, ipa, pa, size, access, memtype))

    def unmap(self, addrspace: Addrspace, ipa: int, size: int) -> None:
        self.log.append(("unmap", addrspace, ipa, size))

    def vcpu_started(self, thread: Thread, entry: int, context: int) -> None:
        self.log.append(("started", thread, entry, context))

    def vcpu_stopped(self, thread: Thread) -> None:
        self.log.append(("stopped", thread))

    def yielded(self, thread: Thread, target: Thread | None) -> None:
        self.log.append(("yielded", thread, target))

    def run_proxied(self, caller: Thread, vcpu: Thread) -> bool:
        self.log.append(("run", caller, vcpu))
        return self.runs

    def vdevice_attached(self, addrspace: Addrspace, vdevice: Any) -> None:
        self.log.append(("attached", addrspace, vdevice.kind, vdevice.base, vdevice.size))

    def vdevice_detached(self, addrspace: Addrspace, vdevice: Any) -> None:
        self.log.append(("detached", addrspace, vdevice.kind, vdevice.base, vdevice.size))

    def take(self) -> list[tuple[Any, ...]]:
        """What was noted since the last time."""
        log, self.log = self.log, []
        return log


class World:
    """A root partition that owns 1 MiB of RAM, and a vCPU that may call everything."""

    ram_base = RAM_BASE
    ram_size = RAM_SIZE

    def __init__(self) -> None:
        self.platform = RecordingPlatform()
        self.hypervisor = Hypervisor(self.platform)
        self.partition = self.hypervisor.root_partition
        self.memory = self.hypervisor.memory
        self.ram = bytearray(RAM_SIZE)
        self.memory.add_ram(RAM_BASE, memoryview(self.ram))
        self.memory.give(RAM_BASE, RAM_SIZE, self.partition)
        self.cspace = CSpace(self.partition, max_caps=1000)
        assert not self.cspace.activate()
        self.addrspace = self.active(Addrspace(self.partition, "root", vmid=255))
        self.caller = self.vcpu()

    def vcpu(self, *, group: VpmGroup | None = None, index: int = 0, vic: Vic | None = None) -> Thread:
        """An active vCPU in the root address space, off."""
        thread = Thread(self.partition)
        self.cspace.retain()
        thread.cspace = self.cspace
        assert not thread.attach_addrspace(self.addrspace)
        if group is not None:
            assert not thread.attach_vpm_group(group, index)
        if vic is not None:
            assert not vic.attach_vcpu(thread, index)
        return self.active(thread)

    def active(self, target: T) -> T:
        """The object, activated."""
        error = target.activate()
        assert not error
        assert target.state == ACTIVE
        return target

    def extent(
        self, offset: int = 0, pages: int = 4, access: int = ACCESS_RWX, memtype: int = 0, kind: int = 0
    ) -> MemExtent:
        """An active extent of the partition's RAM."""
        extent = MemExtent(self.partition)
        assert not extent.configure(RAM_BASE + offset, pages * 0x1000, attributes(access, memtype, kind))
        return self.active(extent)

    def cap(self, target: HypervisorObject, rights: int | None = None) -> int:
        """A capability in the caller's cspace."""
        return self.cspace.insert(target, rights)

    @property
    def null(self) -> int:
        """An id that decodes and names nothing: CSPACE_CAP_NULL."""
        top = self.cspace.table.ids.encode(900)
        assert top not in self.cspace.table
        return top

    def call(self, name: str, **arguments: int) -> tuple[int, ...] | None:
        """One hypercall by name; arguments that are not given are 0, reserved ones are right."""
        declaration = DECLARATIONS[name]
        names = [argument.rstrip("_") for argument in declaration.argument_names]
        assert set(arguments) <= set(names)
        registers = [arguments.get(argument, 0) for argument in names]
        if declaration.reserved is not None:
            registers.append(declaration.reserved.value)
        assert declaration.number is not None
        entry = self.hypervisor.calls[declaration.number - FIRST_IMMEDIATE]
        assert entry is not None
        result = entry(self.caller, *registers)
        return (result,) if isinstance(result, int) else result

    def error(self, name: str, **arguments: int) -> int:
        """The error that a hypercall returns."""
        result = self.call(name, **arguments)
        assert result is not None
        return result[0]

    def ladder(
        self, name: str, arguments: dict[str, int], *steps: tuple[int, dict[str, int]]
    ) -> tuple[int, ...] | None:
        """Assert the order of a call's checks.

        Start with arguments that are wrong in every way; each step gives the error that must come, and mends its cause.
        """
        for number, (error, mend) in enumerate(steps):
            found = self.error(name, **arguments)
            assert found == error, f"step {number}: expected {error}, got {found} for {arguments}"
            arguments = {**arguments, **mend}
        return self.call(name, **arguments)


@pytest.fixture
def world() -> World:
    return World()
