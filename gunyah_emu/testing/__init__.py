"""Guest binaries as tests: a pytest plugin, and what recorded sequences of the real hypervisor are replayed by.

`pip install gunyah-emu` is all that pytest needs to find the plugin.  What tests may import from here is in `__all__`;
it is imported when it is used, so that a test run without machines pays nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.testing.inline_assembly import Assembly, assembly
    from gunyah_emu.testing.under_test import ExpectationError, MachineUnderTest, VmUnderTest

_HOMES = {
    "Assembly": "gunyah_emu.testing.inline_assembly",
    "ExpectationError": "gunyah_emu.testing.under_test",
    "MachineUnderTest": "gunyah_emu.testing.under_test",
    "VmUnderTest": "gunyah_emu.testing.under_test",
    "assembly": "gunyah_emu.testing.inline_assembly",
}

__all__ = ["Assembly", "ExpectationError", "MachineUnderTest", "VmUnderTest", "assembly"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
