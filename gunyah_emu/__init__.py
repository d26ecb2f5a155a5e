"""Runs real AArch64 guest binaries under a model of the Gunyah hypervisor.

```python
from gunyah_emu import Machine

with Machine.from_toml("machine.toml") as machine:
    outcome = machine.run(until=machine.vm("receiver").console.contains("done"), max_instructions=10_000_000)
```
What is in `__all__` is the promise; everything else may change.  Names are imported when they are used, so that the
command line starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.errors import UserError
    from gunyah_emu.machine import Machine, Outcome, Reason
    from gunyah_emu.machine.snapshot import Snapshot

__version__ = "0.1.0"

_HOMES = {
    "Machine": "gunyah_emu.machine",
    "Outcome": "gunyah_emu.machine",
    "Reason": "gunyah_emu.machine",
    "Snapshot": "gunyah_emu.machine.snapshot",
    "UserError": "gunyah_emu.errors",
}

__all__ = ["Machine", "Outcome", "Reason", "Snapshot", "UserError", "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
