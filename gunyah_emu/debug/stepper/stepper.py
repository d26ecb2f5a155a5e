"""Moves a machine as a person asks, and says what it finds.

Everything here is a method of `Stepper` that returns lines; neither a screen nor a script is known here.  A move
answers with one line that says where the machine came to stand and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gunyah_emu.debug.gdb.calls import all_calls
from gunyah_emu.debug.points import Breakpoint, HaltKind, Watchpoint
from gunyah_emu.debug.session import Session
from gunyah_emu.debug.stepper import code, state
from gunyah_emu.debug.stepper.answer import answer, where
from gunyah_emu.debug.stepper.guard import decoded
from gunyah_emu.debug.stepper.lines import Line, line
from gunyah_emu.debug.stepper.next_call import next_call
from gunyah_emu.debug.stepper.symbols import find_place
from gunyah_emu.debug.why import Places, Trace
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from gunyah_emu.debug.points import Halt, Point
    from gunyah_emu.debug.why.trace import Entry
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

STEP_OVER = ("bl", "blr")
OVER = (HaltKind.EXITED, HaltKind.FATAL)


class Stepper:
    """A machine that a person steps through.

    Arguments:
        machine: one that has not run.
        limit: how many instructions a move may execute before it gives up; None: as many as it takes.
        interrupted: asked during a move; ends it when it says so.

    Attributes:
        focus: the vCPU that views show; None before any was on.
        halt: how the machine came to stand.
        only_vm: the VM whose calls and interrupts moves stop for; empty: any.  Its name: a VM that a guest makes is
            another one each time that it is made.
        only_calls: the numbers of the calls that moves stop for; None: any.
        points: breakpoints and watchpoints, in the order of their numbers.
        before: by vCPU, its registers before the last move.
        places: names of addresses.
    """

    def __init__(
        self, machine: Machine, *, limit: int | None = None, interrupted: Callable[[], bool] | None = None
    ) -> None:
        self.machine = machine
        self.session = Session(machine)
        self.limit = limit
        self.interrupted = interrupted
        self.gives_up_at: int | None = None
        self.halt: Halt | None = None
        self.focus: VCpu | None = self.session.current or self._any_vcpu()
        self.only_vm = ""
        self.only_calls: frozenset[int] | None = None
        self.points: list[Point] = []
        self._call_names: tuple[str, ...] = ()
        self.before: dict[VCpu, dict[str, int]] = {}
        self._values: dict[VCpu, dict[str, int]] = {}
        self.places = Places.of_machine(machine)
        self._note_registers()

    def _waiting_vcpu(self) -> VCpu | None:
        """One that waits: when nothing goes on, whoever looks wants to know what for."""
        vcpus = (vcpu for vm in self.machine.vms for vcpu in vm.vcpus.values())
        return next((vcpu for vcpu in vcpus if vcpu.on and vcpu.waiting), None)

    def _any_vcpu(self) -> VCpu | None:
        return next((vcpu for vm in self.machine.vms for vcpu in vm.vcpus.values()), None)

    def _vcpu(self) -> VCpu:
        """Whose instruction is next.

        Errors: UserError: nobody's.
        """
        vcpu = self.session.current
        if vcpu is None:
            raise UserError("no vCPU has an instruction to execute: go back")
        return vcpu

    @property
    def ended(self) -> bool:
        """Whether nothing can happen any more, but backwards."""
        return self.halt is not None and self.halt.outcome is not None

    # ------------------------------------------------------------------ forwards

    def to_call(self, *names: str) -> list[Line]:
        """To the next hypercall or service call that the filter, or these names, let through."""
        numbers = self._numbers(names) if names else self.only_calls
        with self._wanting(self.session.catch_calls(self._filter_vm(), numbers)):
            return self._moved(self._resume())

    def to_interrupt(self, intid: int | None = None) -> list[Line]:
        """To where the next interrupt has been taken, of the VM that the filter lets through."""
        with self._wanting(self.session.catch_interrupts(self._filter_vm())):
            while True:
                halt = self._resume()
                if intid is None or halt.kind is not HaltKind.INTERRUPT or self._taken_intid(halt) == intid:
                    return self._moved(halt)

    def _taken_intid(self, halt: Halt) -> int | None:
        entry = self.last("irq_acknowledged", halt.vcpu)
        return None if entry is None else entry.number("intid")

    def step(self, count: int = 1) -> list[Line]:
        """Execute instructions of the vCPU that is next."""
        vcpu = self._vcpu()
        return self._moved(self.session.step(vcpu, count, interrupted=self.interrupted))

    def step_over(self) -> list[Line]:
        """Execute one instruction; of a call of a function or of the hypervisor, to where it returns."""
        vcpu = self._vcpu()
        pc = vcpu.vm.engine.registers(vcpu.index).pc
        if next_call(vcpu) is not None:
            return self.call_return()
        word = self.session.read_memory(vcpu, pc, code.INSTRUCTION)
        if len(word) < code.INSTRUCTION or code.disassemble(word, pc)[0] not in STEP_OVER:
            return self.step()
        with self._wanting(self.session.add_breakpoint(vcpu.vm, pc + code.INSTRUCTION)):
            return self._moved(self._resume())

    def call_return(self) -> list[Line]:
        """Make the call that is next, and stop where it has returned."""
        vcpu = self._vcpu()
        if next_call(vcpu) is None:
            raise UserError("the next instruction is no HVC or SMC; `call` goes to one")
        pc = vcpu.vm.engine.registers(vcpu.index).pc
        halt = self.session.step(vcpu, interrupted=self.interrupted)
        if vcpu.blocked:
            with self._wanting(self.session.add_breakpoint(vcpu.vm, pc + code.INSTRUCTION)):
                halt = self._resume()
        return self._moved(halt, returned=vcpu)

    def run(self) -> list[Line]:
        """On to the next breakpoint or watchpoint, or to the end."""
        return self._moved(self._resume())

    def to(self, place: str) -> list[Line]:
        """To a place in a VM's code, or to `@POSITION`, which may lie in the past."""
        if place.startswith("@"):
            return self._moved(self.session.go(integer(place[1:]), interrupted=self.interrupted))
        with self._wanting(self.session.add_breakpoint(*find_place(self.likely_vms(), place))):
            return self._moved(self._resume())

    def _resume(self) -> Halt:
        if self.halt is not None and self.halt.kind in OVER and self.halt.position == self.session.position:
            return self.halt
        self.gives_up_at = None if self.limit is None else self.session.position + self.limit
        return self.session.resume(limit=self.gives_up_at, interrupted=self.interrupted)

    @contextmanager
    def _wanting(self, point: Point) -> Iterator[None]:
        try:
            yield
        finally:
            self.session.remove(point)

    # ------------------------------------------------------------------ backwards

    def back(self, count: int = 1) -> list[Line]:
        """Undo instructions: the last ones of the vCPU that is next."""
        vcpu = self.session.current
        if vcpu is None:
            return self._moved(self.session.go(self.session.position - count, interrupted=self.interrupted))
        return self._moved(self.session.reverse_step(vcpu, count, interrupted=self.interrupted))

    def previous_call(self, *names: str) -> list[Line]:
        """Back to the last call that the filter, or these names, let through."""
        numbers = self._numbers(names) if names else self.only_calls
        with self._wanting(self.session.catch_calls(self._filter_vm(), numbers)):
            return self._moved(self.session.reverse_resume(interrupted=self.interrupted))

    def previous_interrupt(self) -> list[Line]:
        """Back to where the last interrupt had been taken."""
        with self._wanting(self.session.catch_interrupts(self._filter_vm())):
            return self._moved(self.session.reverse_resume(interrupted=self.interrupted))

    def run_back(self) -> list[Line]:
        """Back to the last breakpoint or watchpoint, or to the beginning."""
        return self._moved(self.session.reverse_resume(interrupted=self.interrupted))

    # ------------------------------------------------------------------ where to halt, what to show

    def add_break(self, place: str) -> list[Line]:
        """Halt in front of a place whenever it is reached."""
        vm, address = find_place(self.likely_vms(), place)
        return self._added(self.session.add_breakpoint(vm, address))

    def add_watch(self, place: str, size: int = 8) -> list[Line]:
        """Halt in front of writes to bytes at a place."""
        vm, address = find_place(self.likely_vms(), place)
        return self._added(self.session.add_watchpoint(vm, address, size))

    def _added(self, point: Point) -> list[Line]:
        self.points.append(point)
        return self.list_points()

    def list_points(self) -> list[Line]:
        """Every breakpoint and watchpoint, with the number that deletes it."""
        lines = []
        for number, point in enumerate(self.points, 1):
            assert isinstance(point, Breakpoint | Watchpoint)
            what = f"watch {point.size} bytes" if isinstance(point, Watchpoint) else "break"
            place = self.places.of(point.vm.name, point.address)
            lines.append(line((f"{number:>3}  ", "address"), f"{what} at {point.vm.name}:{point.address:#x}  {place}"))
        return lines or [line(("no breakpoint and no watchpoint", "dim"))]

    def delete(self, number: int) -> list[Line]:
        """Remove a breakpoint or watchpoint."""
        if not 1 <= number <= len(self.points):
            raise UserError(f"there are {len(self.points)} breakpoints and watchpoints; there is no {number}")
        self.session.remove(self.points.pop(number - 1))
        return self.list_points()

    def filter_vm(self, name: str) -> list[Line]:
        """Stop for calls and interrupts of one VM only; `any`: of every one."""
        self.only_vm = "" if name == "any" else self.vm(name).name
        return [line(self.filter_text)]

    def _filter_vm(self) -> VirtualMachine | None:
        return self.vm(self.only_vm) if self.only_vm else None

    def filter_calls(self, *names: str) -> list[Line]:
        """Stop for calls of these names only; `any`: for every one."""
        self.only_calls = None if names == ("any",) else self._numbers(names)
        self._call_names = () if self.only_calls is None else names
        return [line(self.filter_text)]

    @property
    def filter_text(self) -> str:
        """What moves to calls and interrupts stop for."""
        vm = f"VM {self.only_vm}" if self.only_vm else "any VM"
        return f"stops for {' '.join(self._call_names) or 'any call'} of {vm}"

    def _numbers(self, names: Iterable[str]) -> frozenset[int]:
        """The calls that names or patterns mean.

        Errors: UserError: one means none.
        """
        numbers: set[int] = set()
        for name in names:
            found = {call.key for call in all_calls() if call.key is not None and fnmatchcase(call.name, name)}
            if not found and name[:1].isdigit():
                found = {integer(name)}
            if not found:
                raise UserError(f"a call must be a name, a pattern such as doorbell_*, or a number; not {name!r}")
            numbers |= found
        return frozenset(numbers)

    def look_at(self, place: str) -> list[Line]:
        """Show another vCPU: `VM` or `VM/N`."""
        name, _, number = place.partition("/")
        vm = self.vm(name)
        index = integer(number) if number else 0
        if index not in vm.vcpus:
            have = ", ".join(str(each) for each in vm.vcpus)
            raise UserError(f"VM '{name}' has vCPUs {have}; it has no {index}" if have else f"VM '{name}' has no vCPU")
        self.focus = vm.vcpus[index]
        return [where(self)]

    def next_focus(self) -> list[Line]:
        """Show the next vCPU."""
        vcpus = [vcpu for vm in self.machine.vms for vcpu in vm.vcpus.values()]
        if vcpus:
            at = vcpus.index(self.focus) if self.focus in vcpus else -1
            self.focus = vcpus[(at + 1) % len(vcpus)]
        return [where(self)]

    def vm(self, name: str) -> VirtualMachine:
        """The VM of a name.

        Errors: UserError: there is none.
        """
        try:
            return self.machine.vm(name)
        except KeyError:
            names = ", ".join(vm.name for vm in self.machine.vms)
            raise UserError(f"there is no VM {name!r}; there are {names}") from None

    def likely_vms(self) -> list[VirtualMachine]:
        """Every VM, the one that is looked at first."""
        first = self.focus.vm if self.focus is not None else None
        return sorted(self.machine.vms, key=lambda vm: vm is not first)

    def type(self, name: str, text: str) -> list[Line]:
        """Type a line at a VM's console."""
        self.session.type(self.vm(name), text.encode() + b"\n")
        return []

    # ------------------------------------------------------------------ after a move

    def _moved(self, halt: Halt, *, returned: VCpu | None = None) -> list[Line]:
        """Where the machine stands now, and why."""
        self.halt = halt
        self.focus = halt.vcpu or self.session.current or self._waiting_vcpu() or self.focus
        if self.focus is not None and self.focus.vm.vcpus.get(self.focus.index) is not self.focus:
            self.focus = self._any_vcpu()  # a guest had made it, and destroyed it
        self._note_registers()
        return decoded(lambda: answer(self, halt, returned))

    def _note_registers(self) -> None:
        """What views compare with."""
        vcpu = self.focus
        if vcpu is None:
            return
        if vcpu in self._values:
            self.before[vcpu] = self._values[vcpu]
        self._values[vcpu] = state.register_values(vcpu)

    def trace(self, newest: int | None = None) -> Trace:
        """The events so far, or the newest of them."""
        kept = list(self.session.sink.events)
        return Trace.of_events(kept if newest is None else kept[-newest:])

    def last(self, kind: str, vcpu: VCpu | None) -> Entry | None:
        """The last event of a kind of a vCPU."""
        if vcpu is None:
            return None
        for event in reversed(self.session.sink.events):
            if event.kind == kind and (event.vm, event.vcpu) == (vcpu.vm.name, vcpu.index):
                return next(iter(Trace.of_events([event])))
        return None

    def last_call(self, vcpu: VCpu | None, *, returned: bool = False) -> Entry | None:
        """The last call of a vCPU, or the last answer to one."""
        kinds = ("hypercall_return", "service_return") if returned else ("hypercall", "service")
        found = [self.last(kind, vcpu) for kind in kinds]
        return max((one for one in found if one is not None), key=lambda one: one.seq, default=None)


def integer(text: str) -> int:
    """A number that a person wrote.

    Errors: UserError: it is none.
    """
    try:
        return int(text, 0)
    except ValueError:
        raise UserError(f"a number must be decimal or 0x..., not {text!r}") from None
