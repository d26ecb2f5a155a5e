"""What a debugger does around the slices of a machine, so that they halt where it wants and nowhere else.

A halt is no end of a slice: the scheduler goes on with what is left of it, so that the order of vCPUs, their slices and
every interrupt are those of a run that nobody looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.cpu.debugging import NOWHERE, Wanted
from gunyah_emu.machine.scheduler import NEVER

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Collection

    from gunyah_emu.cpu import Engine
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

NOTHING: Final = Wanted()
EVERY: Final = -1
"""All vCPUs of a VM, also those that are not on yet."""

Names = frozenset[tuple[str, int]]
"""vCPUs by VM and index: what is powered on again after time went back is another object."""


def names_of(chosen: Collection[VCpu | VirtualMachine]) -> Names:
    """Some vCPUs, and all those of some VMs, by name."""
    from gunyah_emu.machine.vm import VCpu

    return frozenset((each.vm.name, each.index) if isinstance(each, VCpu) else (each.name, EVERY) for each in chosen)


def is_among(vcpu: VCpu, names: Names) -> bool:
    """Whether a vCPU is one of those."""
    return (vcpu.vm.name, vcpu.index) in names or (vcpu.vm.name, EVERY) in names


class Slices:
    """Steers a machine's slices.

    Arguments:
        machine: the machine.
        wanted_of: what each VM's engine is to look for, when not `quiet`.

    Attributes:
        halt_at: the position at which to halt; NEVER for none.
        only: the vCPUs that may run; None: all.
        quiet: look for nothing but positions.
        log: of each slice (vCPU, position at its begin, at its end), while somebody wants that.
        passing: a vCPU whose next instruction is to be executed whatever halts there.
        awaited: vCPUs that are blocked in a call: halt when one of them is about to go on.
    """

    def __init__(self, machine: Machine, wanted_of: Callable[[VirtualMachine], Wanted]) -> None:
        self._machine = machine
        self._wanted_of = wanted_of
        self._applied: dict[Engine, Wanted] = {}
        self._single: VCpu | None = None
        self._counts: dict[VCpu, int] = {}
        self.halt_at = NEVER
        self.only: Names | None = None
        self.quiet = False
        self.log: list[tuple[VCpu, int, int]] | None = None
        self.passing: VCpu | None = None
        self.awaited: set[VCpu] = set()

    # what is wanted

    def count(self, vcpu: VCpu, instructions: int) -> None:
        """Halt when a vCPU has executed so many more instructions."""
        self._counts[vcpu] = instructions

    def counted(self, vcpu: VCpu) -> bool:
        """Whether it has executed all of those; asked once."""
        done = self._counts.get(vcpu, 1) <= 0
        if done:
            del self._counts[vcpu]
        return done

    def take_counted(self) -> VCpu | None:
        """A vCPU that has executed all of those, asked once."""
        return next((vcpu for vcpu in tuple(self._counts) if self.counted(vcpu)), None)

    def forget_counts(self) -> None:
        """Halt for none of those any more."""
        self._counts.clear()

    def pass_access(self, vcpu: VCpu | None) -> None:
        """Let a vCPU execute one instruction with nothing watched; None: that is over."""
        self._single = vcpu

    def let_go(self) -> None:
        """Nobody debugs the machine any more."""
        for engine in self._applied:
            engine.debug(None)
        self._applied.clear()

    # what the scheduler asks

    def next_vcpu(self, ready: deque[VCpu]) -> VCpu | None:
        """The vCPU that runs next, of those that may."""
        if self.only is None:
            return self._machine.chooser.next_vcpu(ready)
        chosen = next((vcpu for vcpu in ready if is_among(vcpu, self.only)), None)
        if chosen is not None:
            ready.remove(chosen)
        return chosen

    def begin(self, vcpu: VCpu) -> None:
        """A slice begins, or goes on."""
        engine = vcpu.vm.engine
        bare = self.quiet or self._single is vcpu
        wanted = NOTHING if bare else self._wanted_of(vcpu.vm)
        if self._applied.get(engine) is not wanted:
            engine.debug(wanted)
            self._applied[engine] = wanted
        count = self.halt_at - self._machine.clock.instructions
        if not self.quiet:
            count = min(count, self._counts.get(vcpu, NEVER), 1 if self._single is vcpu else NEVER)
            count = 0 if vcpu in self.awaited else count
        engine.halt_after(min(max(count, 0), (1 << 62) - 1))
        if self.passing is vcpu:
            engine.pass_once(engine.registers(vcpu.index).pc)
            self.passing = None
        else:
            engine.pass_once(NOWHERE)

    def end(self, vcpu: VCpu, retired: int) -> None:
        """It is over, or halted."""
        now = self._machine.clock.instructions
        if self.log is not None and retired:
            self.log.append((vcpu, now - retired, now))
        if self.quiet:
            return
        if self._single is vcpu and retired:
            self.halt_at = min(self.halt_at, now)
        if vcpu in self._counts:
            self._counts[vcpu] -= retired
            if self._counts[vcpu] <= 0:  # if it waits now, the next instruction is another's
                self.halt_at = min(self.halt_at, now)
