"""The pytest plugin's entry point: one module a feature, each with hooks of its own.

It is loaded by every pytest run of an environment that gunyah_emu is installed in, so neither it nor a feature's module
imports anything at load that a run without machines has no use for; and what pytest calls for every test costs a look
into a dictionary.

A new feature is a module in `pytest_plugins` below.  It adds its options in `pytest_addoption`, to the group that
`option_group` gives, and meets machines by two hooks:

    def pytest_gunyah_machine(machine, item): ...       # made, and has not run yet: attach a sink, inject a fault
    def pytest_gunyah_machine_done(machine, item): ...  # before it is closed; item.stash[FAILED] says how it went
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    import pytest


class PlainImports:
    """Imports this package as Python does.

    pytest rewrites the assertions of every module in a distribution that has a plugin.  That is for assertions of
    tests; here they are an emulator's own, several hundred modules take seconds to rewrite, and compiled files of an
    installed package would not be used.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A module of this package; anything else is somebody else's to find."""
        return PathFinder.find_spec(name, path, target) if name.startswith("gunyah_emu.") else None


if PlainImports not in sys.meta_path:
    sys.meta_path.insert(0, PlainImports)

pytest_plugins = (
    "gunyah_emu.testing.variants",
    "gunyah_emu.testing.fixtures",
    "gunyah_emu.testing.machine_files",
    "gunyah_emu.testing.failure",
    "gunyah_emu.testing.reports",
    "gunyah_emu.testing.golden_plugin",
    "gunyah_emu.testing.coverage_plugin",
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Lets features, and anybody's conftest.py, meet the machines of tests."""
    from gunyah_emu.testing import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker."""
    config.addinivalue_line(
        "markers",
        "machine(file, *, seeds, quanta, cpus, encodings, max_instructions, record): the machine that the fixture "
        "`machine` makes: a machine file, from the test's folder, and what to run it with",
    )
