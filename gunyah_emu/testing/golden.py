"""Golden traces: what hypercalls and interrupts a machine had, in lines that people read and review.

A golden file begins with what is compared and what may vary, in TOML; behind a line `---` there is one line an event.
A line says what happened and because of what, in words that do not depend on anything else in the file, so that one
event more is one line more.  Events and fields that are not named here may come and go: an emulator that learns to
record more breaks no golden file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from gunyah_emu.errors import UserError
from gunyah_emu.machine.config_schema import ArrayOf, Choice, ConfigError, Key, Section, Table, Text
from gunyah_emu.testing.words import EVENT_WORDS, Ignored, place, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from gunyah_emu.events import Event

SEPARATOR = "---"
KINDS = tuple(EVENT_WORDS)
VARIES = ("time", "order", "causes")
DEFAULT_KINDS = ("hypercall", "hypercall_return", "irq_acknowledged", "exit")
DEFAULT_IGNORES = ("msgqueue_send.data", "msgqueue_receive.buffer")
INTRODUCTION = """\
# A golden trace: `pytest --gunyah-update` writes it, later runs are compared with it.
# The keys up to the line of dashes are yours to change; updates keep them.
"""


class GoldenHeader(Section):
    """What is compared, and what may vary."""

    compares: tuple[str, ...]
    varies: tuple[Literal["time", "order", "causes"], ...]
    ignores: tuple[str, ...]


HEADER = Table(
    "a golden trace's head",
    GoldenHeader,
    "What is compared, and what may vary.",
    Key(
        "compares", ArrayOf(Choice(*KINDS), "kinds of events", 1, len(KINDS)), "Kinds of events.", default=DEFAULT_KINDS
    ),
    Key(
        "varies",
        ArrayOf(Choice(*VARIES), "of 'time', 'order' and 'causes'", 0, 3),
        "`time`: the virtual time of each event; `order`: that between VMs, each is compared by itself; `causes`: what "
        "an event came of.",
        default=("time",),
    ),
    Key(
        "ignores",
        ArrayOf(Text(may_be_empty=False), "names", 0, 1000),
        "Values that may vary: an argument or result such as `new_flags`, one of one call such as "
        "`msgqueue_send.data`, or the interrupts of an INTID, `intid 27`.",
        default=DEFAULT_IGNORES,
    ),
)


class GoldenTrace(NamedTuple):
    """A golden trace, read or made.

    Arguments:
        header: what is compared.
        lines: one an event.
    """

    header: GoldenHeader
    lines: tuple[str, ...]

    def text(self) -> str:
        """The whole file."""
        keys = "".join(f"{name} = {_toml(getattr(self.header, name))}\n" for name in HEADER.keys)
        return f"{INTRODUCTION}{keys}{SEPARATOR}\n" + "".join(f"{line}\n" for line in self.lines)


def default_header() -> GoldenHeader:
    """What a new golden file compares."""
    return header_of({})


def header_of(keys: dict[str, list[str]]) -> GoldenHeader:
    """What is compared by these keys of a head; UserError when one is not what it must be."""
    try:
        header = HEADER.read(keys, ())
    except ConfigError as error:
        raise UserError(error.message) from None
    assert isinstance(header, GoldenHeader)
    return header


def event_from(line: dict[str, Any]) -> Event:
    """An event of a trace file; what this version does not record is left out, what the file lacks is None.

    Errors: KeyError, TypeError: it is none.
    """
    from gunyah_emu.events import KINDS as DECLARED
    from gunyah_emu.events import Event

    fields = DECLARED[line["kind"]].fields
    seq, time, vm, vcpu, kind, cause = (line[name] for name in Event._fields[:-1])
    return Event(seq, time, vm, vcpu, kind, cause, tuple(line.get(name) for name in fields))


def _toml(words: Sequence[str]) -> str:
    import json

    return json.dumps(list(words), ensure_ascii=False)


def read(text: str, path: str) -> GoldenTrace:
    """Reads a golden file; UserError with its place where it is none."""
    import tomllib

    from gunyah_emu.machine.toml_positions import Positions

    lines = text.splitlines()
    if SEPARATOR not in lines:
        raise UserError(f"a golden trace must have a line {SEPARATOR!r} behind its keys; it has none", path=path)
    at = lines.index(SEPARATOR)
    head = "\n".join(lines[:at])
    try:
        header = HEADER.read(tomllib.loads(head), ())
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"a golden trace's head must be TOML; {error}", path=path) from None
    except ConfigError as error:
        line, column = Positions(head).line_and_column(error.path, of_key=error.at_key)
        raise UserError(error.message, path=path, line=line, column=column) from None
    assert isinstance(header, GoldenHeader)
    return GoldenTrace(header, tuple(lines[at + 1 :]))


class Recording:
    """The lines of a run, and the event that each came of.

    Arguments:
        events: of the run, oldest first; what a cause refers to must be among them.
        header: what is compared.
    """

    def __init__(self, events: Iterable[Event], header: GoldenHeader) -> None:
        self.by_seq = {event.seq: event for event in events}
        self._header = header
        self._kinds = frozenset(header.compares)
        self._ignored = Ignored(header.ignores)
        entries = [
            (self._line(event), event)
            for event in self.by_seq.values()
            if event.kind in self._kinds and not self._ignored.leaves_out(event)
        ]
        if "order" in header.varies:
            entries.sort(key=lambda entry: (entry[1].vm, entry[1].vcpu))
        self.lines = tuple(line for line, _ in entries)
        self.events = tuple(event for _, event in entries)

    def _line(self, event: Event) -> str:
        line = f"{place(event)} {words(event, self._ignored)}"
        if "time" not in self._header.varies:
            line = f"@{event.time} {line}"
        if "causes" not in self._header.varies and not event.kind.endswith("_return"):
            cause = self._compared_cause(event)
            if cause is not None:
                line += f" <- {place(cause)} {words(cause, self._ignored)}"
        return line

    def _compared_cause(self, event: Event) -> Event | None:
        """The nearest event on the way back to its origin that is compared."""
        cause = self.by_seq.get(event.cause)
        while cause is not None and cause.kind not in self._kinds:
            cause = self.by_seq.get(cause.cause)
        return cause

    def way(self, event: Event) -> list[str]:
        """How an event came about, newest first, a line a step."""
        steps: list[str] = []
        step: Event | None = event
        while step is not None:
            steps.append(f"{step.time:>12,} ns  {place(step)} {words(step)}")
            step = self.by_seq.get(step.cause)
        return steps
