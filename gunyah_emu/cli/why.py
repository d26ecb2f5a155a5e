"""`gunyah-emu why`: what led to an event of a trace, what came of it, and why an interrupt did not arrive."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gunyah_emu.debug.why.question import FORMS
from gunyah_emu.errors import UserError

EPILOG = "EVENT is one of\n" + "\n".join(f"  {form:24} {what}" for form, what in FORMS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The trace, the event, and where symbols are."""
    parser.add_argument("trace", metavar="TRACE.jsonl", help="what `gunyah-emu run ... --trace TRACE.jsonl` wrote")
    parser.add_argument("event", nargs="+", metavar="EVENT", help="which event: its number, or words")
    parser.add_argument("--machine", metavar="MACHINE.toml", help="take the images from this machine file")
    parser.add_argument(
        "--image", action="append", default=[], metavar="VM=ELF", help="take a VM's symbols and lines from this ELF"
    )
    parser.add_argument("--all", action="store_true", help="show every consequence, however many there are")


def run(arguments: argparse.Namespace) -> int:
    """Print the answer; what has to be known about the trace and the images goes to standard error."""
    from gunyah_emu.debug.why import Places, Trace, answer, find, parse
    from gunyah_emu.debug.why.answer import CONSEQUENCES

    question = parse(arguments.event)
    trace = Trace.read(arguments.trace)
    entry = find(trace, question)
    places = Places.of_trace(trace, Path(arguments.trace).parent, _images(arguments))
    for note in (*trace.notes, *places.notes):
        print(f"gunyah-emu: {note}", file=sys.stderr)
    first, *rest = map(_printable, answer(trace, entry, places, limit=None if arguments.all else CONSEQUENCES))
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"\x1b[1m{first}\x1b[0m" if bold else first)
    for line in rest:
        print(line)
    return 0


def _printable(line: str) -> str:
    """A line of a trace's text as any terminal takes it: whatever wrote the trace, it moves no cursor."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def _images(arguments: argparse.Namespace) -> dict[str, str]:
    """By VM, the ELF that the user names, by itself or in a machine file."""
    images: dict[str, str] = {}
    if arguments.machine is not None:
        from gunyah_emu.boot.load import guess
        from gunyah_emu.machine.config import MachineConfig

        images = {vm.name: vm.image for vm in MachineConfig.from_toml(arguments.machine).vms}
        images = {name: path for name, path in images.items() if guess(path) == "elf"}
    for one in arguments.image:
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise UserError(f"--image must be VM=ELF, not {one!r}")
        images[name] = path
    return images
