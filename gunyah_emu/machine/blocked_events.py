"""Records what did not happen: sends that interrupt nobody, interrupts that stay pending, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.hypervisor.silence import silence
from gunyah_emu.machine.blocked import reasons
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from gunyah_emu.events import Recorder
    from gunyah_emu.hypervisor.vic import Vic
    from gunyah_emu.hypervisor.virq import VirqSource
    from gunyah_emu.machine.gic_tracing import Interrupts
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.wired_gic import WiredGic


class BlockedEvents:
    """Tells of interrupts that do not reach a vCPU.

    Arguments:
        machine: where they are.
        recorder: where events go.
        interrupts: what is remembered of them.
    """

    def __init__(self, machine: Machine, recorder: Recorder, interrupts: Interrupts) -> None:
        self._machine = machine
        self._recorder = recorder
        self._interrupts = interrupts
        #: the reasons that were told last of an interrupt
        self._told: dict[tuple[WiredGic, int, int], dict[str, str]] = {}

    def tell_silence(self, source: VirqSource, call: int, sender: tuple[str, int]) -> None:
        """A send was carried out and asserted nothing.

        Arguments:
            source: what could have been asserted.
            call: the event of the hypercall.
            sender: VM and vCPU that made it.
        """
        found = silence(source)
        if source.vic is None:
            self._recorder.emit("irq_blocked", *sender, (None, source.title, found), call)
        elif found:
            self._recorder.emit("irq_blocked", source.vic.label, -1, (source.virq, source.title, found), call)
        else:  # a level that was asserted before: the send adds nothing to it
            self.tell_assertion(source, True, call)

    def tell_assertion(self, source: VirqSource, level: bool, since: int) -> None:
        """An assertion was handed to the GIC: tell of it where nothing comes of that.

        Arguments:
            source: who asserted.
            level: a level, or only an edge.
            since: the event of the assertion; what became pending by it comes later.
        """
        vic, gic = source.vic, controller_of(source.vic)
        if vic is None or gic is None:
            return
        intid, vcpu = source.virq, gic.route_of(source.virq)
        pending = self._interrupts.last.get((gic, vcpu, intid), 0)
        woke = self._interrupts.woken > since
        if woke and pending > since and vcpu >= 0 and (line := gic.lines[vcpu]) is not None and not line.thread.proxied:
            return  # by far the most: it waited, and takes it now
        if not level and gic.is_level_triggered(intid):
            found = silence(source) or {"no_level": "only an edge was asserted, and the SPI is level-sensitive"}
        else:
            found = reasons(gic, vcpu, intid)
            if woke:
                # Whoever waits with interrupts masked takes it a few instructions later, when it unmasks them.
                found.pop("irqs_masked", None)
            if 0 < pending < since and "not_pending" not in found:
                merged = f"it was pending already, since event {pending}: one interrupt for both"
                found = {"already_pending": merged} | found
        if found:
            self._tell(vic, gic, vcpu, intid, found, since)

    def tell_pending(self) -> None:
        """Tell of everything that is pending and that nobody takes; of each once, while nothing changes."""
        for vic in self._machine.hypervisor.vics:
            gic = controller_of(vic)
            for vcpu, intid in gic.pending() if gic is not None else ():
                assert gic is not None
                line = gic.lines[max(vcpu, 0)]
                if line is not None and line.vm.exit_status is not None:
                    continue  # a VM that has ended leaves things pending by right
                found = reasons(gic, vcpu, intid)
                cause = self._interrupts.last.get((gic, vcpu, intid), 0)
                if found and self._told.get((gic, vcpu, intid)) != found:
                    self._tell(vic, gic, vcpu, intid, found, cause)

    def _tell(self, vic: Vic, gic: WiredGic, vcpu: int, intid: int, found: dict[str, str], cause: int) -> None:
        self._told[gic, vcpu, intid] = found
        line = gic.lines[vcpu] if vcpu >= 0 else next((line for line in gic.lines if line is not None), None)
        place = (vic.label, -1) if line is None else (line.vm.name, line.index if vcpu >= 0 else -1)
        source = vic.sources.get(intid)
        self._recorder.emit("irq_blocked", *place, (intid, "" if source is None else source.title, found), cause)
