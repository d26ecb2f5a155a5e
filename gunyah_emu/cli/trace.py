"""`gunyah-emu trace diff`: what is different between two runs, and how it came about."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.errors import UserError
from gunyah_emu.testing.golden import VARIES, GoldenHeader, Recording, header_of, read
from gunyah_emu.testing.golden_diff import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gunyah_emu.events import Event

EPILOG = """exit status:
  0  both are the same in what is compared
  1  they differ
  2  a mistake in what the user asked for
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to compare."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    diff = actions.add_parser("diff", help="compare two traces (.jsonl) or golden traces")
    diff.add_argument("first", metavar="A", help="a trace of `run --trace`, or a golden trace")
    diff.add_argument("second", metavar="B", help="another; where one is golden, its head says what is compared")
    diff.add_argument(
        "--kinds", metavar="KIND,...", help="compare these kinds of events (default: hypercalls, interrupts, exits)"
    )
    diff.add_argument(
        "--varies",
        metavar="WHAT,...",
        help=f"what may vary, of {', '.join(VARIES)}; 'none': nothing (default: time)",
    )
    diff.add_argument("--ignores", metavar="NAME,...", help="arguments and results that may vary, such as new_flags")


def run(arguments: argparse.Namespace) -> int:
    """Compare; status 1 when they differ."""
    sides = [_Side(path) for path in (arguments.first, arguments.second)]
    header = _header(arguments, sides)
    lines = [side.lines(header) for side in sides]
    differs = difference(lines[0], lines[1], (arguments.first, arguments.second), sides[1].recording)
    for line in differs:
        print(line.removeprefix("  "))
    if not differs:
        print(f"the same: {len(lines[0]):,} events", file=sys.stderr)
    return 1 if differs else 0


def _header(arguments: argparse.Namespace, sides: Sequence[_Side]) -> GoldenHeader:
    """What is compared: as asked for, or as a golden trace says."""
    asked = {
        key: [] if text == "none" else text.split(",")
        for key, text in (("compares", arguments.kinds), ("varies", arguments.varies), ("ignores", arguments.ignores))
        if text is not None
    }
    golden = next((side for side in sides if side.golden is not None), None)
    if golden is not None:
        assert golden.golden is not None
        if asked:
            raise UserError("what is compared must be left to the golden trace's head", path=golden.path)
        return golden.golden.header
    return header_of(asked)


class _Side:
    """One of the two.

    Arguments:
        path: a trace or a golden trace.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UserError(f"a trace must be a file that can be read; {why}", path=path) from None
        self.golden = None if self._text.lstrip().startswith("{") or not self._text else read(self._text, path)
        self.recording: Recording | None = None

    def lines(self, header: GoldenHeader) -> Sequence[str]:
        """Its lines, of what is compared."""
        if self.golden is not None:
            return self.golden.lines
        self.recording = Recording(self._events(), header)
        return self.recording.lines

    def _events(self) -> Iterator[Event]:
        import json

        from gunyah_emu.testing.golden import event_from

        for number, line in enumerate(self._text.splitlines(), 1):
            try:
                yield event_from(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise UserError(
                    "a trace must have an event in each line; this is none", path=self.path, line=number
                ) from None
