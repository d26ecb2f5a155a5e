"""What the commands that run many machines share: which variants, who works, how far it is."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gunyah_emu.cli.arguments import count
from gunyah_emu.testing.campaign import Workforce, variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gunyah_emu.testing.campaign import Variant

CPUS = ("cortex-a53", "cortex-a57", "cortex-a72", "max")
MOST = 100_000


def numbers(text: str) -> list[int]:
    """Integers and ranges: 0-99, 1000,30000."""
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        try:
            first, last = int(low, 0), int(high or low, 0)
        except ValueError:
            first, last = 0, -1
        if not 0 <= first <= last or last - first >= MOST:
            raise argparse.ArgumentTypeError(f"must be numbers and ranges such as 0-99 or 1000,30000, not {text!r}")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def cpus(text: str) -> list[str]:
    """CPU models."""
    found = text.split(",")
    if any(name not in CPUS for name in found):
        raise argparse.ArgumentTypeError(f"must be some of {', '.join(CPUS)}, not {text!r}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """With what to run, who does it, what to write."""
    parser.add_argument("images", nargs="+", metavar="MACHINE.toml | IMAGE.elf", help="what to run")
    parser.add_argument("--seeds", type=numbers, default=[], metavar="0-99", help="run with each of these seeds")
    parser.add_argument(
        "--quanta", type=numbers, default=[], metavar="1000,30000", help="and with each of these lengths of a turn"
    )
    parser.add_argument("--cpus", type=cpus, default=[], metavar="cortex-a72,max", help="and with each CPU model")
    parser.add_argument(
        "--max-instructions", type=count, default=100_000_000, metavar="N", help="budget of a run (default: 100M)"
    )
    work = parser.add_argument_group("who works")
    work.add_argument("-j", "--jobs", type=count, default=0, metavar="N", help="processes (default: one a processor)")
    work.add_argument("--dask", metavar="ADDRESS", help="a Dask cluster instead, by its scheduler: tcp://HOST:8786")
    work.add_argument("--journal", metavar="FILE", help="keep each result at once, so that --resume can go on")
    work.add_argument("--resume", action="store_true", help="go on with the journal of a campaign that was cut short")
    files = parser.add_argument_group("what to write")
    files.add_argument("--html", metavar="FILE", help="a page that needs nothing but itself")
    files.add_argument("--junit", metavar="FILE", help="JUnit XML")
    files.add_argument("--json", metavar="FILE", help="everything")


def workforce(arguments: argparse.Namespace) -> Workforce:
    """Who works."""
    return Workforce(arguments.jobs, arguments.dask, arguments.journal, arguments.resume)


def chosen_variants(arguments: argparse.Namespace) -> list[Variant]:
    """Every combination of what was asked for."""
    return variants(arguments.seeds, arguments.quanta, arguments.cpus)


@contextmanager
def progress() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """How far it is, on standard error: a bar on a terminal, else a line at each tenth."""
    if not sys.stderr.isatty():
        yield _lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def stage(name: str) -> Callable[[int, int], None]:
            task = bar.add_task(name, total=None)

            def tell(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            return tell

        yield stage


def _lines(name: str) -> Callable[[int, int], None]:
    last = -1

    def tell(done: int, total: int) -> None:
        nonlocal last
        tenth = 10 * done // total if total else 10
        if tenth != last:
            last = tenth
            print(f"gunyah-emu: {name}: {done} of {total}", file=sys.stderr, flush=True)

    return tell
