"""What the plugin's modules share of pytest: the option group, settings, and what a test keeps in its stash.

Nothing here is imported by a test; it is for features of the plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gunyah_emu.testing.under_test import MachineUnderTest

MACHINES: pytest.StashKey[list[MachineUnderTest]] = pytest.StashKey()
"""Of a test: its machines, in the order they were made."""

FAILED: pytest.StashKey[bool] = pytest.StashKey()
"""Of a test that ran: whether it failed."""


def option_group(parser: pytest.Parser) -> pytest.OptionGroup:
    """The group of the plugin's options in `pytest --help`."""
    return parser.getgroup("gunyah", "gunyah_emu: guest binaries as tests")


def count_setting(config: pytest.Config, name: str) -> int:
    """A setting of pytest.ini or pyproject.toml that is a positive count, such as 5000 or 20M."""
    from gunyah_emu.machine.counts import read_count

    text = str(config.getini(name)).strip()
    value = read_count(text)
    if value is None:
        raise pytest.UsageError(f"the setting {name} must be a positive count such as 5000 or 20M; it is {text!r}")
    return value
