"""`gunyah-emu conformance`: replays sequences that were recorded on the real hypervisor."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gunyah_emu.testing.conformance import replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.testing.conformance import Report

WAYS = {"direct": ("direct",), "guest": ("guest",), "both": ("direct", "guest")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to replay, and how."""
    parser.add_argument("files", nargs="+", metavar="FILE.jsonl", help="recordings of the schema gunyah-oracle-1")
    parser.add_argument(
        "--by",
        choices=("direct", "guest", "both"),
        default="both",
        help="straight into the dispatcher, by a guest's real instructions in a root VM, or both (default)",
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing of files without a difference")


def _reports(arguments: argparse.Namespace) -> Iterator[tuple[str, Report]]:
    for path in arguments.files:
        for way in WAYS[arguments.by]:
            yield way, replay(path, way)


def run(arguments: argparse.Namespace) -> int:
    """Replay the files; status 1 when anything differs."""
    steps = differ = 0
    for way, report in _reports(arguments):
        wrong = len({difference.line for difference in report.differences})
        steps += report.steps
        differ += wrong
        if wrong or not arguments.quiet:
            print(f"{report} ({way})" if not wrong else f"{report}\n  ({way})")
    print(f"{steps} steps, {differ} differ")
    return 1 if differ else 0
