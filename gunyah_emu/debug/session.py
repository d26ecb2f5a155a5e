"""A machine that stands between two instructions, and moves both ways.

A position is the number of instructions that all vCPUs have retired.  A machine is at a position in the last moment
before the next instruction is executed: interrupts that are due have been taken, waits are over.  Halting changes
nothing, so a position means the same in every session, however often it was halted on the way; going back is coming
from an earlier state to an earlier position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.cpu.debugging import Halt as EngineHalt
from gunyah_emu.debug import memory
from gunyah_emu.debug.history import History, State
from gunyah_emu.debug.points import (
    AccessKind,
    Breakpoint,
    CallCatch,
    Halt,
    HaltKind,
    InterruptCatch,
    Point,
    Watchpoint,
)
from gunyah_emu.debug.sights import Sights
from gunyah_emu.debug.slices import Names, Slices, is_among, names_of
from gunyah_emu.events import MemorySink
from gunyah_emu.machine.scheduler import NEVER, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

    Interrupted = Callable[[], bool]

NEAR = 20_000
"""Instructions in front of a position in the past at which a state is remembered on the way there: whoever steps back
once steps back again."""

LOOK_BACK = (1_000, 100_000)
"""Instructions within which the last halt is looked for first: where it halts at every turn of a loop, looking further
back takes for ever, and executing without a look takes no time."""

ENDS = {Reason.EXITED: HaltKind.EXITED, Reason.IDLE: HaltKind.IDLE, Reason.FATAL: HaltKind.FATAL}


class Session:
    """A machine under a debugger.  It stands at its first instruction afterwards.

    Arguments:
        machine: one that has not run, or stands between two runs.
        history_bytes: host memory for the past; less of it makes going back slower.
        events: how many of the newest events are kept.
    """

    def __init__(self, machine: Machine, *, history_bytes: int = 1 << 30, events: int = 100_000) -> None:
        self.machine = machine
        self.sights = Sights(machine)
        self.slices = Slices(machine, self.sights.wanted)
        self.history = History(machine, history_bytes)
        self.sink = MemorySink(events)
        machine.record(self.sink)
        machine.record(self.sights)
        machine.scheduler.debugger = self.slices
        self._is_changed = False
        self._interrupted: Interrupted | None = None
        self._was_interrupted = False
        self._returning: dict[VCpu, CallCatch] = {}
        self._advance(self.position, quiet=True)
        self.history.add(None)

    # ------------------------------------------------------------------ where it is

    @property
    def position(self) -> int:
        """Instructions that all vCPUs have retired."""
        return self.machine.clock.instructions

    @property
    def current(self) -> VCpu | None:
        """The vCPU whose instruction is next; None when every vCPU waits or has ended."""
        halted = self.machine.scheduler.halted
        return None if halted is None else halted.vcpu

    # ------------------------------------------------------------------ where it halts

    def add_breakpoint(self, vm: VirtualMachine, address: int) -> Breakpoint:
        """Halt in front of the instruction at a virtual address."""
        return self.sights.add(Breakpoint(vm, address))

    def add_watchpoint(self, vm: VirtualMachine, address: int, size: int, access: AccessKind = "write") -> Watchpoint:
        """Halt in front of accesses to `size` bytes at a virtual address, which must be RAM by the time it runs on."""
        return self.sights.add(Watchpoint(vm, address, size, access))

    def catch_calls(
        self, vm: VirtualMachine | None = None, numbers: Collection[int] | None = None, *, returns: bool = False
    ) -> CallCatch:
        """Halt in front of calls, and behind them if `returns`; see `CallCatch` for numbers."""
        return self.sights.add(CallCatch(vm, numbers, returns=returns))

    def catch_interrupts(self, vm: VirtualMachine | None = None) -> InterruptCatch:
        """Halt behind the instruction that takes an interrupt from the GIC."""
        return self.sights.add(InterruptCatch(vm))

    def remove(self, point: Point) -> None:
        """Halt there no longer."""
        self.sights.remove(point)

    # ------------------------------------------------------------------ forwards

    def resume(
        self,
        *,
        only: Collection[VCpu | VirtualMachine] | None = None,
        limit: int | None = None,
        interrupted: Interrupted | None = None,
    ) -> Halt:
        """Run until something halts it.

        Arguments:
            only: the vCPUs that may run, or VMs for all of theirs; None: everybody.
            limit: a position at which to halt in any case.
            interrupted: asked again and again; halts when it says so.
        """
        self._prepare(only, interrupted)
        return self._run(NEVER if limit is None else limit)

    def step(
        self,
        vcpu: VCpu,
        count: int = 1,
        *,
        only: Collection[VCpu | VirtualMachine] | None = None,
        interrupted: Interrupted | None = None,
    ) -> Halt:
        """Run until a vCPU has executed `count` more instructions, and others what their turns were meanwhile."""
        self._prepare(only, interrupted)
        self.slices.count(vcpu, count)
        return self._run(NEVER)

    def _prepare(self, only: Collection[VCpu | VirtualMachine] | None, interrupted: Interrupted | None) -> None:
        """Before it moves: what a person changed begins a new future."""
        chosen = self._chosen(only)
        scheduler = self.machine.scheduler
        if chosen != self.slices.only:
            self.slices.only = chosen
            self._is_changed = True
        if self._is_changed:
            self._begin_future()
        halted = scheduler.halted
        if halted is not None and chosen is not None and not is_among(halted.vcpu, chosen):
            scheduler.ready.appendleft(halted.vcpu)
            scheduler.halted = None
        self._interrupted = interrupted
        self._was_interrupted = False
        self.sights.look_again(self.current)
        self.slices.forget_counts()
        self.slices.passing = self.current

    def _chosen(self, only: Collection[VCpu | VirtualMachine] | None) -> Names | None:
        """Who may run; None: everybody who is on."""
        if only is None:
            return None
        chosen = names_of(only)
        running = (vcpu for vm in self.machine.vms for vcpu in vm.vcpus.values() if vcpu.on)
        return None if all(is_among(vcpu, chosen) for vcpu in running) else chosen

    def _begin_future(self) -> None:
        self.history.cut()
        self.history.add(self.slices.only, is_new=True)
        self._is_changed = False

    def _run(self, limit: int) -> Halt:
        """Run until something halts it that a person wants to know of."""
        self._pass_watched()
        while True:
            halt = self._advance(limit)
            if halt is not None:
                if halt.kind is HaltKind.CALL and isinstance(halt.point, CallCatch) and halt.point.returns:
                    assert halt.vcpu is not None
                    self._returning[halt.vcpu] = halt.point
                return halt

    def _pass_watched(self) -> None:
        """Execute the next instruction even if it makes a watched access: the person has been told of it."""
        vcpu = self.current
        if vcpu is not None and self.sights.watches(vcpu):
            self._pass_access(vcpu)

    def _pass_access(self, vcpu: VCpu) -> None:
        self.slices.pass_access(vcpu)
        self.slices.passing = vcpu
        self.slices.halt_at = NEVER
        self.slices.quiet = self.sights.is_blind = False  # it may have come here from behind
        self.machine.advance(until=self._poll)
        self.slices.pass_access(None)

    def _advance(self, limit: int, *, quiet: bool = False) -> Halt | None:
        """Run on; None: halted for a reason of ours."""
        machine, slices = self.machine, self.slices
        slices.halt_at, slices.quiet, self.sights.is_blind = limit, quiet, quiet
        for returning in self._returning.keys() - slices.awaited:
            slices.count(returning, 1)
        reason = machine.advance(until=self._poll)
        if reason in ENDS:
            return Halt(ENDS[reason], self.position, outcome=machine.outcome(reason))
        assert reason is Reason.HALTED
        vcpu = self.current
        assert vcpu is not None
        return Halt(HaltKind.POSITION, self.position, vcpu) if quiet else self._reason(vcpu, limit)

    def _poll(self) -> bool:
        """Between slices."""
        if self._interrupted is not None and self._interrupted():
            self._was_interrupted = True
            self.slices.halt_at = self.position
        elif self.history.states and self.history.is_due():
            self.history.add(self.slices.only)
        return False

    def _reason(self, vcpu: VCpu, limit: int) -> Halt | None:
        """Why it halted in front of this vCPU's instruction."""
        flags, position, sights = vcpu.vm.engine.halt, self.position, self.sights
        if flags & EngineHalt.CALL:
            return Halt(HaltKind.CALL, position, vcpu, sights.caught)
        if flags & EngineHalt.ACCESS:
            found = sights.watched_access(vcpu)
            if found is None:
                self._pass_access(vcpu)
                return self._reason_of_count(vcpu, limit)
            return Halt(HaltKind.WATCHPOINT, position, vcpu, *found)
        if flags & EngineHalt.BREAKPOINT:
            point = sights.breakpoint_at(vcpu)
            return Halt(HaltKind.BREAKPOINT, position, vcpu, point)
        return self._reason_of_count(vcpu, limit)

    def _reason_of_count(self, vcpu: VCpu, limit: int) -> Halt | None:
        """Which number of instructions was reached; None: none that matters."""
        position = self.position
        if (returned := self._returned(vcpu)) is not None:
            return Halt(HaltKind.CALL_RETURN, position, *returned)
        if (taken := self.sights.take_interrupt()) is not None:
            return Halt(HaltKind.INTERRUPT, position, *taken)
        if (stepped := self.slices.take_counted()) is not None:
            return Halt(HaltKind.STEP, position, stepped)
        if self._was_interrupted:
            return Halt(HaltKind.INTERRUPTED, position, self.current)
        if position >= limit:
            return Halt(HaltKind.POSITION, position, self.current)
        return None

    def _returned(self, current: VCpu) -> tuple[VCpu, CallCatch] | None:
        """A vCPU whose call is done; one that is blocked in it is waited for."""
        slices = self.slices
        for vcpu, catch in list(self._returning.items()):
            if vcpu in slices.awaited:
                if vcpu is not current:
                    continue
                slices.awaited.discard(vcpu)
            elif not slices.counted(vcpu):
                continue
            elif vcpu.blocked:
                slices.awaited.add(vcpu)
                continue
            del self._returning[vcpu]
            if vcpu.on:  # a call that turns its caller off does not return
                return vcpu, catch
        return None

    # ------------------------------------------------------------------ backwards

    def go(self, position: int, *, interrupted: Interrupted | None = None) -> Halt:
        """Go to a position, in the past or the future; at most to the first that is remembered, or to an end."""
        if self._is_changed:
            self._begin_future()
        self._interrupted, self._was_interrupted = interrupted, False
        position = max(position, self.history.states[0].position)
        state = self.history.at(position)
        if not state.position <= self.position <= position or self.current is None:
            self._restore(state)
        if position - self.position > 10 * NEAR:
            halt = self._advance(position - NEAR, quiet=True)
            assert halt is not None
            if halt.kind is not HaltKind.POSITION or self._was_interrupted:
                return halt
            self.history.add(self.slices.only)
        halt = self._advance(position, quiet=True)
        assert halt is not None
        return halt

    def _restore(self, state: State) -> None:
        self.machine.restore(state.snapshot)
        self.slices.only = state.only
        self.slices.forget_counts()
        self._returning.clear()
        self.slices.awaited.clear()
        self.sights.take_interrupt()

    def reverse_step(self, vcpu: VCpu, count: int = 1, *, interrupted: Interrupted | None = None) -> Halt:
        """Go back to where a vCPU was about to execute the last `count` of its instructions."""
        now = end = self.position
        for state in self.history.before(end):
            log = self._log(state, end, interrupted)
            if self._was_interrupted:
                return self._give_up(now)
            for runner, first, last in reversed(log):
                # Executed again, a vCPU that is powered on meanwhile is another object.
                if (runner.vm.name, runner.index) != (vcpu.vm.name, vcpu.index):
                    continue
                if last - first >= count:
                    self.go(last - count)
                    return Halt(HaltKind.STEP, self.position, self.current)
                count -= last - first
            end = state.position
        return self._go_to_beginning()

    def _log(self, state: State, end: int, interrupted: Interrupted | None) -> list[tuple[VCpu, int, int]]:
        """Who ran when between a state and a position."""
        self._restore(state)
        self._interrupted, self._was_interrupted = interrupted, False
        log: list[tuple[VCpu, int, int]] = []
        self.slices.log = log
        try:
            self._advance(end, quiet=True)
        finally:
            self.slices.log = None
        return log

    def reverse_resume(self, *, interrupted: Interrupted | None = None) -> Halt:
        """Go back to the last time something halted it; what is here does not count."""
        now = end = self.position
        for state in self.history.before(now):
            for begin in (*(end - size for size in LOOK_BACK if end - size > state.position), state.position):
                last = self._last_halt(state, begin, end, interrupted)
                if self._was_interrupted:
                    return self._give_up(now)
                if last is not None:
                    self.go(last.position)
                    return last
            end = state.position
        return self._go_to_beginning()

    def _last_halt(self, state: State, begin: int, end: int, interrupted: Interrupted | None) -> Halt | None:
        """The last halt between two positions behind a state."""
        self._restore(state)
        self._interrupted, self._was_interrupted = interrupted, False
        self._advance(begin, quiet=True)
        self.slices.passing = None
        self.sights.look_again(self.current)
        found = None
        while self.position < end:
            halt = self._advance(end)
            if halt is None:
                continue
            if halt.position >= end or halt.outcome is not None or halt.kind is HaltKind.INTERRUPTED:
                break
            found = halt
            self.slices.passing = self.current
            self._pass_watched()
        return found

    def _give_up(self, position: int) -> Halt:
        """Back to where it began to go back."""
        self.go(position)
        return Halt(HaltKind.INTERRUPTED, self.position, self.current)

    def _go_to_beginning(self) -> Halt:
        self.go(self.history.states[0].position)
        return Halt(HaltKind.BEGINNING, self.position, self.current)

    # ------------------------------------------------------------------ looking, and changing

    def read_memory(self, vcpu: VCpu, address: int, size: int) -> bytes:
        """Bytes at a virtual address, as many as there are in one piece."""
        return memory.read_virtual(vcpu, address, size)

    def write_memory(self, vcpu: VCpu, address: int, data: bytes) -> int:
        """Write at a virtual address, whatever the tables forbid; returns how many bytes there was room for."""
        self._is_changed = True
        return memory.write_virtual(vcpu, address, data)

    def read_physical(self, vm: VirtualMachine, address: int, size: int) -> bytes:
        """Bytes at an IPA, as many as there are in one piece."""
        return memory.read_physical(vm, address, size)

    def write_physical(self, vm: VirtualMachine, address: int, data: bytes) -> int:
        """Write at an IPA; returns how many bytes there was room for."""
        self._is_changed = True
        return memory.write_physical(vm, address, data)

    def write_register(self, vcpu: VCpu, name: str, value: int) -> None:
        """Write x0..x30, sp, pc, pstate, v0..v31, fpcr, fpsr, or a system register by its name."""
        self._is_changed = True
        registers = vcpu.vm.engine.registers(vcpu.index)
        if name in ("sp", "pc", "pstate"):
            setattr(registers, name, value)
        elif name[0] == "x" and name[1:].isdigit():
            registers.x[int(name[1:])] = value
        elif name[0] == "v" and name[1:].isdigit():
            registers.fp.v[int(name[1:])] = value
        elif name in ("fpcr", "fpsr"):
            setattr(registers.fp, name, value)
        else:
            registers[name] = value

    def type(self, vm: VirtualMachine, data: bytes) -> None:
        """Type at a VM's console."""
        self._is_changed = True
        vm.console.type(data)

    def close(self) -> None:
        """Let the machine go; it can be run on as if nobody had looked."""
        self.slices.let_go()
        self.machine.scheduler.debugger = None
