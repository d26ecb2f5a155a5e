"""`run --coverage` and `run --hypercall-coverage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from gunyah_emu.machine import Machine
    from gunyah_emu.testing.coverage import Coverage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument(
        "--coverage", metavar="FILE.info", help="write which lines and functions were reached, for lcov"
    )
    parser.add_argument(
        "--hypercall-coverage", metavar="FILE.json", help="write which results of which hypercalls were seen"
    )


class Covering:
    """Covers a run, if the arguments ask for it.

    Arguments:
        arguments: of the command line.
        machine: which has not run yet.
    """

    def __init__(self, arguments: argparse.Namespace, machine: Machine) -> None:
        self._lines: str | None = arguments.coverage
        self._calls: str | None = arguments.hypercall_coverage
        self._machine = machine
        self._coverage: Coverage | None = None
        if self._lines is not None or self._calls is not None:
            from gunyah_emu.testing.coverage import Coverage

            self._coverage = Coverage()
            self._coverage.watch(machine, lines=self._lines is not None, calls=self._calls is not None)

    def write(self) -> None:
        """Write what was asked for; UserError where the host refuses."""
        if self._coverage is None:
            return
        from gunyah_emu.testing.call_coverage import as_json
        from gunyah_emu.testing.report_files import write_whole

        self._coverage.take(self._machine)
        if self._lines is not None:
            write_whole(self._lines, "coverage file", self._coverage.lcov().text())
        if self._calls is not None:
            write_whole(self._calls, "hypercall coverage", as_json(self._coverage.calls))
