"""What a failed test shows of its machines: where each vCPU stands, what happened last, how to see it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gunyah_emu.testing.options import MACHINES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

    from gunyah_emu.testing.under_test import MachineUnderTest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Adds a section for each machine to the report of a test that failed."""
    machines = item.stash.get(MACHINES, None) if call.when == "call" else None
    result = yield
    if machines:
        report = result.get_result()
        if report.failed:
            from gunyah_emu.testing.failure_report import lines_of

            for machine in machines:
                report.sections.append((f"machine {machine.origin}", "\n".join([*lines_of(machine), ""])))
            report.sections.append(("to see it again", "\n".join([*commands(item, machines), ""])))


def commands(item: pytest.Item, machines: list[MachineUnderTest]) -> Iterator[str]:
    """What to type to have the same run again."""
    import shlex

    from gunyah_emu.machine.outcome import EXIT_IDLE

    words = ["pytest", item.nodeid]
    for name in ("seeds", "quanta", "cpus", "encodings"):
        value = item.config.getoption(f"gunyah_{name}")
        if value is not None:
            words.append(f"--gunyah-{name}={value}")
    yield shlex.join(words)
    for machine in machines:
        if (command := run_command(machine)) is not None:
            yield shlex.join(command)
        is_idle = machine.last_outcome is not None and machine.last_outcome.exit_status == EXIT_IDLE
        if is_idle and machine.config.path is not None:
            yield f"gunyah-emu run {machine.origin} --trace run.jsonl; gunyah-emu why run.jsonl last"


def run_command(machine: MachineUnderTest) -> list[str] | None:
    """The command that makes the same run without pytest; None where only the test can."""
    variant = machine.variant
    if machine.config.path is None or machine.config.expect is None or machine.config.expect.until != "exit":
        return None
    if variant is None or variant.cpu is not None or variant.encoding not in (None, "native"):
        return None
    words = ["gunyah-emu", "run", machine.origin, "--max-instructions", str(machine.max_instructions)]
    words += ["--max-virtual-seconds", str(machine.max_virtual_ns // 1_000_000_000)]
    if variant.seed is not None:
        words += ["--seed", str(variant.seed)]
    if variant.quantum is not None:
        words += ["--quantum", str(variant.quantum)]
    return words
