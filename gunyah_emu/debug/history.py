"""The past of a machine: states to come back to, in order, within an amount of host memory.

Between two states the past is executed again, which gives the same as the first time.  What a person does to a machine
in between (a register written, a vCPU held back) is no part of that: it begins a new future with a state of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gunyah_emu.debug.slices import Names
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.snapshot import Snapshot

INTERVAL = 20_000_000
"""Instructions between two states at first: some tens of milliseconds of execution."""


class State(NamedTuple):
    """A state in the past.

    Arguments:
        snapshot: the machine.
        only: the vCPUs that may run from here on; None: all.
        is_new: a person changed something here, so that it cannot be reached by executing.
    """

    snapshot: Snapshot
    only: Names | None
    is_new: bool

    @property
    def position(self) -> int:
        """Instructions that had been retired."""
        return self.snapshot.instructions


class History:
    """States of one machine.

    Arguments:
        machine: whose.
        limit: bytes of host memory that its RAM may take.
    """

    def __init__(self, machine: Machine, limit: int) -> None:
        self._machine = machine
        self._limit = limit
        self._interval = INTERVAL
        self.states: list[State] = []

    def add(self, only: Names | None, *, is_new: bool = False) -> None:
        """Remember the machine as it is now, behind what has been remembered of this position."""
        now = self._machine.clock.instructions
        place = next((n for n, state in enumerate(self.states) if state.position > now), len(self.states))
        before = self.states[place - 1].snapshot if place else None
        self.states.insert(place, State(self._machine.snapshot(before), only, is_new))
        while len(self.states) > 2 and sum(state.snapshot.size for state in self.states) > self._limit:
            self._thin_out()

    def _thin_out(self) -> None:
        """Forget every other state: the past is reached in twice the time; where none can be spared, the oldest."""
        last = self.states[-1]
        kept = [state for n, state in enumerate(self.states) if n % 2 == 0 or state.is_new or state is last]
        self.states = kept if len(kept) < len(self.states) else self.states[1:]
        self._interval *= 2

    def is_due(self) -> bool:
        """Whether it is time to remember: the machine has gone far, and has not been here before."""
        now = self._machine.clock.instructions
        return now - self.at(now).position >= self._interval

    def cut(self) -> None:
        """The future will be another: forget what was remembered of it."""
        now = self._machine.clock.instructions
        self.states = [state for state in self.states if state.position <= now]

    def at(self, position: int) -> State:
        """The last state from which a position can be reached by executing."""
        return next((state for state in reversed(self.states) if state.position <= position), self.states[0])

    def before(self, position: int) -> list[State]:
        """The states before a position, the latest first."""
        return [state for state in reversed(self.states) if state.position < position]
