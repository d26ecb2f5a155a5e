"""Sinks: a trace file, a bounded memory, a digest."""

from __future__ import annotations

import json
from collections import deque
from hashlib import sha256
from pathlib import Path

from gunyah_emu.events.recorder import Event
from gunyah_emu.events.whole_file import WholeFile

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class JsonLinesSink:
    """A trace file, one JSON object a line.

    The file is written beside its final name and renamed when the run is over, so a file of that name is always whole.
    A run that is cut short keeps what it has under the name with `.partial` added.

    Arguments:
        path: the file to be; its folder must exist.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = WholeFile[str](path, "trace file", "w")

    def write(self, event: Event) -> None:
        """Append one line; UserError when the host has no room for it."""
        self._file.write(_encode(event.as_dict()) + "\n")

    def mark(self) -> int:
        """How long the file is."""
        return self._file.length()

    def rewind(self, mark: object) -> None:
        """Forget what was written since: a machine was brought back to an earlier state."""
        assert isinstance(mark, int)
        self._file.cut(mark)

    def close(self, *, complete: bool) -> None:
        """Finish the file; rename it to its final name when it is complete."""
        self._file.close(complete=complete)


class MemorySink:
    """The last events of a run, in memory.

    Arguments:
        capacity: how many events are kept; older ones are forgotten, so a long run does not bloat the host.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self.events: deque[Event] = deque(maxlen=capacity)
        self.write = self.events.append

    def mark(self) -> tuple[Event, ...]:
        """The events that are kept."""
        return tuple(self.events)

    def rewind(self, mark: object) -> None:
        """Keep those again."""
        assert isinstance(mark, tuple)
        self.events.clear()
        self.events.extend(mark)

    def close(self, *, complete: bool) -> None:
        """Nothing to finish: the events stay readable."""


class DigestSink:
    """A SHA-256 over all events: two runs are the same run when their digests are equal.

    Where the machine's files are (`machine`) is no part of the run.
    """

    def __init__(self) -> None:
        self._hash = sha256()
        self.count = 0

    def write(self, event: Event) -> None:
        """Add one event."""
        if event.kind == "machine":
            return
        self._hash.update(_encode(event).encode())
        self.count += 1

    def mark(self) -> object:
        """The digest so far."""
        return self._hash.copy(), self.count

    def rewind(self, mark: object) -> None:
        """The digest of then."""
        assert isinstance(mark, tuple)
        self._hash, self.count = mark[0].copy(), mark[1]

    def hexdigest(self) -> str:
        """The digest of all events so far."""
        return self._hash.hexdigest()

    def close(self, *, complete: bool) -> None:
        """Nothing to finish."""
