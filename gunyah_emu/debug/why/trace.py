"""Recorded events, to be asked: from a trace file, or as a run in memory left them.

The lines of a file are kept as they are and decoded when somebody looks at one: a trace of a million events then takes
its own size in memory, not ten times that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gunyah_emu.events import Event

COMMON = {"seq": int, "time": int, "vm": str, "vcpu": int, "kind": str, "cause": int}
"""The fields that every event has."""

LARGE = 32 << 20
"""Bytes of a file from which on a person at a terminal sees how far reading has come."""


class Entry:
    """One event of a trace.

    Attributes:
        seq, time, vm, vcpu, kind, cause: as in `gunyah_emu.events.Event`.
        fields: the kind's own, by name; empty for a kind that this version does not know.
    """

    __slots__ = ("cause", "fields", "kind", "seq", "time", "vcpu", "vm")

    def __init__(self, line: dict[str, object]) -> None:
        rest = dict(line)
        self.seq, self.time, self.vcpu, self.cause = (_integer(rest.pop(n)) for n in ("seq", "time", "vcpu", "cause"))
        self.vm, self.kind = str(rest.pop("vm")), str(rest.pop("kind"))
        self.fields = rest

    def number(self, name: str) -> int | None:
        """A field that is an integer; None where it is absent or null."""
        value = self.fields.get(name)
        return value if isinstance(value, int) else None

    def text(self, name: str) -> str:
        """A field that is a string; empty where it is absent."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def table(self, name: str) -> dict[str, object]:
        """A field that is an object; empty where it is absent."""
        value = self.fields.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def place(self) -> str:
        """Where it happened: VM, or VM/vCPU."""
        return f"{self.vm}/{self.vcpu}" if self.vcpu >= 0 else self.vm


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


class Trace:
    """The events of one run, in order.

    Arguments:
        lines: each an event, or its JSON, checked already.
        seqs: their numbers.
        causes: those of their causes.
        notes: what whoever asks should be told of the trace as a whole.
    """

    def __init__(
        self, lines: Sequence[bytes | Event], seqs: list[int], causes: list[int], notes: Iterable[str] = ()
    ) -> None:
        self._lines = lines
        self._seqs = seqs
        self._at = {seq: index for index, seq in enumerate(seqs)}
        self._children: dict[int, list[int]] = {}
        for seq, cause in zip(seqs, causes, strict=True):
            if cause:
                self._children.setdefault(cause, []).append(seq)
        self.notes = list(notes)

    @classmethod
    def read(cls, path: str | Path) -> Trace:
        """The trace of a file that `--trace` wrote.

        Errors: UserError: it cannot be read; it holds no event; a line (told by its number) is no event, or comes out
        of order.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                return _read(file, path)
        except OSError as error:
            raise UserError(f"the trace cannot be read: {error.strerror}", path=path) from None

    @classmethod
    def of_events(cls, events: Iterable[Event]) -> Trace:
        """The trace of a run that was recorded in memory."""
        kept = list(events)
        return cls(kept, [event.seq for event in kept], [event.cause for event in kept])

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entry, range(len(self._lines)))

    def backwards(self, before: int | None = None) -> Iterator[Entry]:
        """The events from the last to the first, or from the one before an event's number."""
        index = len(self._lines) if before is None else self._at[before]
        return map(self._entry, range(index - 1, -1, -1))

    def forwards(self, after: int) -> Iterator[Entry]:
        """The events behind one."""
        return map(self._entry, range(self._at[after] + 1, len(self._lines)))

    def get(self, seq: int) -> Entry | None:
        """The event of that number, if the trace has it."""
        index = self._at.get(seq)
        return None if index is None else self._entry(index)

    def caused_by(self, seq: int) -> list[Entry]:
        """The events that name this one as their cause, in order."""
        return [self._entry(self._at[child]) for child in self._children.get(seq, ())]

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last event's number."""
        return self._seqs[0], self._seqs[-1]

    def _entry(self, index: int) -> Entry:
        line = self._lines[index]
        return Entry(json.loads(line) if isinstance(line, bytes) else line.as_dict())


def _read(file: BinaryIO, path: Path) -> Trace:
    lines: list[bytes] = []
    seqs: list[int] = []
    causes: list[int] = []
    notes: list[str] = []
    for number, line in enumerate(_lines(file, path), 1):
        if not line.strip():
            continue
        try:
            event = _checked(line)
        except ValueError as error:
            if not line.endswith(b"\n") and lines:
                notes.append(f"{path}:{number}: the last line is cut off and left out: the run was cut short")
                break
            raise UserError(f"a line of a trace must be an event as JSON; {error}", path=path, line=number) from None
        seq, cause = event["seq"], event["cause"]
        assert isinstance(seq, int)
        assert isinstance(cause, int)
        if seqs and seq <= seqs[-1]:
            raise UserError(f"events must be in order; {seq} comes after {seqs[-1]}", path=path, line=number)
        lines.append(line)
        seqs.append(seq)
        causes.append(cause)
    if not lines:
        raise UserError("a trace must hold an event; this file holds none", path=path)
    return Trace(lines, seqs, causes, notes)


def _checked(line: bytes) -> dict[str, object]:
    """One event; ValueError says what is wrong with it."""
    try:
        event = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(event, dict):
        raise ValueError(f"this is {type(event).__name__}, not an object")  # noqa: TRY004 - the caller's one exception
    for name, kind in COMMON.items():
        if type(event.get(name)) is not kind:
            raise ValueError(f"its {name!r} must be {'a string' if kind is str else 'an integer'}")
    return event


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The lines; of a large file with a bar for whoever sits at a terminal."""
    size = path.stat().st_size
    if size < LARGE or not sys.stderr.isatty():
        yield from file
        return
    from rich.console import Console
    from rich.progress import wrap_file

    screen = Console(stderr=True)
    with wrap_file(file, size, description=f"reading {path.name}", console=screen, transient=True) as shown:
        yield from shown
