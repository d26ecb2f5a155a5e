"""Threads: vCPUs, the callers of every hypercall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.abi.rights import ThreadRights
from gunyah_emu.hypervisor.object import HypervisorObject

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.cspace import CSpace
    from gunyah_emu.hypervisor.partition import Partition
    from gunyah_emu.hypervisor.vic import Vic


class Thread(HypervisorObject):
    """A vCPU.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.

    """

    __slots__ = ("addrspace", "cspace", "entropy_window", "index", "vic", "vic_index", "vpm_group")

    RIGHTS = ThreadRights
    COST = 8192

    def __init__(self, partition: Partition, label: str = "") -> None:
        super().__init__(partition, label)
        self.cspace: CSpace | None = None
        self.addrspace: HypervisorObject | None = None
        self.vic: Vic | None = None
        self.vic_index = 0
        self.vpm_group: HypervisorObject | None = None
        self.index = 0
        self.entropy_window: tuple[int, int] | None = None

    def read_memory(self, va: int, size: int) -> bytes | None:
        """Bytes of the caller's memory through its stage 1 and 2; `None` where any of it is not readable."""
        return None

    def write_memory(self, va: int, data: bytes) -> int:
        """Write to the caller's memory; how many bytes were written before a hole."""
        return 0

    def complete(self, results: tuple[int, ...]) -> None:
        """Results of a call that had blocked this thread."""
