"""What has happened until now, and why: the same answers as `gunyah-emu why` gives of a trace."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.monitor.command import Command, Complaint, number, words
from gunyah_emu.debug.why import Places, Trace, answer, find, parse, why
from gunyah_emu.debug.why.words import phrase
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.debug.gdb.stub import Stub

MOST: Final = 1000
OF_A_MACHINE: Final = ("irq", "doorbell", "queue")
"""Questions that a machine answers as it stands, too."""


def trace(stub: Stub, given: list[str]) -> Iterator[str]:
    """The last events, a line each."""
    usage = "trace last N"
    which, count_text = words(given, 2, 2, usage)
    count = number(count_text)
    if which != "last" or not 0 < count <= MOST:
        raise Complaint(f"usage: monitor {usage}, with N from 1 to {MOST}")
    places = Places.of_machine(stub.machine)
    newest = list(islice(reversed(stub.session.sink.events), count))
    for entry in Trace.of_events(reversed(newest)):
        yield f"{entry.seq:6} {entry.time:12} ns  {entry.place}  {phrase(entry, places)}"


def explain(stub: Stub, given: list[str]) -> Iterator[str]:
    """Why something happened, or did not: as the machine stands, and by its last events."""
    try:
        question = parse(given)
        if question.what in OF_A_MACHINE:
            yield f"now: {why(stub.machine, ' '.join(given), stub.vm().name)}"
        events = Trace.of_events(stub.session.sink.events)
        found = find(events, question)
        for line in answer(events, found, Places.of_machine(stub.machine)):
            yield line.replace(" (--all)", "")
    except UserError as error:
        yield error.message


COMMANDS = (
    Command("trace", "last N", "the last N events", trace),
    Command("why", "WHAT", "why `irq INTID`, `doorbell LABEL` or `queue LABEL` interrupts or not; or event N", explain),
)
