"""Turns what the GICs tell their observers into events: which interrupt, of which vCPU, and because of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.events import Recorder
    from gunyah_emu.machine.scheduler import Scheduler
    from gunyah_emu.machine.wired_gic import WiredGic

SGIS = 16
"""INTIDs below this are software-generated."""


class Interrupts:
    """What is remembered of every interrupt of every GIC.

    Arguments:
        recorder: where events go.
        scheduler: knows who runs now.

    Attributes:
        last: the last event of each interrupt, by GIC, vCPU (-1: not routed) and INTID.
        woken: the last wake.
    """

    def __init__(self, recorder: Recorder, scheduler: Scheduler) -> None:
        self._recorder = recorder
        self._scheduler = scheduler
        self.last: dict[tuple[WiredGic, int, int], int] = {}
        self.woken = 0

    def sent(self, intid: int) -> int | None:
        """The event of the guest's register write that sends an SGI; None where it was something else."""
        vcpu = self._scheduler.current
        if intid >= SGIS or vcpu is None or self._recorder.cause:
            return None
        pc = vcpu.vm.engine.registers(vcpu.index).pc
        return self._recorder.emit("sgi", vcpu.vm.name, vcpu.index, (intid, pc), 0)


class GicTracing:
    """Observes one GIC.

    Arguments:
        recorder: where events go.
        gic: the GIC.
        interrupts: what is remembered of its interrupts.
    """

    def __init__(self, recorder: Recorder, gic: WiredGic, interrupts: Interrupts) -> None:
        self._recorder = recorder
        self._gic = gic
        self._lines = gic.lines
        self._interrupts = interrupts

    def _emit(self, kind: str, vcpu: int, fields: tuple[object, ...], cause: int | None) -> int:
        place = self._lines[vcpu] if vcpu >= 0 else next((line for line in self._lines if line is not None), None)
        name = place.vm.name if place is not None else ""
        seq = self._recorder.emit(kind, name, place.index if place is not None and vcpu >= 0 else -1, fields, cause)
        if kind == "irq_pending" and place is not None:
            place.wake_cause = seq
        return seq

    def pended(self, vcpu: int, intid: int) -> None:
        """An interrupt was asserted."""
        cause = self._interrupts.sent(intid)
        self._interrupts.last[self._gic, vcpu, intid] = self._emit("irq_pending", vcpu, (intid,), cause)

    def dropped(self, vcpu: int, intid: int) -> None:
        """It was withdrawn."""
        self._emit("irq_dropped", vcpu, (intid,), None)

    def acknowledged(self, vcpu: int, intid: int) -> None:
        """The guest took it."""
        last, gic = self._interrupts.last, self._gic
        cause = last.get((gic, vcpu, intid)) or last.get((gic, -1, intid), 0)
        place = self._lines[vcpu]
        elr = place.vm.engine.registers(place.index)["ELR_EL1"] if place is not None else 0
        last[gic, vcpu, intid] = self._emit("irq_acknowledged", vcpu, (intid, elr), cause)

    def ended(self, vcpu: int, intid: int) -> None:
        """The guest ended it; what becomes pending again by that is caused by it."""
        cause = self._interrupts.last.get((self._gic, vcpu, intid), 0)
        self._emit("irq_ended", vcpu, (intid,), cause)

    def unknown_register(self, frame: str, offset: int, write: bool) -> None:
        """A reserved register was accessed."""
        place = next((line for line in self._lines if line is not None), None)
        what = f"{'write' if write else 'read'} of reserved {frame} register at offset {offset:#x}"
        self._recorder.emit("unknown", place.vm.name if place is not None else "", -1, (what, None))
