"""Each kind of event in words, for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from gunyah_emu.abi.errors import error_name
from gunyah_emu.boot import virt_map

if TYPE_CHECKING:
    from gunyah_emu.debug.why.places import Places
    from gunyah_emu.debug.why.trace import Entry

PPI_BASE, SPI_BASE = 16, 32
NAMES = {
    27: "virtual timer",
    30: "physical timer",
    SPI_BASE + virt_map.PL011_SPI: "UART",
    SPI_BASE + virt_map.PL031_SPI: "real-time clock",
}
"""Interrupts that mean the same in every VM."""

ADDRESS = re.compile(r"\bat (0x[0-9a-f]+)$")


def interrupt(intid: int | None) -> str:
    """An INTID as people look for it: with its SPI's number, or what it is."""
    if intid is None:
        return "no interrupt"
    if intid in NAMES:
        return f"INTID {intid} ({NAMES[intid]})"
    if intid >= SPI_BASE:
        return f"INTID {intid} (SPI {intid - SPI_BASE})"
    return f"SGI {intid}" if intid < PPI_BASE else f"INTID {intid} (PPI {intid - PPI_BASE})"


def call(entry: Entry) -> str:
    """A call with its arguments; a capability is shown as what it names."""
    if entry.kind == "service":
        arguments = entry.fields.get("arguments")
        shown = [f"{value:#x}" for value in arguments if isinstance(value, int)] if isinstance(arguments, list) else []
        return f"{entry.text('function')}({', '.join(shown)})"
    objects = entry.table("objects")
    shown = [
        str(objects[name]) if name in objects else f"{name}={value:#x}" if isinstance(value, int) else name
        for name, value in entry.table("arguments").items()
    ]
    return f"{entry.text('call')}({', '.join(shown)})"


def result(entry: Entry) -> str:
    """What a call returned; of a hypercall the error by its name."""
    results = entry.fields.get("results")
    if not isinstance(results, list):
        return "no answer yet: the caller is blocked"
    values = [value for value in results if isinstance(value, int)]
    if not values:
        return "nothing"
    shown = ", ".join(f"{value:#x}" for value in values[1:])
    first = error_name(values[0]) if entry.kind == "hypercall_return" else f"{values[0]:#x}"
    return f"{first}, {shown}" if shown else first


def reasons(entry: Entry, places: Places, since: str = "") -> str:
    """Why an interrupt is blocked, all reasons in one sentence, with places instead of addresses.

    Arguments:
        entry: an `irq_blocked`.
        places: what its VM's addresses mean.
        since: what made the first reason true, to be put behind it.
    """
    found = [str(reason) for reason in entry.table("reasons").values()]

    def place(match: re.Match[str]) -> str:
        return f"at {places.of(entry.vm, int(match[1], 16))}"

    first, *others = [ADDRESS.sub(place, reason) for reason in found] or ["no reason is recorded"]
    return "; and ".join([first + since, *others])


def _at(entry: Entry, places: Places, name: str = "pc") -> str:
    address = entry.number(name)
    return "" if address is None else f" at {places.of(entry.vm, address)}"


def _called(entry: Entry, places: Places) -> str:
    place = places.of_call(entry.vm, entry.number("pc"), entry.number("lr"))
    return f"calls {call(entry)}" + (f" at {place}" if place else "")


def _signal(entry: Entry) -> str:
    return f"{'the level' if entry.fields.get('level') else 'an edge'} of {interrupt(entry.number('virq'))}"


def _blocked(entry: Entry, places: Places) -> str:
    source = entry.text("source")
    what = f"{interrupt(entry.number('intid'))} of {source}" if source else interrupt(entry.number("intid"))
    return f"{what} does not get through: {reasons(entry, places)}"


PHRASES: dict[str, str | Callable[[Entry, Places], str]] = {
    "machine": lambda entry, _: f"recorded from {entry.text('file') or 'images'}",
    "vcpu_on": lambda entry, places: f"is powered on{_at(entry, places, 'entry')}",
    "vcpu_off": "is off",
    "hypercall": _called,
    "hypercall_return": lambda entry, _: f"{entry.text('call')} returns {result(entry)}",
    "service": _called,
    "service_return": lambda entry, _: f"{entry.text('function')} returns {result(entry)}",
    "virq_assert": lambda entry, _: f"{entry.text('source')} asserts {_signal(entry)}",
    "virq_clear": lambda entry, _: f"{entry.text('source')} withdraws {interrupt(entry.number('virq'))}",
    "access": lambda entry, places: f"accesses a device{_at(entry, places)}",
    "sgi": lambda entry, places: f"sends {interrupt(entry.number('intid'))}{_at(entry, places)}",
    "irq_pending": lambda entry, _: f"{interrupt(entry.number('intid'))} is pending",
    "irq_blocked": _blocked,
    "irq_dropped": lambda entry, _: f"{interrupt(entry.number('intid'))} is withdrawn",
    "irq_acknowledged": lambda entry, places: f"takes {interrupt(entry.number('intid'))}{_at(entry, places, 'elr')}",
    "irq_ended": lambda entry, _: f"ends {interrupt(entry.number('intid'))}",
    "fault": lambda entry, _: f"fault: {entry.text('what')}",
    "wait": lambda entry, places: f"waits{_at(entry, places)}",
    "wake": "wakes",
    "idle": "every vCPU waits and nothing can wake one",
    "console": lambda entry, _: f"prints {entry.text('text').rstrip()!r}",
    "unknown": lambda entry, places: f"{entry.text('what')}{_at(entry, places)}",
    "exception_loop": lambda entry, _: entry.text("reason"),
    "exit": lambda entry, _: f"ends with status {entry.number('status')}: {entry.text('reason')}",
}

DEEDS = frozenset(
    (
        "vcpu_on",
        "vcpu_off",
        "hypercall",
        "service",
        "access",
        "sgi",
        "irq_acknowledged",
        "irq_ended",
        "wait",
        "wake",
        "exit",
        "console",
    )
)
"""Kinds whose phrase says what the vCPU or VM itself does."""


def phrase(entry: Entry, places: Places) -> str:
    """What happened, without where and when; of an unknown kind, its name and fields as they are."""
    words = PHRASES.get(entry.kind)
    if words is None:
        return " ".join([entry.kind, *(f"{name}={value}" for name, value in entry.fields.items())])
    return words if isinstance(words, str) else words(entry, places)


def subject(entry: Entry, places: Places) -> str:
    """Where, what, and the event's number: a clause of a sentence."""
    colon = "" if entry.kind in DEEDS or not entry.vm else ":"
    return f"{entry.place}{colon} {phrase(entry, places)} [{entry.seq}]".strip()
