"""What a guest's exits mean when the hypercall table does not answer them: SMCCC calls, semihosting, unknown things.

Unknown things are told once for each place: a guest that polls a register that is not modelled must not flood its
reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.cpu import ExitHandler
from gunyah_emu.cpu.sysreg import encoding_name
from gunyah_emu.devices.semihosting import Exit, Semihosting
from gunyah_emu.machine.traps import device_at

if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from gunyah_emu.cpu.libunicorn import Encoding
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VirtualMachine

UNKNOWN_LIMIT = 64
"""Distinct unknown things of one VM that are told; the rest is only counted."""


class Exits(ExitHandler):
    """Answers one VM's exits.

    Arguments:
        machine: the machine.
        vm: the VM.
    """

    def __init__(self, machine: Machine, vm: VirtualMachine) -> None:
        self._machine = machine
        self._vm = vm
        self._told: set[str] = set()
        self._semihosting: dict[int, Semihosting] = {}

    def on_call(self, vcpu: int, conduit: str, immediate: int, x: MutableSequence[int]) -> None:
        """HVC or SMC with an immediate outside the table: SMCCC on #0, otherwise no such call."""
        self._machine.smccc(self._vm.vcpus[vcpu], conduit, immediate, x)

    def on_semihosting(self, vcpu: int, x: MutableSequence[int]) -> None:
        """HLT #0xF000: operation in w0, parameter in x1, result in x0."""
        service = self._semihosting.get(vcpu)
        if service is None:
            service = self._semihosting[vcpu] = self._open_semihosting(vcpu)
        result = service.call(x[0], x[1])
        if isinstance(result, Exit):
            self._exit(vcpu, result.status & 0xFF)
        elif result is not None:
            x[0] = result
        else:
            engine = self._vm.engine
            self._vm.vcpus[vcpu].repeats = engine.registers(vcpu).pc
            engine.request_stop()

    def _exit(self, vcpu: int, status: int) -> None:
        """SYS_EXIT ends a VM of the machine file; in a VM that a guest made, the vCPU stays where it is for good."""
        vm = self._vm
        if vm.configured:
            vm.exit(status, "semihosting SYS_EXIT")
        else:
            vm.tell(f"VM '{vm.name}' vCPU {vcpu}: semihosting SYS_EXIT with status {status}")
            self._machine.platform.vcpu_faulted(vm.vcpus[vcpu])

    def _open_semihosting(self, vcpu: int) -> Semihosting:
        vcpus = self._vm.vcpus  # whose thread is there may change

        def read(va: int, size: int) -> bytes | None:
            return vcpus[vcpu].thread.read_memory(va, size)

        def write(va: int, data: bytes) -> bool:
            return vcpus[vcpu].thread.write_memory(va, data) == len(data)

        return Semihosting(self._vm.console, read, write, self._machine.clock.now, self._vm.command_line)

    def on_unknown_register(self, vcpu: int, encoding: Encoding, is_read: bool, pc: int) -> None:
        """A system register that nothing models: UNDEFINED for the guest."""
        self._tell(f"{'read' if is_read else 'write'} of unknown system register {encoding_name(encoding)}", vcpu, pc)

    def on_unmapped(self, vcpu: int, ipa: int, kind: str, pc: int) -> bool:
        """An access that the bus does not answer: made again when something appears there, else an external abort."""
        if kind != "fetch":
            thread = self._vm.vcpus[vcpu].thread
            place = device_at(self._machine, thread, ipa, is_write=kind == "write")
            if place is not None:
                self._vm.engine.map_device(*place)
                return True
        self._tell(f"{kind} of unmapped address {ipa:#x}", vcpu, pc)
        return False

    def _tell(self, what: str, vcpu: int, pc: int) -> None:
        vm = self._vm
        key = f"{what} {pc:#x}"
        if key in self._told or len(self._told) >= UNKNOWN_LIMIT:
            return
        self._told.add(key)
        vm.tell(f"VM '{vm.name}' vCPU {vcpu}: {what} at {vm.describe(pc)}")
        if (tracing := self._machine.tracing) is not None:
            tracing.unknown(vm.vcpus[vcpu], what, pc)
