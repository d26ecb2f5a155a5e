"""VMs as processes, vCPUs as threads, and how both are written in packets.

A VM is process n + 1 by its place in the machine, and keeps that number; a vCPU is thread n + 1 of it.  For a client
that does not know of processes every thread has a number of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.fields import ALL, ANY, ThreadId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

STRIDE: Final = 16
"""Between the threads of one process and the next for a client without processes; a VM has 8 vCPUs at most."""


class Processes:
    """Numbers for the VMs of a machine and their vCPUs.

    Arguments:
        machine: whose.

    Attributes:
        by_thread_only: the client does not know of processes.
        killed: names of VMs that the client ended; they are not shown and do not run.
        detached: names of VMs that the client let go; they are not shown and run whenever the machine runs.
        buried: names of VMs whose end the client knows of.  Until then a VM that has ended is shown.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        #: a VM that is made again after time went back is another object of the same name
        self._numbers: dict[str, int] = {}
        self.by_thread_only = False
        self.killed: set[str] = set()
        self.detached: set[str] = set()
        self.buried: set[str] = set()

    def pid(self, vm: VirtualMachine) -> int:
        """A VM's number."""
        return self._numbers.setdefault(vm.name, len(self._numbers) + 1)

    def every(self) -> list[VirtualMachine]:
        """All VMs that are not over, as far as the client knows, by number."""
        for vm in self._machine.vms:
            self.pid(vm)
        self.buried -= {vm.name for vm in self._machine.vms if vm.exit_status is None}  # time may have gone back
        hidden = self.buried | self.killed
        return sorted((vm for vm in self._machine.vms if vm.name not in hidden), key=self.pid)

    def dying(self) -> list[tuple[int, int | None]]:
        """VMs that have ended without the client's knowing: number and status; None: its maker destroyed it."""
        self.every()
        alive = {vm.name: vm for vm in self._machine.vms}
        unknown = self._numbers.keys() - self.buried - self.killed - self.detached
        over = [(name, alive[name].exit_status if name in alive else None) for name in unknown]
        return sorted((self._numbers[name], status) for name, status in over if status is not None or name not in alive)

    def bury(self, pid: int) -> None:
        """The client knows of the end of a VM."""
        self.buried.update(name for name, number in self._numbers.items() if number == pid)

    def shown(self) -> list[VirtualMachine]:
        """The VMs that the client looks at."""
        return [vm for vm in self.every() if vm.name not in self.detached]

    def vm(self, pid: int) -> VirtualMachine | None:
        """The VM of that number, if the client looks at it."""
        return next((vm for vm in self.shown() if self.pid(vm) == pid), None)

    @staticmethod
    def vcpus(vm: VirtualMachine) -> list[VCpu]:
        """A VM's vCPUs that were ever on, by index."""
        return [vm.vcpus[index] for index in sorted(vm.vcpus)]

    def threads(self) -> list[VCpu]:
        """Every thread that the client sees."""
        return [vcpu for vm in self.shown() for vcpu in self.vcpus(vm)]

    def meant(self, name: ThreadId) -> list[VCpu]:
        """The threads that a packet means, in order; ANY is all of them, the first of which will do."""
        if name.pid is None and name.tid > 0:
            return [vcpu for vcpu in self.threads() if self._number(vcpu) == name.tid]
        vms = self.shown() if name.pid in (None, ANY, ALL) else [vm for vm in self.shown() if self.pid(vm) == name.pid]
        found: Sequence[VCpu] = [vcpu for vm in vms for vcpu in self.vcpus(vm)]
        return [vcpu for vcpu in found if name.tid in (ANY, ALL) or vcpu.index + 1 == name.tid]

    def _number(self, vcpu: VCpu) -> int:
        """A thread's number for this client when it names no process."""
        return (self.pid(vcpu.vm) - 1) * STRIDE + vcpu.index + 1 if self.by_thread_only else vcpu.index + 1

    def write(self, vcpu: VCpu) -> str:
        """A thread as this client reads it."""
        if self.by_thread_only:
            return f"{self._number(vcpu):x}"
        return f"p{self.pid(vcpu.vm):x}.{vcpu.index + 1:x}"
