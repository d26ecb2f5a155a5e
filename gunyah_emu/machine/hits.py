"""How often something happened that a fault means, and which of these times the fault strikes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.machine.fault_keys import FaultConfig


class Hits:
    """Counts what a fault means, and says which of them it hits.

    Arguments:
        config: the fault.
    """

    __slots__ = ("config", "hit", "seen")

    def __init__(self, config: FaultConfig) -> None:
        self.config = config
        self.seen = 0
        #: how often it has struck
        self.hit = 0

    def would_strike(self) -> bool:
        """Whether the next one is hit."""
        first, count = self.config.nth, self.config.count
        return self.seen + 1 >= first and (count == 0 or self.seen + 1 < first + count)

    def strikes(self) -> bool:
        """Count one; whether it is hit."""
        strikes = self.would_strike()
        self.seen += 1
        self.hit += strikes
        return strikes
