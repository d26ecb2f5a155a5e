"""What brings the real hypervisor down (recorded: EL2 panics and failed assertions that a guest can cause)."""

from __future__ import annotations


class HypervisorFatal(Exception):  # noqa: N818 - it is not an error of this program: the modelled hypervisor stops
    """A guest did what stops the real hypervisor; `reason` says what, in words for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
