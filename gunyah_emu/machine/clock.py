"""Virtual time: retired instructions of all vCPUs, plus the idle time that was skipped.

One instruction is one nanosecond.  The host's clock never reaches a guest, so the same inputs give the same times.
"""

from __future__ import annotations

from typing import Protocol


class Running(Protocol):
    """The part of an engine that the clock looks at while a slice runs."""

    @property
    def retired(self) -> int:
        """Instructions of the slice so far."""


class Clock:
    """The machine's only clock.

    Attributes:
        instructions: retired by all vCPUs in the slices that are over.
        skipped: nanoseconds in which every vCPU waited.
        running: the engine whose slice runs now, None between slices.
    """

    __slots__ = ("instructions", "running", "skipped")

    def __init__(self) -> None:
        self.instructions = 0
        self.skipped = 0
        self.running: Running | None = None

    def now(self) -> int:
        """Nanoseconds of virtual time since the machine started, right within a slice too."""
        base = self.instructions + self.skipped
        return base if self.running is None else base + self.running.retired

    def skip_to(self, deadline: int) -> None:
        """Let idle time pass until `deadline`; a deadline in the past passes none."""
        assert self.running is None
        if deadline > (now := self.now()):
            self.skipped += deadline - now
