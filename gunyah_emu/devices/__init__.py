"""What a guest finds on its bus: UART, real-time clock, and semihosting, which is no device but does a console's work.

Everything that a device needs (an interrupt line, a place for output, the time) comes in through its constructor as a
callable.
"""

from __future__ import annotations

from typing import Protocol


class Device(Protocol):
    """What answers a guest's accesses to a range of addresses."""

    def read(self, offset: int, size: int) -> int | None:
        """A load of 1, 2, 4 or 8 bytes; None is an external abort."""

    def write(self, offset: int, size: int, value: int) -> bool:
        """A store of 1, 2, 4 or 8 bytes; False is an external abort."""
