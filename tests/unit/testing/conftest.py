"""Runs of pytest inside this process: what they import is forgotten with them, so it must be there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.machine.config import MachineConfig
from gunyah_emu.testing import MachineUnderTest, check, failure_report, golden_check, make  # noqa: F401

GUESTS = Path(__file__).parents[3] / "guest_images"


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run inside this process loads this plugin alone: the others take most of its time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "gunyah_emu.testing.plugin")


@pytest.fixture(scope="session", autouse=True)
def emulator() -> None:
    """Everything that a machine, and the report of one, imports only when it is used."""
    load_declarations()
    with MachineUnderTest(MachineConfig.from_toml(GUESTS / "doorbell_irq" / "machine.toml")) as machine:
        machine.run()
        list(failure_report.lines_of(machine))
        list(failure_report.disassembly(machine.vms[0], machine.vms[0].vcpus[0], 0x4010_0000))
