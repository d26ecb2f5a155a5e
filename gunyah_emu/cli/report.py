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
    from collections.abc import Iterable, Iterator

    from gunyah_emu.debug.why import Places
    from gunyah_emu.events import Event
    from gunyah_emu.events.trace_file import TraceFile

LARGE = 32 << 20
"""Bytes of a file from which on a person at a terminal sees how far reading has come."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The trace, the page, and which part of the run."""
    parser.add_argument("trace", metavar="TRACE.jsonl", help="what `gunyah-emu run ... --trace TRACE.jsonl` wrote")
    parser.add_argument("-o", "--output", metavar="FILE.html", help="the page (default: beside the trace)")
    parser.add_argument("--title", help="the page's heading (default: the machine file)")
    parser.add_argument("--from", dest="first", type=virtual_time, metavar="TIME", default=0, help="from then on")
    parser.add_argument("--to", dest="last", type=virtual_time, metavar="TIME", help="and no later")


def run(arguments: argparse.Namespace) -> int:
    """Write the page and say where it is."""
    from gunyah_emu.events.report import MAX_EVENTS, Recent, write_report
    from gunyah_emu.events.trace_file import TraceFile
    from gunyah_emu.machine.names import CallNames

    source = Path(arguments.trace)
    target = arguments.output or str(source.with_name(source.name.removesuffix(".partial")).with_suffix(".html"))
    check_suffix(target, REPORTS, "--output")
    first, last = arguments.first, arguments.last
    if last is not None and first > last:
        raise UserError(f"--from must not be behind --to; {first} ns is behind {last} ns")
    file = TraceFile(source, first=first, last=last, watch=_shown)
    places = _places(file)
    recent, facts = Recent(), Facts()
    for event in file.events(MAX_EVENTS):
        facts.note(event)
        if first <= event.time and (last is None or event.time <= last):
            recent.write(event)
    recent.total += file.skipped
    write_report(
        target,
        recent.events(),
        title=arguments.title or facts.file or source.name,
        names=CallNames(lambda vm, address: " ".join(dict.fromkeys((f"{address:#x}", places.of(vm, address))))),
        vms=facts.vms,
        summary=[*facts.ended, ("virtual time", f"{facts.time:,} ns")],
        notes=[*_notes(file), *recent.notes()],
    )
    print(f"{target}: {recent.total:,} events")
    return 0


def _places(file: TraceFile) -> Places:
    """Symbols and lines of the images that the trace names; what is missing is told."""
    from gunyah_emu.debug.why import Places, Trace

    line = file.first_line()
    if b'"kind":"machine"' not in line:
        return Places({})
    try:
        places = Places.of_trace(Trace([line], [1], [0], []), file.path.parent, {})
    except (ValueError, KeyError, AssertionError):  # reading the events tells what is wrong with the line
        return Places({})
    for note in places.notes:
        print(f"gunyah-emu: {note}", file=sys.stderr)
    return places


def _notes(file: TraceFile) -> list[str]:
    notes = []
    if file.is_cut:
        notes.append("The last line of the trace is cut off and left out: the run was cut short.")
    if file.unknown:
        notes.append(f"{file.unknown:,} events are of kinds that this version does not know, and are left out.")
    return notes


def _shown(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file; of a large one with a bar for whoever sits at a terminal."""
    from io import BufferedReader
    from os import fstat

    assert isinstance(lines, BufferedReader)
    size = fstat(lines.fileno()).st_size
    if size < LARGE or not sys.stderr.isatty():
        yield from lines
        return
    from rich.console import Console
    from rich.progress import wrap_file

    with wrap_file(lines, size, description="reading", console=Console(stderr=True), transient=True) as shown:
        yield from shown


class Facts:
    """What a trace says of its run as a whole.

    Attributes:
        file: the machine file, empty where the trace names none.
        vms: their names in the order of the machine file.
        ended: how each of them did.
        time: of the last event.
    """

    def __init__(self) -> None:
        self.ended: list[tuple[str, str]] = []
        self.time = 0
        self.file = ""
        self.vms: list[str] = []

    def note(self, event: Event) -> None:
        """Look at one event."""
        self.time = event.time
        if event.kind == "machine":
            file, images = event.fields
            self.file = file if isinstance(file, str) else ""
            self.vms = list(images) if isinstance(images, dict) else []
        elif event.kind == "exit" and event.vm in self.vms:
            status, reason = event.fields
            self.ended.append((event.vm, f"{reason}, status {status}"))
