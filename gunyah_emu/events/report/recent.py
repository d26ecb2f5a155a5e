"""The end of a run, in bounded memory: what a report shows, however long the run was and whatever its guests print."""

from __future__ import annotations

from collections import deque
from heapq import merge
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.events.recorder import Event

MAX_EVENTS = 200_000
"""As many as a browser shows without a wait, and 60 MiB of memory."""

MAX_VMS = 1000
MAX_LINES = 20_000
MAX_TEXT = 1 << 20
MAX_CONSOLES = 16
"""VMs with room of their own for what they print; guests that make more share one."""


class Lines:
    """The newest lines of a console."""

    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.size = 0

    def add(self, event: Event) -> int:
        """Keep a line; how many older ones were forgotten for it."""
        events = self.events
        events.append(event)
        self.size += len(str(event.fields[0]))
        forgotten = 0
        while len(events) > MAX_LINES or self.size > MAX_TEXT:
            self.size -= len(str(events.popleft().fields[0]))
            forgotten += 1
        return forgotten


class Recent:
    """Keeps the newest events, and apart from them the newest lines of every console.

    Arguments:
        limit: how many events are kept.

    Attributes:
        total: events so far, lines of consoles not counted.
        forgotten_lines: lines of consoles that are no longer there.
    """

    def __init__(self, limit: int = MAX_EVENTS) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._consoles: dict[str, Lines] = {}
        #: names of VMs in the order in which they appeared
        self.vms: dict[str, None] = {}
        self.total = 0
        self.forgotten_lines = 0

    def write(self, event: Event) -> None:
        """Keep one event."""
        if event.vm not in self.vms and len(self.vms) < MAX_VMS:
            self.vms[event.vm] = None
        if event.kind != "console":
            self.total += 1
            self._events.append(event)
            return
        key = event.vm if event.vm in self._consoles or len(self._consoles) < MAX_CONSOLES else ""
        lines = self._consoles.get(key)
        if lines is None:
            lines = self._consoles[key] = Lines()
        self.forgotten_lines += lines.add(event)

    def mark(self) -> object:
        """What is kept now."""
        consoles = {vm: (tuple(lines.events), lines.size) for vm, lines in self._consoles.items()}
        return tuple(self._events), consoles, self.vms.copy(), self.total, self.forgotten_lines

    def rewind(self, mark: object) -> None:
        """Keep that again: a machine was brought back to an earlier state."""
        assert isinstance(mark, tuple)
        events, consoles, vms, self.total, self.forgotten_lines = mark
        self._events.clear()
        self._events.extend(events)
        self.vms = vms.copy()
        self._consoles = {}
        for vm, (lines, size) in consoles.items():
            kept = self._consoles[vm] = Lines()
            kept.events.extend(lines)
            kept.size = size

    def events(self) -> Iterator[Event]:
        """What is kept, in the order of the run."""
        return merge(self._events, *(lines.events for lines in self._consoles.values()), key=lambda event: event.seq)

    def notes(self) -> list[str]:
        """What a reader must know of what is not there."""
        notes = []
        if self.total > len(self._events):
            notes.append(
                f"Only the last {len(self._events):,} of {self.total:,} events are shown; "
                "`gunyah-emu report TRACE.jsonl --from TIME --to TIME` shows any part of a trace."
            )
        if self.forgotten_lines:
            notes.append(f"The first {self.forgotten_lines:,} lines of the consoles are not shown.")
        return notes
