"""The answer in one line: why an event happened, or why what should have followed it did not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gunyah_emu.debug.why.chain import causes, consequences, maker, obstacle, waiting, woken_by
from gunyah_emu.debug.why.words import NAMES, interrupt, reasons, result, subject
from gunyah_emu.hypervisor.silence import SENDS

if TYPE_CHECKING:
    from gunyah_emu.debug.why.places import Places
    from gunyah_emu.debug.why.trace import Entry, Trace


def verdict(trace: Trace, entry: Entry, places: Places) -> str:
    """One line, or one for each vCPU where the question is about all of them."""
    return VERDICTS.get(entry.kind, _because)(trace, entry, places)


ORIGINS = {
    "vcpu_on": "as the machine starts",
    "irq_pending": "by a device, or a register write of a guest",
    "irq_dropped": "by what had raised it",
}
"""Where events without a cause come from."""


def _because(trace: Trace, entry: Entry, places: Places) -> str:
    """What happened, and its first cause."""
    first = causes(trace, entry)[0]
    if first is not entry:
        before = f", {entry.time - first.time} ns before" if entry.time != first.time else ""
        return f"{subject(entry, places)} because {subject(first, places)}{before}"
    if entry.cause:
        return f"{subject(entry, places)} because of event {entry.cause}, which this trace does not have"
    name = NAMES.get(entry.number("intid") or 0)
    origin = f"by its {name}" if name and entry.kind == "irq_pending" else ORIGINS.get(entry.kind, "")
    return f"{subject(entry, places)} {origin}".rstrip()


def _pending(trace: Trace, entry: Entry, places: Places) -> str:
    """What raised it, and whether it was taken."""
    why = _because(trace, entry, places)
    for later in trace.caused_by(entry.seq) + [one for one in trace.caused_by(entry.cause) if one.seq > entry.seq]:
        if later.kind == "irq_acknowledged":
            return f"{why}; it is taken {later.time - entry.time} ns later [{later.seq}]"
        if later.kind == "irq_blocked":
            return f"{why}; it does not get through [{later.seq}]: {_why(trace, later, places)}{_fate(trace, later)}"
    return why


def _blocked(trace: Trace, entry: Entry, places: Places) -> str:
    """Why it did not get through, who made it so, who asked for it, and whether it did later."""
    first = causes(trace, entry)[0]
    intid, source = entry.number("intid"), entry.text("source")
    what = f"{source or interrupt(intid)} did not interrupt {entry.place if intid is not None else 'anybody'}"
    by = f" by {interrupt(intid)}" if source and intid is not None else ""
    sender = f"; it was to, because {subject(first, places)}" if first is not entry else ""
    return f"{what}{by} [{entry.seq}]: {_why(trace, entry, places)}{sender}{_fate(trace, entry)}"


def _why(trace: Trace, blocked: Entry, places: Places) -> str:
    made = maker(trace, blocked)
    since = f", since {subject(made, places)}" if made is not None else ""
    return reasons(blocked, places, since)


def _fate(trace: Trace, blocked: Entry) -> str:
    """Whether the same interrupt was taken later."""
    intid = blocked.number("intid")
    for entry in trace.forwards(blocked.seq):
        if intid is not None and entry.vm == blocked.vm and entry.number("intid") == intid:
            if entry.kind == "irq_acknowledged":
                return f"; it is taken {entry.time - blocked.time} ns later [{entry.seq}]"
            if entry.kind == "irq_dropped":
                return f"; it is withdrawn {entry.time - blocked.time} ns later [{entry.seq}]"
    return ""


def _call(trace: Trace, entry: Entry, places: Places) -> str:
    """What a call came to: whom it interrupted, or why it did not, or its result."""
    after = [one.entry for one in consequences(trace, entry)]
    taken = [one for one in after if one.kind == "irq_acknowledged"]
    if taken:
        delay = taken[0].time - entry.time
        return f"{subject(entry, places)}, so {subject(taken[0], places)}, {delay} ns later"
    if entry.text("call") in SENDS:
        for one in after:
            if one.kind == "irq_blocked":
                return _blocked(trace, one, places)
    returned = next((one for one in after if one.kind in ("hypercall_return", "service_return")), None)
    answer = f"it returns {result(returned)}" if returned is not None else "it does not return"
    return f"{subject(entry, places)}: {answer}"


def _wait(trace: Trace, entry: Entry, places: Places) -> str:
    """What ended a wait, or why nothing did."""
    woken = woken_by(trace, entry)
    if woken is None:
        return _never_woken(trace, entry, places)
    first = causes(trace, woken)[0]
    until = f", until {subject(first, places)}" if first is not woken else ""
    return f"{subject(entry, places)} for {woken.time - entry.time} ns{until}"


def _never_woken(trace: Trace, wait: Entry, places: Places) -> str:
    """Why a vCPU waits for ever: what was sent and did not get through, else what it took last before it waited."""
    waits = f"{subject(wait, places)} for ever"
    last = obstacle(trace, wait)
    if last is None:
        return f"{waits}: nothing was ever sent to it"
    what = last.text("source") or interrupt(last.number("intid"))
    if last.kind == "irq_blocked":
        return f"{waits}: {what} did not interrupt it [{last.seq}]: {_why(trace, last, places)}"
    before = f"the last interrupt was taken {wait.time - last.time} ns before"
    return f"{waits}: nothing was sent to it since; {before}: {subject(last, places)}"


def _idle(trace: Trace, entry: Entry, places: Places) -> str:
    """A line for each vCPU that waits."""
    lines = [_never_woken(trace, wait, places) for wait in waiting(trace, entry)]
    return "\n".join(lines) or f"{subject(entry, places)}: no vCPU is on"


VERDICTS: dict[str, Callable[[Trace, Entry, Places], str]] = {
    "hypercall": _call,
    "service": _call,
    "irq_blocked": _blocked,
    "irq_pending": _pending,
    "wait": _wait,
    "idle": _idle,
}
