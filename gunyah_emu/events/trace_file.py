"""Reads trace files as `JsonLinesSink` writes them, of any length in little memory.

A report wants the end of a trace and every line of its consoles.  So lines are counted first, by looking for their kind
and time only, and those that nobody will see are not decoded: a million lines take a second or two instead of ten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gunyah_emu.errors import UserError
from gunyah_emu.events.kinds import KINDS
from gunyah_emu.events.recorder import Event

COMMON = {"seq": int, "time": int, "vm": str, "vcpu": int, "kind": str, "cause": int}
"""The fields that every event has."""

ALWAYS = frozenset({b"console", b"exit", b"machine"})
"""Kinds that are read from everywhere in the trace: they say what the run as a whole was."""

Watch = Callable[[Iterable[bytes]], Iterable[bytes]]


class TraceFile:
    """A trace file, read from its beginning to its end each time.

    Arguments:
        path: the file.
        first, last: virtual time, in nanoseconds, of the part that is asked for.
        watch: passes lines on while they are read, for whoever shows how far reading has come.

    Attributes:
        skipped: events of the part that were left out because they are too far from its end.
        unknown: events of kinds that this version does not know, which are left out.
        is_cut: the last line is no event, because the run was cut short, and is left out.
    """

    def __init__(
        self, path: str | Path, *, first: int = 0, last: int | None = None, watch: Watch = lambda lines: lines
    ) -> None:
        self.path = Path(path)
        self._first = first
        self._last = last
        self._watch = watch
        self.skipped = 0
        self.unknown = 0
        self.is_cut = False

    def first_line(self) -> bytes:
        """The line of the event `machine`, in traces that have it."""
        with self._open() as file:
            return file.readline()

    def events(self, limit: int) -> Iterator[Event]:
        """The last `limit` events of the part, and before them what says something of the whole run.

        Errors: UserError: it cannot be read, it holds no event, a line is none or comes out of order.
        """
        total = self._count()
        self.skipped = max(0, total - limit)
        left, seq = self.skipped, 0
        for number, line in enumerate(self._lines(), 1):
            found = _look(line)
            if found is not None and found[0] not in ALWAYS:
                if not self._is_asked_for(found[1]):
                    continue
                if left:
                    left -= 1
                    continue
            event = self._decode(line, number)
            if event is None:
                continue
            if event.seq <= seq:
                message = f"events must be in order; {event.seq} comes after {seq}"
                raise UserError(message, path=self.path, line=number)
            seq = event.seq
            yield event
        if not seq:
            raise UserError("a trace must hold an event; here is none", path=self.path)

    def _is_asked_for(self, time: int) -> bool:
        return self._first <= time and (self._last is None or time <= self._last)

    def _count(self) -> int:
        looks = map(_look, self._lines())
        return sum(found is not None and found[0] not in ALWAYS and self._is_asked_for(found[1]) for found in looks)

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UserError(f"the trace cannot be read: {error.strerror}", path=self.path) from None

    def _lines(self) -> Iterator[bytes]:
        with self._open() as file:
            try:
                yield from self._watch(file)
            except OSError as error:  # a folder, a device
                raise UserError(f"the trace cannot be read: {error.strerror}", path=self.path) from None

    def _decode(self, line: bytes, number: int) -> Event | None:
        """The event of a line; None where it is left out."""
        if not line.strip():
            return None
        try:
            entry = _entry(line)
        except ValueError as error:
            if number > 1 and not line.endswith(b"\n"):
                self.is_cut = True
                return None
            raise UserError(
                f"a line of a trace must be an event as JSON; {error}", path=self.path, line=number
            ) from None
        kind = KINDS.get(entry["kind"])
        if kind is None:
            self.unknown += 1
            return None
        if entry["kind"] == "console" and not isinstance(entry.get("text"), str):
            raise UserError("the text of a console must be a string", path=self.path, line=number)
        seq, time, vm, vcpu, _, cause = (entry[name] for name in COMMON)
        return Event(seq, time, vm, vcpu, kind.name, cause, tuple(map(entry.get, kind.fields)))


def _look(line: bytes) -> tuple[bytes, int] | None:
    """Kind and time of a line, without decoding it; None where it is written otherwise than a trace is."""
    time = line.find(b'"time":')
    kind = line.find(b'"kind":"')
    if time < 0 or kind < 0:
        return None
    try:
        return line[kind + 8 : line.index(b'"', kind + 8)], int(line[time + 7 : line.index(b",", time)])
    except ValueError:
        return None


def _entry(line: bytes) -> dict[str, Any]:
    """The JSON of one event; ValueError says what is wrong with it."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from None
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if not isinstance(entry, dict):
        raise ValueError(f"this is {type(entry).__name__}, not an object")  # noqa: TRY004 - the caller's one exception
    for name, kind in COMMON.items():
        if type(entry.get(name)) is not kind:
            raise ValueError(f"its {name!r} must be {'a string' if kind is str else 'an integer'}")
    return entry
