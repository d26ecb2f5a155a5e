"""Runs one vCPU at a time, in slices whose ends depend on the machine's state alone.

Round robin over the vCPUs that are ready.  A slice ends when its instructions are spent, when the vCPU waits in WFI or
goes off, or at the next timer deadline; a doorbell that wakes a waiting vCPU shortens the slice that runs.  When every
vCPU waits, time jumps to the next deadline.  Real parallelism was rejected: Unicorn holds Python's lock, and its order
would be the host's.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gunyah_emu.cpu import Stop

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.machine.chooser import Chooser
    from gunyah_emu.machine.clock import Clock
    from gunyah_emu.machine.vm import VCpu
    from gunyah_emu.machine.world import World

_WFI, _REQUESTED, _EXCEPTION_LOOP, _HALTED = Stop.WFI, Stop.REQUESTED, Stop.EXCEPTION_LOOP, Stop.HALTED
"""At hand: a member of an enumeration is looked up by a call, in half a microsecond, and every slice asks for three."""

WAKE_LATENCY = 1_000
"""Instructions that the running vCPU may still execute after it woke another: enough to reach its own WFI, which saves
a switch."""

NEVER = 1 << 63
"""A deadline that does not come."""


class RetryAccess(Exception):  # noqa: N818 - it is no error
    """Raised by what is on the bus: the access is not done; the vCPU makes it again when it runs the next time."""


class Reason(enum.Enum):
    """Why a run ended."""

    EXITED = "every VM exited"
    UNTIL = "the condition became true"
    INSTRUCTIONS = "the instruction budget is spent"
    VIRTUAL_TIME = "the budget of virtual time is spent"
    TIMEOUT = "the wall-clock budget is spent"
    IDLE = "every vCPU waits and nothing can wake one"
    FATAL = "a guest brought itself or the hypervisor to a stop"
    HALTED = "a debugger halted it"


class Halting(NamedTuple):
    """A slice that a debugger halted: whose it is, and what is left of its budget."""

    vcpu: VCpu
    budget: int


class SliceDebugger(Protocol):
    """What a debugger does around slices, so that they halt where it wants them to."""

    def next_vcpu(self, ready: deque[VCpu]) -> VCpu | None:
        """Take out of `ready` the vCPU that runs next; None: of these, none may."""

    def begin(self, vcpu: VCpu) -> None:
        """A slice begins, or goes on."""

    def end(self, vcpu: VCpu, retired: int) -> None:
        """It is over, or halted; the clock has been told."""


class Scheduler:
    """Decides who runs, and for how long.

    Arguments:
        clock: the machine's clock, advanced here and nowhere else.
        chooser: who is asked where more than one answer is right.
    """

    def __init__(self, clock: Clock, chooser: Chooser) -> None:
        self.clock = clock
        self.chooser = chooser
        self.ready: deque[VCpu] = deque()
        #: the vCPU whose slice runs now
        self.current: VCpu | None = None
        #: the vCPU whose slice ran last
        self.last: VCpu | None = None
        #: virtual time of the earliest timer deadline; refreshed when `deadlines_changed`
        self.deadline = NEVER
        self._timers: dict[object, tuple[Callable[[], int | None], Callable[[], None]]] = {}
        #: what lets people's input and the wall clock in; without it a run depends on nothing outside
        self.world: World | None = None
        #: set by whoever ends the run from inside a slice
        self.ended: Reason | None = None
        self._debugger: SliceDebugger | None = None
        self._next: Callable[[deque[VCpu]], VCpu | None] = chooser.next_vcpu
        #: the slice that it halted, which goes on first
        self.halted: Halting | None = None

    @property
    def debugger(self) -> SliceDebugger | None:
        """What a debugger wants of each slice; None: nobody debugs."""
        return self._debugger

    @debugger.setter
    def debugger(self, debugger: SliceDebugger | None) -> None:
        self._debugger = debugger
        self._next = self.chooser.next_vcpu if debugger is None else debugger.next_vcpu

    def wake(self, vcpu: VCpu) -> None:
        """A vCPU that waited is ready; what runs now does not keep it waiting for long."""
        self.ready.append(vcpu)
        if (current := self.current) is not None:
            current.vm.engine.shorten(WAKE_LATENCY)

    def preempt(self, thread: Thread) -> None:
        """An interrupt is there for a vCPU that waits for the one that it executes by `vcpu_run`: let it come back."""
        current = self.current
        if current is not None and current.thread.proxy is thread:
            current.vm.engine.shorten(WAKE_LATENCY)

    def remove(self, vcpu: VCpu) -> None:
        """Forget a vCPU that went off; if it runs now, its slice ends."""
        if vcpu is self.current:
            vcpu.vm.engine.request_stop()
        elif self.halted is not None and self.halted.vcpu is vcpu:
            self.halted = None
        elif vcpu in self.ready:
            self.ready.remove(vcpu)

    def end(self, reason: Reason) -> None:
        """End the run after the current block."""
        self.ended = reason
        if self.current is not None:
            self.current.vm.engine.request_stop()

    def add_timer(self, owner: object, deadline: Callable[[], int | None], expire: Callable[[], None]) -> None:
        """Have a timer served.

        Arguments:
            owner: whose it is; one timer each.
            deadline: the virtual time at which it wants to be served, or None.
            expire: called when that time has come, or another timer's has.
        """
        self._timers[owner] = deadline, expire

    def remove_timer(self, owner: object) -> None:
        """The timer is gone."""
        del self._timers[owner]

    def deadlines_changed(self) -> None:
        """A timer was programmed: look for the earliest deadline again, and let the running slice end by it."""
        self.deadline = min(
            (when for deadline, _ in self._timers.values() if (when := deadline()) is not None), default=NEVER
        )
        if self.current is not None and self.deadline < NEVER:
            self.current.vm.engine.shorten(max(self.deadline - self.clock.now(), 1))

    def run(
        self,
        max_instructions: int | None,
        timeout: float | None,
        until: Callable[[], bool] | None,
        max_virtual_ns: int | None = None,
    ) -> Reason:
        """Run slices until there is a reason to stop; budgets count from this call.

        Arguments:
            max_instructions: of all vCPUs together, exceeded by less than a translated block.
            timeout: wall-clock seconds.
            until: asked between slices.
            max_virtual_ns: nanoseconds of virtual time, exceeded by less than a slice or one idle wait.
        """
        clock, ready, world = self.clock, self.ready, self.world
        latest = NEVER if max_virtual_ns is None else clock.now() + max_virtual_ns
        last = NEVER if max_instructions is None else clock.instructions + max_instructions
        wall = None if timeout is None else monotonic() + timeout
        self.ended = None
        if self.halted is not None:
            self._go_on()
        while self.ended is None:
            if until is not None and until():
                return Reason.UNTIL
            if clock.instructions >= last:
                return Reason.INSTRUCTIONS
            if clock.instructions + clock.skipped >= latest:
                return Reason.VIRTUAL_TIME
            if wall is not None and monotonic() > wall:
                return Reason.TIMEOUT
            if world is not None:
                world.poll()
            if ready and (vcpu := self._next(ready)) is not None:
                until_deadline = max(self.deadline - clock.instructions - clock.skipped, 1)
                length = self.chooser.slice_length(vcpu, bool(ready))
                self._slice(vcpu, min(length, last - clock.instructions, until_deadline))
            elif world is not None:
                if not world.idle(self.deadline, wall):
                    return Reason.IDLE
            elif self.deadline == NEVER:
                return Reason.IDLE
            else:
                clock.skip_to(self.deadline)
            if clock.instructions + clock.skipped >= self.deadline and self.halted is None:
                self._expire()
        return self.ended

    def _go_on(self) -> None:
        """With the slice that a debugger halted."""
        assert self.halted is not None
        halted, self.halted = self.halted, None
        self._slice(*halted)
        if self.clock.now() >= self.deadline and self.halted is None:
            self._expire()

    def _slice(self, vcpu: VCpu, budget: int) -> None:
        clock = self.clock
        engine = vcpu.vm.engine
        engine.set_clock(clock.instructions + clock.skipped)
        if (debugger := self._debugger) is not None:
            debugger.begin(vcpu)
        clock.running = engine
        self.current = self.last = vcpu
        try:
            stop = engine.run(vcpu.index, budget)
        except RetryAccess:
            stop = _REQUESTED
        finally:
            self.current = None
            clock.running = None
            clock.instructions += engine.retired
        if debugger is not None:
            debugger.end(vcpu, engine.retired)
        if not vcpu.on or vcpu.blocked:
            return
        if stop is _WFI:
            vcpu.vm.wait(vcpu)
        elif stop is _HALTED:
            self.halted = Halting(vcpu, engine.left)
            self.ended = Reason.HALTED
        elif vcpu.repeats is not None:
            vcpu.await_input()
        elif stop is _EXCEPTION_LOOP:
            vcpu.vm.exception_loop(vcpu)
        elif not vcpu.thread.blocks:
            vcpu.slice_ended()

    def _expire(self) -> None:
        for _, expire in list(self._timers.values()):
            expire()
        self.deadlines_changed()
