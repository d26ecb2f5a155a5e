"""`gunyah-emu report`: the page that `run --report` writes, made from a trace afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.cli.arguments import virtual_time
from gunyah_emu.cli.recording import REPORTS, check_suffix
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from gunyah_emu.debug.why import Trace
    from gunyah_emu.debug.why.trace import Entry
    from gunyah_emu.events import Event


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The trace, the page, and which part of the run."""
    parser.add_argument("trace", metavar="TRACE.jsonl", help="what `gunyah-emu run ... --trace TRACE.jsonl` wrote")
    parser.add_argument("-o", "--output", metavar="FILE.html", help="the page (default: beside the trace)")
    parser.add_argument("--title", help="the page's heading (default: the machine file)")
    parser.add_argument("--from", dest="first", type=virtual_time, metavar="TIME", help="leave out what came before")
    parser.add_argument("--to", dest="last", type=virtual_time, metavar="TIME", help="leave out what came after")


def run(arguments: argparse.Namespace) -> int:
    """Write the page and say where it is."""
    from gunyah_emu.debug.why import Places, Trace
    from gunyah_emu.events.report import Recent, write_report
    from gunyah_emu.machine.names import CallNames

    source = Path(arguments.trace)
    target = arguments.output or str(source.with_name(f"{source.name.removesuffix('.partial')}").with_suffix(".html"))
    check_suffix(target, REPORTS, "--output")
    first, last = arguments.first or 0, float("inf") if arguments.last is None else arguments.last
    if first > last:
        raise UserError(f"--from must not be behind --to; {first} ns is behind {last} ns")
    trace = Trace.read(source)
    places = Places.of_trace(trace, source.parent, {})
    recent, facts = Recent(), Facts(trace)
    for event in facts.events():
        if first <= event.time <= last:
            recent.write(event)
    for note in places.notes:
        print(f"gunyah-emu: {note}", file=sys.stderr)
    write_report(
        target,
        recent.events(),
        title=arguments.title or facts.file or source.name,
        names=CallNames(lambda vm, address: " ".join(dict.fromkeys((f"{address:#x}", places.of(vm, address))))),
        vms=facts.vms,
        summary=facts.summary(),
        notes=[*trace.notes, *facts.notes(), *recent.notes()],
    )
    print(f"{target}: {recent.total:,} events")
    return 0


class Facts:
    """What a trace says of its run as a whole, known when its events have been read.

    Arguments:
        trace: whose.

    Attributes:
        file: the machine file, empty where the trace names none.
        vms: their names in the order of the machine file.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._ended: list[tuple[str, str]] = []
        self._unknown = 0
        self._time = 0
        self.file = ""
        self.vms: list[str] = []

    def events(self) -> Iterator[Event]:
        """The events, but for kinds that this version does not know."""
        from gunyah_emu.events import KINDS, Event

        for entry in self._trace:
            kind = KINDS.get(entry.kind)
            if kind is None:
                self._unknown += 1
                continue
            fields = tuple(map(entry.fields.get, kind.fields))
            self._note(entry)
            yield Event(entry.seq, entry.time, entry.vm, entry.vcpu, entry.kind, entry.cause, fields)

    def _note(self, entry: Entry) -> None:
        self._time = entry.time
        if entry.kind == "machine":
            self.file = entry.text("file")
            self.vms = list(entry.table("images"))
        elif entry.kind == "exit" and entry.vm in self.vms:
            self._ended.append((entry.vm, f"{entry.text('reason')}, status {entry.number('status')}"))

    def summary(self) -> list[tuple[str, str]]:
        """How its VMs ended, and when."""
        return [*self._ended, ("virtual time", f"{self._time:,} ns")]

    def notes(self) -> list[str]:
        """What is left out."""
        if not self._unknown:
            return []
        return [f"{self._unknown:,} events are of kinds that this version does not know, and are left out."]
