"""What is told of a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.calls import Numbers
from gunyah_emu.debug.gdb.registers import NUMBERS, REGISTERS, encode
from gunyah_emu.debug.points import HaltKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from gunyah_emu.debug.gdb.stub import Stub
    from gunyah_emu.debug.points import Halt
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

SIGINT, SIGTRAP, SIGABRT, SIGKILL, SIGSTOP = 2, 5, 6, 9, 17
"""GDB's own numbers of signals."""

SIGNALS: Final = {
    HaltKind.INTERRUPTED: SIGINT,
    HaltKind.FATAL: SIGABRT,
    HaltKind.IDLE: SIGSTOP,
    HaltKind.EXITED: SIGSTOP,
}
"""What else than a trap a halt is."""

EXPEDITED: Final = tuple(NUMBERS[name] for name in ("x29", "sp", "pc"))
"""Registers that every stop reply holds: GDB asks for them first."""

HVC, SMC, CALL_MASK = 0xD400_0002, 0xD400_0003, 0xFFE0_001F
INSTRUCTION: Final = 4


class Stops:
    """Makes stop replies, and remembers the last one.

    Arguments:
        stub: whose machine.

    Attributes:
        vcpu: the thread that stopped last.
    """

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._numbers = Numbers()
        #: the call that each vCPU has begun, while its return is waited for
        self._called: dict[VCpu, int] = {}
        self._last: Halt | None = None
        #: a halt that is not told yet, because the end of a VM was told first
        self._waiting: Halt | None = None
        #: processes that had ended before the machine moved, of which the client was not told: it went back behind that
        self._known: set[int] = set()
        self.vcpu: VCpu | None = None

    @property
    def numbers(self) -> Numbers:
        """How calls are numbered."""
        return self._numbers

    def exited(self, known: Collection[int] = ()) -> bytes | None:
        """The end of a VM that the client has not been told of; None when there is none.

        Arguments:
            known: processes whose end is no news.
        """
        processes = self._stub.processes
        dying = [(pid, status) for pid, status in processes.dying() if pid not in known]
        if not dying:
            return None
        if processes.by_thread_only:
            if len(dying) < len(processes.shown()):
                return None
            for pid, _ in dying:
                processes.bury(pid)
        pid, status = dying[0]
        processes.bury(pid)
        return self._over(pid, status)

    def _over(self, pid: int, status: int | None) -> bytes:
        process = "" if self._stub.processes.by_thread_only else f";process:{pid:x}"
        if status is None:  # its maker destroyed it
            return f"X{SIGKILL:02x}{process}".encode()
        return f"W{status & 0xFF:02x}{process}".encode()

    def remember(self, halt: Halt) -> None:
        """Take a halt for the last stop."""
        self._last = halt
        self.vcpu = halt.vcpu or self._stub.session.current or self.vcpu

    def report(self, halt: Halt) -> bytes:
        """The reply to whatever moved the machine.

        Where the machine can go no further its processes stay until the client tries: for GDB there is no way back from
        the end of a process.
        """
        self.remember(halt)
        if halt.outcome is not None:
            for message in (*halt.outcome.messages, *self._ends(halt)):
                self._stub.say(message)
            return self.again()
        over = self.exited(self._known)
        if over is None:
            return self.again()
        self._waiting = halt
        return over

    def _ends(self, halt: Halt) -> list[str]:
        """What to say of a machine that ran to its end."""
        if halt.kind is not HaltKind.EXITED:
            return []
        vms = (vm for vm in self._stub.machine.vms if vm.exit_status is not None)
        statuses = ", ".join(f"{vm.name} with status {vm.exit_status}" for vm in vms)
        return [f"The machine has ended: {statuses}.  Go back, or continue to leave it."]

    def before(self) -> bytes | None:
        """The client lets time go forward; what it must be told of instead, as there can be several stops at a halt."""
        halt, self._waiting = self._waiting, None
        can_go_on = self._last is None or self._last.outcome is None
        over = self.exited(self._known if can_go_on else ())
        if over is not None:
            self._waiting = halt
            return over
        if halt is not None:
            return self.report(halt)
        self._known = {pid for pid, _ in self._stub.processes.dying()}
        return None

    def before_back(self) -> None:
        """The client lets time go back: what was not told yet has not happened, and no process ends that way."""
        self._waiting = None
        self._known = {pid for pid, _ in self._stub.processes.dying()}

    def again(self) -> bytes:
        """The last stop, as `?` and vAttach tell it."""
        halt = self._last
        threads = self._stub.processes.threads()
        if not threads:
            first = self._stub.machine.vms[0]
            return self._over(self._stub.processes.pid(first), first.exit_status)
        if self.vcpu not in threads:
            current = self._stub.session.current
            self.vcpu = current if current in threads else threads[0]
        assert self.vcpu is not None
        if halt is None or (halt.vcpu is not None and halt.vcpu is not self.vcpu):
            return self._write(SIGTRAP, "", self.vcpu)
        return self._write(SIGNALS.get(halt.kind, SIGTRAP), self._reason(halt), self.vcpu)

    def attached(self, vm: VirtualMachine) -> bytes:
        """The reply to a client that looks at a VM from now on."""
        vcpus = self._stub.processes.vcpus(vm)
        if self.vcpu not in vcpus:
            self.vcpu = vcpus[0]
        assert self.vcpu is not None
        return self._write(0, "", self.vcpu)

    def _write(self, signal: int, reason: str, vcpu: VCpu) -> bytes:
        registers = "".join(f"{number:x}:{encode(REGISTERS[number], vcpu).decode()};" for number in EXPEDITED)
        core = f"core:{0:x};"
        thread = self._stub.processes.write(vcpu)
        self._stub.select(vcpu)
        return f"T{signal:02x}{reason}thread:{thread};{core}{registers}".encode()

    def _reason(self, halt: Halt) -> str:
        if halt.kind is HaltKind.BEGINNING:
            return "replaylog:begin;"
        if halt.kind in (HaltKind.CALL, HaltKind.CALL_RETURN):
            return self._call(halt)
        kind = self._stub.points.kind_of(halt.point) if halt.point is not None else None
        if kind is None:
            return ""
        return f"{kind.reason}:{halt.address or 0:x};" if kind.access else f"{kind.reason}:;"

    def _call(self, halt: Halt) -> str:
        vcpu = halt.vcpu
        assert vcpu is not None
        if halt.kind is HaltKind.CALL:
            self._called[vcpu] = number = self._decode(vcpu, 0)
            return f"syscall_entry:{number:x};"
        number = self._called.pop(vcpu, 0) or self._decode(vcpu, -INSTRUCTION)
        return f"syscall_return:{number:x};"

    def _decode(self, vcpu: VCpu, offset: int) -> int:
        """The call at the vCPU's PC, or in front of it."""
        registers = vcpu.vm.engine.registers(vcpu.index)
        word = int.from_bytes(self._stub.session.read_memory(vcpu, registers.pc + offset, INSTRUCTION), "little")
        immediate = word >> 5 & 0xFFFF if word & CALL_MASK in (HVC, SMC) else 0
        return self._numbers.number(immediate, registers.x[0])
