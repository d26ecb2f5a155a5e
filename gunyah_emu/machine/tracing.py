"""Turns what the hypervisor and the GICs tell their observers into events that know their cause.

Attached only while somebody records; without it no observer exists anywhere.  Causes are found by remembering, per vCPU
and INTID, which event made the interrupt pending, and by knowing which hypercall is being carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.events import Recorder
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from gunyah_emu.abi.declare import Declaration
    from gunyah_emu.events import Sink
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.virq import VirqSource
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine
    from gunyah_emu.machine.wired_gic import WiredGic


class GicTracing:
    """Observes one GIC.

    Arguments:
        recorder: where events go.
        lines: the vCPU at each CPU interface, as far as they were powered on.
    """

    def __init__(self, recorder: Recorder, lines: list[VCpu | None]) -> None:
        self._recorder = recorder
        self._lines = lines
        #: the last event of each interrupt, by vCPU (-1: not yet routed) and INTID
        self._last: dict[tuple[int, int], int] = {}

    def _emit(self, kind: str, vcpu: int, intid: int, cause: int | None) -> int:
        place = self._lines[vcpu] if vcpu >= 0 else next((line for line in self._lines if line is not None), None)
        name = place.vm.name if place is not None else ""
        seq = self._recorder.emit(kind, name, place.index if place is not None and vcpu >= 0 else -1, (intid,), cause)
        if kind == "irq_pending" and place is not None:
            place.wake_cause = seq
        return seq

    def pended(self, vcpu: int, intid: int) -> None:
        """An interrupt was asserted."""
        self._last[vcpu, intid] = self._emit("irq_pending", vcpu, intid, None)

    def dropped(self, vcpu: int, intid: int) -> None:
        """It was withdrawn."""
        self._emit("irq_dropped", vcpu, intid, None)

    def acknowledged(self, vcpu: int, intid: int) -> None:
        """The guest took it."""
        cause = self._last.get((vcpu, intid)) or self._last.get((-1, intid), 0)
        self._last[vcpu, intid] = self._emit("irq_acknowledged", vcpu, intid, cause)

    def ended(self, vcpu: int, intid: int) -> None:
        """The guest ended it; what becomes pending again by that is caused by it."""
        self._emit("irq_ended", vcpu, intid, self._last.get((vcpu, intid), 0))

    def unknown_register(self, frame: str, offset: int, write: bool) -> None:
        """A reserved register was accessed."""
        place = next((line for line in self._lines if line is not None), None)
        what = f"{'write' if write else 'read'} of reserved {frame} register at offset {offset:#x}"
        self._recorder.emit("unknown", place.vm.name if place is not None else "", -1, (what,))


class Tracing:
    """Observes the hypervisor and the machine.

    Arguments:
        machine: what to observe, from now on.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._recorder = Recorder(machine.clock.now, ())
        self._call = 0
        self._service = ""
        machine.hypervisor.observer = self
        for gic in self._gics():
            self.watch(gic)

    def add(self, sink: Sink) -> None:
        """Write events to one more sink; the first learns which vCPUs are on already."""
        is_first = not self._recorder.sinks
        self._recorder.sinks = (*self._recorder.sinks, sink)
        if is_first:
            for vm in self._machine.vms:
                for vcpu in vm.vcpus.values():
                    if vcpu.on:
                        registers = vm.engine.registers(vcpu.index)
                        self.started(vcpu, registers.pc, registers.x[0])

    def _gics(self) -> list[WiredGic]:
        return [gic for vic in self._machine.hypervisor.vics if (gic := controller_of(vic)) is not None]

    def watch(self, gic: WiredGic) -> None:
        """Observe a GIC."""
        gic.observer = GicTracing(self._recorder, gic.lines)

    def close(self, *, complete: bool) -> None:
        """Observe no longer, and close the sinks."""
        self._machine.hypervisor.observer = None
        for gic in self._gics():
            gic.observer = None
        self._recorder.close(complete=complete)

    # the hypervisor's observer

    def _place(self, thread: Thread) -> tuple[str, int]:
        # A caller that killed itself is no longer known, but its slice is not over.
        vcpu = self._machine.platform.vcpus.get(thread) or self._machine.scheduler.current
        assert vcpu is not None
        return vcpu.vm.name, vcpu.index

    def called(self, caller: Thread, declaration: Declaration, arguments: tuple[int, ...]) -> None:
        """A hypercall begins; whatever happens until it returns is caused by it."""
        named = dict(zip(declaration.argument_names, arguments, strict=True))
        self._call = self._recorder.emit("hypercall", *self._place(caller), (declaration.name, named), 0)
        self._recorder.cause = self._call

    def returned(self, caller: Thread, declaration: Declaration, results: tuple[int, ...] | None) -> None:
        """It ends."""
        answer = None if results is None else list(results)
        self._recorder.emit("hypercall_return", *self._place(caller), (declaration.name, answer), self._call)
        self._recorder.cause = 0

    def service(self, caller: Thread, name: str, arguments: tuple[int, ...]) -> None:
        """PSCI, TRNG or SMCCC."""
        self._service = name
        self._call = self._recorder.emit("service", *self._place(caller), (name, list(arguments)), 0)
        self._recorder.cause = self._call

    def service_returned(self, caller: Thread, results: list[int] | None) -> None:
        """The machine says that the call behind `hvc #0` or `smc #0` is done; None: it does not return now."""
        if self._service:
            if results is not None:
                self._recorder.emit("service_return", *self._place(caller), (self._service, results), self._call)
            self._service = ""
        self._recorder.cause = 0

    def asserted(self, source: VirqSource, level: bool) -> None:
        """An object asserts its vIRQ; that it becomes pending is caused by this."""
        fields = (_name(source), source.virq, level)
        self._recorder.cause = self._recorder.emit("virq_assert", self._owner(source), -1, fields)

    def cleared(self, source: VirqSource) -> None:
        """An object withdraws its level."""
        self._recorder.emit("virq_clear", self._owner(source), -1, (_name(source), source.virq))

    def _owner(self, source: VirqSource) -> str:
        return source.vic.label if source.vic is not None else ""

    # the machine's own events

    def started(self, vcpu: VCpu, entry: int, context: int) -> None:
        """A vCPU was powered on."""
        self._recorder.emit("vcpu_on", vcpu.vm.name, vcpu.index, (entry, context))

    def stopped(self, vcpu: VCpu) -> None:
        """A vCPU went off."""
        self._recorder.emit("vcpu_off", vcpu.vm.name, vcpu.index, ())

    def wait(self, vcpu: VCpu) -> None:
        """A vCPU waits."""
        self._recorder.emit("wait", vcpu.vm.name, vcpu.index, (), 0)

    def wake(self, vcpu: VCpu) -> None:
        """A waiting vCPU goes on."""
        self._recorder.emit("wake", vcpu.vm.name, vcpu.index, (), vcpu.wake_cause)

    def unknown(self, vcpu: VCpu, what: str) -> None:
        """A guest touched what is not modelled."""
        self._recorder.emit("unknown", vcpu.vm.name, vcpu.index, (what,), 0)

    def exception_loop(self, vcpu: VCpu, reason: str) -> None:
        """A vCPU is caught in exceptions."""
        self._recorder.emit("exception_loop", vcpu.vm.name, vcpu.index, (reason,), 0)

    def exit(self, vm: VirtualMachine, status: int, reason: str) -> None:
        """A VM ended."""
        self._recorder.emit("exit", vm.name, -1, (status, reason))


def _name(source: VirqSource) -> str:
    return f"{source.owner.label or source.owner.type_name()} {source.name}"
