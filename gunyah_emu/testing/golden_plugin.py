"""`--gunyah-update`, and what the end of a test run says of golden traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gunyah_emu.testing.options import option_group

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from gunyah_emu.testing.under_test import MachineUnderTest

PROPERTY = "gunyah_golden"

WRITES: pytest.StashKey[dict[Path, tuple[str, ...]]] = pytest.StashKey()
"""Of a test run: what this process wrote."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--gunyah-update`."""
    option_group(parser).addoption(
        "--gunyah-update",
        action="store_true",
        help="write the golden traces of the tests that run, instead of comparing with them",
    )


def pytest_gunyah_machine(machine: MachineUnderTest, item: pytest.Item) -> None:
    """Tells a machine whether to write golden traces, and where to note that it did."""
    machine.golden_writes = item.config.stash.setdefault(WRITES, {})
    machine.golden_folder = item.path.parent
    machine.updates_golden = bool(item.config.getoption("gunyah_update"))
    machine.golden_notes = Notes(item)


class Notes:
    """Notes for the end of the test run, carried by the test's report so that those of xdist's workers arrive too."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, note: str) -> None:
        """Add one."""
        self._item.user_properties.append((PROPERTY, note))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says which golden traces were written, and what went wrong earlier."""
    notes = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if notes:
        terminalreporter.section("golden traces")
        for note in dict.fromkeys(notes):
            terminalreporter.line(note)
