"""Events in words: what a timeline writes on a slice, and the names and values of its fields.

Everything derives from `KINDS` and from what a field holds, so that a new kind or field is shown without a change here.
What an events file cannot know by itself (symbols, names of results) comes in through a `Names`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.events.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gunyah_emu.events.recorder import Event

INTERRUPT_FIELDS = frozenset({"intid", "virq"})
ADDRESS_FIELDS = frozenset({"pc", "lr", "elr", "entry"})
FIRST_PPI, FIRST_SPI, FIRST_SPECIAL = 16, 32, 1020
TIMERS = {27: "virtual timer", 30: "physical timer"}

CLOSERS = {
    **{kind: kind.removesuffix("_return") for kind in KINDS if kind.endswith("_return")},
    "irq_ended": "irq_acknowledged",
}
"""Kinds that end what the event that is their cause began, and the kind of that event."""

OPENERS = frozenset(CLOSERS.values())
"""Kinds that begin something which lasts."""


class Form(Enum):
    """How a person writes a value."""

    PLAIN = 0
    REGISTER = 1
    INTERRUPT = 2


class Value(NamedTuple):
    """One value of an event: its name, what it is, how to write it."""

    name: str
    value: int | str
    form: Form

    @property
    def text(self) -> str:
        """The value as a person writes it."""
        if not isinstance(self.value, int):
            return str(self.value)
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if self.form is Form.INTERRUPT:
            return f"{self.value} ({interrupt(self.value)})"
        small = 10 if self.form is Form.REGISTER else 1 << 16
        return str(self.value) if -small < self.value < small else f"{self.value:#x}"


class Names:
    """Knows nothing; the machine knows more (`machine/names.py`)."""

    def place(self, vm: str, address: int) -> str:
        """Where an address of a VM is: symbol and line, as far as they are known."""
        return f"{address:#x}"

    def results(self, call: str, results: Sequence[int]) -> Iterator[tuple[str, int | str]]:
        """The results of a call by name."""
        for register, value in enumerate(results):
            yield f"x{register}", value


def interrupt(intid: int) -> str:
    """What an INTID is called."""
    if intid < FIRST_PPI:
        return f"SGI {intid}"
    if intid < FIRST_SPI:
        return TIMERS.get(intid, f"PPI {intid}")
    return f"SPI {intid - FIRST_SPI}" if intid < FIRST_SPECIAL else f"INTID {intid}"


def values(event: Event, names: Names) -> Iterator[Value]:
    """What an event says, one value after the other; fields without a value are left out."""
    kind = KINDS[event.kind]
    for field, value in zip(kind.fields, event.fields, strict=True):
        if isinstance(value, dict):
            for name, item in value.items():
                if isinstance(item, int):
                    yield Value(name, item, Form.REGISTER)
                else:
                    yield Value(f"{field}.{name}", str(item), Form.PLAIN)
        elif field == "results":
            yield from _results(str(event.fields[0]), value, names)
        elif isinstance(value, list | tuple):
            first = 1 if field == "arguments" else 0  # x0 holds the function's number
            for register, item in enumerate(value, first):
                yield Value(f"x{register}", item, Form.REGISTER)
        elif field in ADDRESS_FIELDS and isinstance(value, int):
            yield Value(field, names.place(event.vm, value), Form.PLAIN)
        elif isinstance(value, int | str):
            yield Value(field, value, Form.INTERRUPT if field in INTERRUPT_FIELDS else Form.PLAIN)


def _results(call: str, results: object, names: Names) -> Iterator[Value]:
    if not isinstance(results, list | tuple):
        yield Value("results", "none yet: the caller is blocked", Form.PLAIN)
        return
    for name, item in names.results(call, [value for value in results if isinstance(value, int)]):
        yield Value(name, item, Form.REGISTER)


def label(event: Event) -> str:
    """An event in a few words: the call, the object, the interrupt; its kind where it has none of these."""
    kind = KINDS[event.kind]
    words: list[str] = []
    for field, value in zip(kind.fields, event.fields, strict=True):
        if isinstance(value, str) and not words:
            words.append(value)
        elif field in INTERRUPT_FIELDS and isinstance(value, int):
            words.append(interrupt(value))
    return ", ".join(words) or event.kind
