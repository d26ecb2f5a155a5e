"""What `run` keeps of a run: traces, each in the format of its suffix, and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    import argparse

    from gunyah_emu.machine import Machine, Outcome
    from gunyah_emu.machine.report import ReportSink

TRACES = {".jsonl": "one JSON object a line", ".pftrace": "for ui.perfetto.dev"}
REPORTS = {".html": "one page for a browser"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument(
        "--trace",
        metavar="FILE",
        action="append",
        default=[],
        help=f"write every event: {_list(TRACES)}; may be given twice",
    )
    parser.add_argument("--report", metavar="FILE.html", help="write a page with timeline, consoles and events")


def _list(formats: dict[str, str]) -> str:
    return ", ".join(f"*{suffix} ({what})" for suffix, what in formats.items())


def check_suffix(path: str, formats: dict[str, str], option: str) -> str:
    """The suffix, which says the format; UserError where it says none."""
    suffix = Path(path).suffix
    if suffix not in formats:
        raise UserError(f"{option} must name one of {_list(formats)}", path=path)
    return suffix


class Recording:
    """Attaches what the arguments ask for.

    Arguments:
        arguments: of the command line.

    Errors: UserError: a suffix that means nothing, one file for two purposes.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._traces = [(path, check_suffix(path, TRACES, "--trace")) for path in arguments.trace]
        self._report: str | None = arguments.report
        if self._report is not None:
            check_suffix(self._report, REPORTS, "--report")
        paths = [path for path, _ in self._traces]
        for path in paths:
            if paths.count(path) > 1:
                raise UserError("--trace names this file twice", path=path)
        self._partials: list[Path] = []
        self._sink: ReportSink | None = None

    def attach(self, machine: Machine) -> None:
        """Record from now on."""
        for path, suffix in self._traces:
            if suffix == ".pftrace":
                from gunyah_emu.events.perfetto import PerfettoSink
                from gunyah_emu.machine.names import machine_names

                machine.record(PerfettoSink(path, machine_names(machine)))
            else:
                from gunyah_emu.events import JsonLinesSink

                machine.record(JsonLinesSink(path))
            self._partials.append(Path(path + ".partial"))
        if self._report is not None:
            from gunyah_emu.machine.report import ReportSink

            self._sink = ReportSink(self._report, machine)
            machine.record(self._sink)
            self._partials.append(self._sink.partial)

    def ended(self, outcome: Outcome) -> None:
        """Let the report say how."""
        if self._sink is not None:
            self._sink.outcome = outcome

    def cut_short(self, error: BaseException) -> None:
        """Let the error say where the run left what it had."""
        for path in self._partials:
            if path.exists():
                error.add_note(f"{path} holds the run as far as it came")
