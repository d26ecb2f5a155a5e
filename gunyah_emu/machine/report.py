"""The report of a machine: its events with symbols and names, and how its run ended, as one HTML page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.errors import UserError
from gunyah_emu.events.report import Recent, write_report
from gunyah_emu.events.whole_file import WholeFile
from gunyah_emu.machine.names import machine_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gunyah_emu.events import Event
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.outcome import Outcome


def save_report(
    path: str | Path,
    machine: Machine,
    events: Iterable[Event],
    *,
    title: str | None = None,
    outcome: Outcome | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the report of a machine that is still there.

    Arguments:
        path: the file to be; whole, or not touched.
        machine: whose symbols and names it shows.
        events: what was recorded, in the order of the run, `Outcome.events` for example; lines of consoles are events.
        title: the page's heading; by default the machine file.
        outcome: how the run ended, where it has.
        notes: what a reader must see first, for example why a test failed.

    Errors: UserError where the host refuses.
    """
    write_report(
        path,
        events,
        title=title or default_title(machine),
        names=machine_names(machine),
        vms=[vm.name for vm in machine.vms],
        summary=summary(machine, outcome),
        notes=[*notes, *(outcome.messages if outcome is not None else ())],
    )


def default_title(machine: Machine) -> str:
    """The machine file, or the images."""
    if machine.config.path is not None:
        return machine.config.path
    return " ".join(Path(image.path).name for vm in machine.vms for image in vm.images)


def summary(machine: Machine, outcome: Outcome | None) -> list[tuple[str, str]]:
    """How the run ended, and how much ran."""
    lines: list[tuple[str, str]] = []
    if outcome is not None:
        lines.append(("ended", f"{outcome.reason.value}, status {outcome.exit_status}"))
    lines += [
        (vm.name, f"{vm.exit_reason}, status {vm.exit_status}")
        for vm in machine.vms
        if vm.configured and vm.exit_status is not None
    ]
    lines.append(("instructions", f"{machine.clock.instructions:,}"))
    lines.append(("virtual time", f"{machine.clock.now():,} ns"))
    return lines


class ReportSink:
    """Writes the report of a run when it is over.

    A run that is cut short leaves what it has under the name with `.partial` before its suffix, and says there why.

    Arguments:
        path: the file to be; its folder must exist.
        machine: what runs.
        title: the page's heading; by default the machine file.

    Attributes:
        outcome: how the run ended, to be set before the machine is closed.
        partial: where the report of a run that is cut short goes.
    """

    def __init__(self, path: str | Path, machine: Machine, title: str | None = None) -> None:
        self._path = Path(path)
        self._machine = machine
        self._title = title
        self._recent = Recent()
        self.partial = self._path.with_suffix(f".partial{self._path.suffix}")
        self.outcome: Outcome | None = None
        self.write = self._recent.write
        self.mark, self.rewind = self._recent.mark, self._recent.rewind
        WholeFile[str](path, "report", "w").discard()  # better refused now than after the run

    def close(self, *, complete: bool) -> None:
        """Write it."""
        notes = self._recent.notes()
        if not complete:
            notes.insert(0, f"This run was cut short: {_why_cut(sys.exception())}")
        path = self._path if complete else self.partial
        try:
            save_report(
                path, self._machine, self._recent.events(), title=self._title, outcome=self.outcome, notes=notes
            )
        except UserError:
            if complete:  # otherwise something else has gone wrong already, and is being told
                raise


def _why_cut(error: BaseException | None) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted (Ctrl-C)."
    return f"{error}." if error is not None else "an error of the emulator."
