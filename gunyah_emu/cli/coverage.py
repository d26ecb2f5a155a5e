"""`gunyah-emu coverage`: add coverage files, and say what they hold."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from gunyah_emu.errors import UserError
from gunyah_emu.testing import call_coverage, lcov
from gunyah_emu.testing.coverage import merged
from gunyah_emu.testing.report_files import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to add, and where to."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="of `run --coverage` (LCOV) or of `run --hypercall-coverage` (.json); of one kind",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the sum")


def run(arguments: argparse.Namespace) -> int:
    """Add, write, tell."""
    kinds = {Path(name).suffix == ".json" for name in arguments.files}
    if len(kinds) > 1:
        raise UserError("the files must be of one kind: LCOV, or hypercall coverage (.json)")
    if kinds == {True}:
        calls = sum((call_coverage.read(name) for name in arguments.files), Counter())
        if arguments.output:
            write_whole(arguments.output, "hypercall coverage", call_coverage.as_json(calls))
        for line in call_coverage.lines(calls):
            print(line)
        return 0
    whole = merged(lcov.read(name) for name in arguments.files)
    if arguments.output:
        write_whole(arguments.output, "coverage file", whole.text())
    print(whole.summary())
    return 0
