"""`--gunyah-reports DIR`: a page for a browser of every machine of a test that failed, for CI to keep."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.testing.options import MACHINES, option_group

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from gunyah_emu.testing.under_test import MachineUnderTest

LONGEST_NAME = 150


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--gunyah-reports`."""
    option_group(parser).addoption(
        "--gunyah-reports",
        metavar="DIR",
        help="write the timeline, consoles and events of each machine of a failed test there, one HTML page each",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Writes the pages of a test that failed, and names them in its report."""
    machines = item.stash.get(MACHINES, None) if call.when == "call" else None
    result = yield
    folder = item.config.getoption("gunyah_reports") if machines else None
    if machines and folder is not None and (report := result.get_result()).failed:
        lines = [
            _write(item, Path(folder), number, machine, str(call.excinfo)) for number, machine in enumerate(machines)
        ]
        report.sections.append(("pages for a browser", "\n".join([*lines, ""])))


def _write(item: pytest.Item, folder: Path, number: int, machine: MachineUnderTest, why: str) -> str:
    """Write one page; its path, or why there is none."""
    from gunyah_emu.errors import UserError
    from gunyah_emu.machine.report import save_report

    name = re.sub(r"[^A-Za-z0-9_.=-]+", "-", item.nodeid)[-LONGEST_NAME:].strip("-")
    path = folder / f"{name}{f'-{number + 1}' if number else ''}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_report(
            path,
            machine,
            machine.events,
            title=f"{item.nodeid}: {machine.origin}",
            outcome=machine.last_outcome,
            notes=why.splitlines()[:1],
        )
    except (UserError, OSError) as error:
        return f"no page: {error}"
    item.user_properties.append(("gunyah_report", str(path)))
    return str(path)
