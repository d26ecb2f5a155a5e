"""Turns what the hypervisor and the GICs tell their observers into events that know their cause.

Attached only while somebody records; without it no observer exists anywhere.  Causes are found by remembering, per vCPU
and INTID, which event made the interrupt pending, and by knowing which hypercall is being carried out.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.abi.declare import CapabilityType
from gunyah_emu.events import MemorySink, Recorder
from gunyah_emu.hypervisor.object import OBJECT_TYPES
from gunyah_emu.hypervisor.silence import SENDS, receiver_source
from gunyah_emu.machine.blocked_events import BlockedEvents
from gunyah_emu.machine.console_tracing import ConsoleTracing
from gunyah_emu.machine.gic_tracing import GicTracing, Interrupts
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.abi.declare import Declaration
    from gunyah_emu.events import Event, Sink
    from gunyah_emu.hypervisor.object import HypervisorObject
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.virq import VirqSource
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine
    from gunyah_emu.machine.wired_gic import WiredGic

LINK = 30
"""X30, the link register."""

INSTRUCTION = 4
"""Bytes: the PC of a vCPU whose call is being carried out is behind it."""


def describe_machine(machine: Machine) -> tuple[str | None, dict[str, list[dict[str, object]]]]:
    """The fields of the event `machine`: where whoever reads a trace finds symbols and source lines."""
    images: dict[str, list[dict[str, object]]] = {}
    for vm in machine.vms:
        images[vm.name] = [
            {
                "path": image.path,
                "bias": image.symbols.bias if image.symbols is not None else 0,
                "sha256": _digest(image.path),
            }
            for image in vm.images
        ]
    return machine.config.path, images


def _digest(path: str) -> str:
    try:
        return sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""  # it was there when the machine was built; only symbols are lost with it


class Tracing:
    """Observes the hypervisor and the machine.

    Arguments:
        machine: what to observe, from now on.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._recorder = Recorder(machine.clock.now, ())
        self._interrupts = Interrupts(self._recorder, machine.scheduler)
        self._blocked = BlockedEvents(machine, self._recorder, self._interrupts)
        #: what every sink is told first
        self._beginning: tuple[Event, ...] = ()
        self._call = 0
        self._service = ""
        #: by vCPU that is blocked in a call: the kind of the answer, the call's name, its event
        self._unanswered: dict[VCpu, tuple[str, str, int]] = {}
        #: what a send is to, until it has asserted something
        self._silent: HypervisorObject | None = None
        #: what was being carried out when something was asserted
        self._asserting = 0
        #: the event that says so
        self._idle = 0
        self._consoles: dict[VirtualMachine, ConsoleTracing] = {}
        machine.hypervisor.observer = self
        for vm in machine.vms:
            self.watch_console(vm)
        for gic in self._gics():
            self.watch(gic)

    def add(self, sink: Sink) -> None:
        """Write events to one more sink; it learns what is recorded, and which vCPUs were on when recording began."""
        if not self._beginning:
            self._begin()
        for event in self._beginning:
            sink.write(event)
        self._recorder.sinks = (*self._recorder.sinks, sink)

    def _begin(self) -> None:
        memory = MemorySink()
        self._recorder.sinks = (memory,)
        self._recorder.emit("machine", "", -1, describe_machine(self._machine))
        for vm in self._machine.vms:
            for vcpu in vm.vcpus.values():
                if vcpu.on:
                    registers = vm.engine.registers(vcpu.index)
                    self.started(vcpu, registers.pc, registers.x[0])
        self._recorder.sinks = ()
        self._beginning = tuple(memory.events)

    def _gics(self) -> list[WiredGic]:
        return [gic for vic in self._machine.hypervisor.vics if (gic := controller_of(vic)) is not None]

    def watch(self, gic: WiredGic) -> None:
        """Observe a GIC."""
        gic.observer = GicTracing(self._recorder, gic, self._interrupts)

    def watch_console(self, vm: VirtualMachine) -> None:
        """Record what a VM prints."""
        self._consoles[vm] = ConsoleTracing(vm, self._recorder)

    def forget_console(self, vm: VirtualMachine) -> None:
        """A VM is gone: say what it had not ended, and let it go."""
        self._consoles.pop(vm).close(keep=True)

    def let_go(self) -> None:
        """Observe nothing, until `take_hold`; what was recorded stays."""
        self._machine.hypervisor.observer = None
        for gic in self._gics():
            gic.observer = None
        for console in self._consoles.values():
            console.pause()

    def take_hold(self) -> None:
        """Observe again."""
        self._machine.hypervisor.observer = self
        for gic in self._gics():
            self.watch(gic)
        for console in self._consoles.values():
            console.go_on()

    def close(self, *, complete: bool) -> None:
        """Observe no longer, and close the sinks; a run that was not cut short says what it left pending."""
        if complete:
            self._blocked.tell_pending()
        for console in self._consoles.values():
            console.close(keep=complete)
        self._machine.hypervisor.observer = None
        for gic in self._gics():
            gic.observer = None
        self._recorder.close(complete=complete)

    # the hypervisor's observer

    def _caller(self, thread: Thread) -> VCpu:
        # A caller that killed itself is no longer known, but its slice is not over.
        vcpu = self._machine.platform.vcpus.get(thread) or self._machine.scheduler.current
        assert vcpu is not None
        return vcpu

    def _place(self, thread: Thread) -> tuple[str, int]:
        vcpu = self._caller(thread)
        return vcpu.vm.name, vcpu.index

    def called(self, caller: Thread, declaration: Declaration, arguments: tuple[int, ...]) -> None:
        """A hypercall begins; whatever happens until it returns is caused by it."""
        vcpu = self._caller(caller)
        named = dict(zip(declaration.argument_names, arguments, strict=True))
        objects = named_objects(caller, declaration, named)
        registers = vcpu.vm.engine.registers(vcpu.index)
        labels = {name: target.title for name, target in objects.items()}
        fields = (declaration.name, named, labels, registers.pc - INSTRUCTION, registers.x[LINK])
        self._call = self._recorder.emit("hypercall", vcpu.vm.name, vcpu.index, fields, 0)
        self._recorder.cause = self._call
        self._silent = objects.get(SENDS.get(declaration.name, ""))

    def returned(self, caller: Thread, declaration: Declaration, results: tuple[int, ...] | None) -> None:
        """It ends; a send that asserted nothing says why."""
        target, self._silent = self._silent, None
        if target is not None and results is not None and not results[0]:
            source = receiver_source(target)
            if source is not None:
                self._blocked.tell_silence(source, self._call, self._place(caller))
        if results is None:
            self._unanswered[self._caller(caller)] = "hypercall_return", declaration.name, self._call
        answer = None if results is None else list(results)
        self._recorder.emit("hypercall_return", *self._place(caller), (declaration.name, answer), self._call)
        self._recorder.cause = 0

    def service(self, caller: Thread, name: str, arguments: tuple[int, ...]) -> None:
        """PSCI, TRNG or SMCCC."""
        self._service = name
        vcpu = self._caller(caller)
        registers = vcpu.vm.engine.registers(vcpu.index)
        fields = (name, list(arguments), registers.pc - INSTRUCTION, registers.x[LINK])
        self._call = self._recorder.emit("service", vcpu.vm.name, vcpu.index, fields, 0)
        self._recorder.cause = self._call

    def service_returned(self, caller: Thread, results: list[int] | None) -> None:
        """The machine says that the call behind `hvc #0` or `smc #0` is done; None: it does not return now."""
        if self._service:
            if results is None:
                self._unanswered[self._caller(caller)] = "service_return", self._service, self._call
            else:
                self._recorder.emit("service_return", *self._place(caller), (self._service, results), self._call)
            self._service = ""
        self._recorder.cause = 0

    def completed(self, vcpu: VCpu, results: tuple[int, ...]) -> None:
        """The machine says that a call which blocked its vCPU is answered."""
        unanswered = self._unanswered.pop(vcpu, None)
        if unanswered is not None:
            kind, name, call = unanswered
            self._recorder.emit(kind, vcpu.vm.name, vcpu.index, (name, list(results)), call)

    def asserted(self, source: VirqSource, level: bool) -> None:
        """An object asserts its vIRQ; that it becomes pending is caused by this."""
        self._silent = None
        fields = (source.title, source.virq, level)
        self._asserting = self._recorder.cause
        vcpu = self._machine.scheduler.current
        if not self._recorder.cause and vcpu is not None:
            pc = vcpu.vm.engine.registers(vcpu.index).pc
            self._recorder.cause = self._recorder.emit("access", vcpu.vm.name, vcpu.index, (pc,), 0)
        self._recorder.cause = self._recorder.emit("virq_assert", self._owner(source), -1, fields)

    def settled(self, source: VirqSource, level: bool) -> None:
        """The GIC has it: if it does not reach a vCPU, say why."""
        self._blocked.tell_assertion(source, level, self._recorder.cause)
        self._recorder.cause = self._asserting

    def cleared(self, source: VirqSource) -> None:
        """An object withdraws its level."""
        self._recorder.emit("virq_clear", self._owner(source), -1, (source.title, source.virq))

    def _owner(self, source: VirqSource) -> str:
        return source.vic.label if source.vic is not None else ""

    # faults

    def fault(self, vcpu: VCpu | None, what: str, vm: str = "") -> int:
        """Something goes wrong on purpose, caused by what is being carried out."""
        if vcpu is not None:
            return self._recorder.emit("fault", vcpu.vm.name, vcpu.index, (what,))
        return self._recorder.emit("fault", vm, -1, (what,))

    @contextmanager
    def because(self, event: int) -> Iterator[None]:
        """What happens inside is caused by that event."""
        before, self._recorder.cause = self._recorder.cause, event
        try:
            yield
        finally:
            self._recorder.cause = before

    # the machine's own events

    def started(self, vcpu: VCpu, entry: int, context: int) -> None:
        """A vCPU was powered on."""
        self._recorder.emit("vcpu_on", vcpu.vm.name, vcpu.index, (entry, context))

    def stopped(self, vcpu: VCpu) -> None:
        """A vCPU went off."""
        self._unanswered.pop(vcpu, None)
        self._recorder.emit("vcpu_off", vcpu.vm.name, vcpu.index, ())

    def wait(self, vcpu: VCpu, at: int | None) -> None:
        """A vCPU waits, behind a WFI where nothing else is said."""
        self._consoles[vcpu.vm].flush()
        pc = vcpu.vm.engine.registers(vcpu.index).pc - INSTRUCTION if at is None else at
        self._recorder.emit("wait", vcpu.vm.name, vcpu.index, (pc,), 0)

    def wake(self, vcpu: VCpu) -> None:
        """A waiting vCPU goes on."""
        self._interrupts.woken = self._recorder.emit("wake", vcpu.vm.name, vcpu.index, (), vcpu.wake_cause)

    def idle(self) -> None:
        """Nothing can happen any more: say so, once, and what is pending."""
        if self._recorder.seq != self._idle:
            self._blocked.tell_pending()
            self._idle = self._recorder.emit("idle", "", -1, (), 0)

    def unknown(self, vcpu: VCpu, what: str, pc: int) -> None:
        """A guest touched what is not modelled."""
        self._recorder.emit("unknown", vcpu.vm.name, vcpu.index, (what, pc), 0)

    def exception_loop(self, vcpu: VCpu, reason: str) -> None:
        """A vCPU is caught in exceptions."""
        self._recorder.emit("exception_loop", vcpu.vm.name, vcpu.index, (reason,), 0)

    def exit(self, vm: VirtualMachine, status: int, reason: str) -> None:
        """A VM ended."""
        self._consoles[vm].flush()
        for vcpu in vm.vcpus.values():
            self._unanswered.pop(vcpu, None)
        self._recorder.emit("exit", vm.name, -1, (status, reason))


def named_objects(caller: Thread, declaration: Declaration, named: dict[str, int]) -> dict[str, HypervisorObject]:
    """What the capabilities among a call's arguments name, without asking for rights; nothing where one names nothing.

    Arguments:
        caller: whose cspace they are in.
        declaration: the call.
        named: its arguments by name.
    """
    cspace = caller.cspace
    if cspace is None:
        return {}
    found = {}
    for argument in declaration.arguments(OBJECT_TYPES):
        if isinstance(argument.type, CapabilityType):
            target = cspace.table[named[argument.name]].object
            if target is not None:
                found[argument.name] = target
    return found
