"""Partitions: where objects and their memory come from.

The real root partition has a heap of a few MiB; a guest that creates objects without end gets NOMEM there.  Here a
limit in bytes has the same effect and keeps the host's memory bounded.  There is one partition: creating others is
unimplemented in the recorded build.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.rights import PartitionRights
from gunyah_emu.hypervisor.object import ACTIVE, HypervisorObject

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.hypervisor import Hypervisor

DEFAULT_LIMIT: Final = 64 << 20


class Partition(HypervisorObject):
    """A partition; the root partition is ACTIVE from the start.

    Arguments:
        hypervisor: whose it is.
        limit: bytes that its objects may take together.

    """

    __slots__ = ("_burying", "_dying", "hypervisor", "limit", "used")

    RIGHTS = PartitionRights

    def __init__(self, hypervisor: Hypervisor, limit: int = DEFAULT_LIMIT) -> None:
        super().__init__(None, "root")
        self.hypervisor = hypervisor
        self.limit = limit
        self.used = 0
        self.state = ACTIVE
        self.retain()  # it outlives its capabilities
        self._dying: deque[tuple[HypervisorObject, bool]] = deque()
        self._burying = False

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes fit; callers answer NOMEM otherwise."""
        return self.used + size <= self.limit

    def charge(self, owner: HypervisorObject, size: int) -> None:
        """Count `size` bytes as used by `owner` until it dies; a negative size gives some back before."""
        owner.charged += size
        self.used += size

    def bury(self, target: HypervisorObject, was_active: bool) -> None:
        """End an object's life, after those that are ending already.

        One after the other, and never one inside another: a guest can hang a cspace into a cspace into a cspace,
        deeper than any stack, and let go of the first.
        """
        self._dying.append((target, was_active))
        if self._burying:
            return
        self._burying = True
        try:
            while self._dying:
                target, was_active = self._dying.popleft()
                if was_active:
                    target.on_deactivate()
                target.on_destroy()
                self.used -= target.charged
                target.charged = 0
        finally:
            self._burying = False
