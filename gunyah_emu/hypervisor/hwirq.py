"""Forwarded physical interrupts (API section "Interrupt Management"): one object per physical interrupt of the machine.

Only the root VM gets them, ready-made and active.  A device of the machine raises one with `set_level`; bound, it
appears as the vIRQ.
"""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import ARGUMENT_INVALID, DENIED, OK, VIRQ_NOT_BOUND
from gunyah_emu.abi.rights import HwIrqRights, VicRights
from gunyah_emu.abi.types import Results, Virq
from gunyah_emu.hypervisor.object import HypervisorObject
from gunyah_emu.hypervisor.partition import Partition
from gunyah_emu.hypervisor.thread import OPTION_PINNED
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.virq import FIRST_SPI, LAST_SPI, VirqSource

FIRST_PPI: Final = 16


class HwIrq(HypervisorObject):
    """A physical interrupt that can be forwarded.

    Arguments:
        partition: what it is allocated from.
        intid: its number at the physical interrupt controller: a PPI (16..31) or an SPI (32..1019).
        label: a name for people.

    """

    __slots__ = ("intid", "line", "private_vic", "source")

    RIGHTS = HwIrqRights

    def __init__(self, partition: Partition, intid: int, label: str = "") -> None:
        super().__init__(partition, label or f"irq {intid}")
        assert FIRST_PPI <= intid <= LAST_SPI
        self.intid = intid
        self.line = False
        self.source = VirqSource(self, "hwirq", self.level)
        self.private_vic: Vic | None = None

    def level(self) -> bool:
        """Whether the physical line is high."""
        return self.line

    def set_level(self, level: bool) -> None:
        """The physical line changes."""
        if level != self.line:
            self.line = level
            if level:
                self.source.assert_level()
            else:
                self.source.clear()

    def bind(self, vic: Vic, virq: int) -> int:
        """Bind; errors as hwirq_bind_virq."""
        if self.intid >= FIRST_SPI:
            error = self.source.bind(vic, virq)
            if not error and self.line:
                self.source.assert_level()
            return error
        if self.private_vic is not None or not all(vcpu.options & OPTION_PINNED for vcpu in vic.vcpus.values()):
            return DENIED
        if vic.vcpus and not FIRST_PPI <= virq < FIRST_SPI:
            return ARGUMENT_INVALID
        vic.retain()
        self.private_vic = vic
        return OK

    def unbind(self) -> int:
        """Unbind; errors as hwirq_unbind_virq."""
        if self.intid < FIRST_SPI:
            self._unbind_private()
            return OK
        if self.source.vic is None:
            return VIRQ_NOT_BOUND
        self.source.unbind()
        return OK

    def _unbind_private(self) -> None:
        if self.private_vic is not None:
            self.private_vic.release()
            self.private_vic = None

    def on_deactivate(self) -> None:
        """The binding goes."""
        self.source.unbind()
        self._unbind_private()


@hypercall(0x6026)
def hwirq_bind_virq(
    hwirq: Annotated[HwIrq, HwIrqRights.BIND_VIC], vic: Annotated[Vic, VicRights.BIND_SOURCE], virq: Virq
) -> Results:
    """Forward a physical interrupt to a virtual one.

    A private interrupt (PPI) goes to all vCPUs of the VIC, which must be pinned to their cores; while none of them is
    active nothing is checked.  No device of the machine raises a PPI.

    Arguments:
        hwirq: the physical interrupt.
        vic: the receiver's interrupt controller.
        virq: the interrupt, an SPI for an SPI and a PPI for a PPI.

    Errors:
        ARGUMENT_INVALID: `virq` is of the other kind, or beyond the VIC's number of vIRQs.
        VIRQ_BOUND: an SPI that is bound already.
        BUSY: another source is bound to this interrupt.
        DENIED: a PPI that is bound already, or an attached vCPU that is not pinned.

    Source: API "Hardware IRQ Bind"; recorded for SPIs, read for PPIs.

    """
    return hwirq.bind(vic, virq)


@hypercall(0x6027)
def hwirq_unbind_virq(hwirq: Annotated[HwIrq, HwIrqRights.BIND_VIC]) -> Results:
    """Stop forwarding a physical interrupt.

    Arguments:
        hwirq: the physical interrupt.

    Errors:
        VIRQ_NOT_BOUND: an SPI that is not bound; an unbound PPI is no error.

    Differs: the document allows unbinding twice; VIRQ_NOT_BOUND is recorded.

    Source: API "Hardware IRQ Unbind"; recorded for SPIs, read for PPIs.

    """
    return hwirq.unbind()
