"""Virtual interrupt controllers: the objects' side (API section "Virtual Interrupt Controller Management").

A VIC owns the numbers of its vIRQs and who is bound to them; the GICv3 that a guest sees is the `controller`, which the platform gives when the VIC is
activated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.errors import OK
from gunyah_emu.abi.rights import VicRights
from gunyah_emu.hypervisor.object import HypervisorObject

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.partition import Partition
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.virq import InterruptController, VirqSource

MAX_VCPUS: Final = 8
MAX_VIRQS: Final = 988

_MAX_MSIS_VALID: Final = 1 << 0


class Vic(HypervisorObject):
    """A virtual interrupt controller; activated unconfigured it has one vCPU and no SPI (recorded).

    Arguments:
        partition: what it is allocated from.
        label: a name for people.
        vcpus: how many vCPUs may attach.
        virqs: how many SPIs it has, from 32 on.

    """

    __slots__ = ("controller", "max_vcpus", "max_virqs", "sources", "vcpus")

    RIGHTS = VicRights
    COST = 4096

    def __init__(self, partition: Partition, label: str = "", vcpus: int = 1, virqs: int = 0) -> None:
        super().__init__(partition, label)
        self.max_vcpus = vcpus
        self.max_virqs = virqs
        self.sources: dict[int, VirqSource] = {}
        self.vcpus: dict[int, Thread] = {}
        self.controller: InterruptController | None = None

    def on_activate(self) -> int:
        """Ask the platform for the controller."""
        assert self.partition is not None
        if self.controller is None:
            self.set_controller(self.partition.hypervisor.platform.interrupt_controller(self))
        return OK

    def set_controller(self, controller: InterruptController | None) -> None:
        """Give the VIC its controller; sources that are bound already are connected to it."""
        self.controller = controller
        for source in self.sources.values():
            source.attach(controller)
