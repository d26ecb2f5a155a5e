"""Hooks that the plugin calls; any conftest.py or plugin may have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from gunyah_emu.testing.under_test import MachineUnderTest


def pytest_gunyah_machine(machine: MachineUnderTest, item: pytest.Item) -> None:
    """A test made a machine that has not run yet."""


def pytest_gunyah_machine_done(machine: MachineUnderTest, item: pytest.Item) -> None:
    """A test is over and its machine is about to be closed; `item.stash[FAILED]` (`.options`) says how it went."""
