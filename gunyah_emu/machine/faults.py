"""Faults of a machine: what goes wrong in it on purpose, at a place that is the same in every run.

A machine without faults has nothing of this: entries of the call table are wrapped for the calls that a fault means,
interrupt sources for the SPIs that one means, and nothing is asked on any other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.abi.errors import ERROR_CODES, MSGQUEUE_FULL
from gunyah_emu.abi.legal import SMCCC
from gunyah_emu.hypervisor.object import ACTIVE, OBJECT_TYPES
from gunyah_emu.hypervisor.virq import VirqSource
from gunyah_emu.machine.hits import Hits
from gunyah_emu.machine.late import LateInterrupts, LateSource
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from gunyah_emu.abi.declare import Declaration
    from gunyah_emu.abi.decode import Entry
    from gunyah_emu.abi.types import Results
    from gunyah_emu.hypervisor.msgqueue import MsgQueue
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.virq import InterruptController
    from gunyah_emu.machine.fault_keys import FaultConfig
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu

INSTRUCTION, LINK = 4, 30
GICD_ISPENDR = 0x200
PUSH = 1 << 0  # of msgqueue_send's flags


class Held(NamedTuple):
    """A message that is late."""

    due: int
    message: bytes
    push: bool
    cause: int


class LateMessages(Hits):
    """Messages of one queue that are late; those behind them wait, for a queue keeps its order.

    Arguments:
        config: the fault.
        queue: the queue.
    """

    __slots__ = ("held", "queue")

    def __init__(self, config: FaultConfig, queue: MsgQueue) -> None:
        super().__init__(config)
        self.queue = queue
        #: in the order in which they were sent
        self.held: list[Held] = []

    def deadline(self) -> int | None:
        """When the first of them arrives."""
        return self.held[0].due if self.held else None


class Faults:
    """The faults of one machine.

    Arguments:
        machine: whose.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._errors: list[Hits] = []
        self._messages: list[LateMessages] = []
        self._interrupts: list[LateInterrupts] = []
        #: SPIs that become pending by themselves: (when, fault), in order of time
        self._spurious: list[tuple[int, FaultConfig]] = []
        #: every fault, with how often it has struck
        self.all: list[Hits] = []
        machine.hypervisor.wrap_calls(self._wrap_call)
        machine.hypervisor.wrap_sources(self._wrap_source)

    def add(self, config: FaultConfig) -> None:
        """Inject one more fault, which was checked; it counts from now on."""
        machine = self._machine
        hits = Hits(config)
        if config.kind == "error":
            self._errors.append(hits)
        elif config.kind == "late-message":
            assert config.message_queue is not None
            hits = late = LateMessages(config, machine.message_queue(config.message_queue))
            self._messages.append(late)
            machine.scheduler.add_timer(late, late.deadline, lambda: self._deliver(late))
        elif config.kind == "late-interrupt":
            hits = interrupts = LateInterrupts(config, machine)
            self._interrupts.append(interrupts)
            machine.scheduler.add_timer(interrupts, interrupts.deadline, interrupts.come)
        else:
            assert config.at is not None
            self._spurious = sorted([*self._spurious, (config.at, config)], key=lambda pair: pair[0])
            machine.scheduler.add_timer(self, self._next_spurious, self._raise_spurious)
            machine.scheduler.deadlines_changed()
        self.all.append(hits)
        machine.hypervisor.rewrap()

    def tell(self, vcpu: VCpu | None, what: str, vm: str = "") -> int:
        """Record that a fault strikes; the number of the event, 0 where nobody records."""
        tracing = self._machine.tracing
        return 0 if tracing is None else tracing.fault(vcpu, what, vm)

    # ------------------------------------------------------------------ hypercalls

    def _wrap_call(self, entry: Entry, declaration: Declaration, encoding: str) -> Entry:
        errors = [hits for hits in self._errors if hits.config.call == declaration.name]
        if errors:
            entry = self._failing(entry, declaration, encoding, errors)
        if declaration.name == "msgqueue_send":
            for late in self._messages:
                entry = self._delaying(entry, late, encoding)
        return entry

    def _failing(self, entry: Entry, declaration: Declaration, encoding: str, errors: list[Hits]) -> Entry:
        zeros = (0,) * (len(declaration.outputs(OBJECT_TYPES)) - 1)

        def call(caller: Thread, *registers: int) -> Results:
            vcpu = self._machine.platform.vcpus[caller]
            name = None
            for hits in errors:
                if self._means(hits.config, vcpu) and hits.strikes() and name is None:
                    name = hits.config.error
            if name is None:
                return entry(caller, *registers)
            self.tell(vcpu, f"{declaration.name} returns {name}")
            return _failure(ERROR_CODES[name], zeros, encoding)

        return call

    @staticmethod
    def _means(config: FaultConfig, vcpu: VCpu) -> bool:
        if config.vm is not None and config.vm != vcpu.vm.name:
            return False
        if config.address is None:
            return True
        registers = vcpu.vm.engine.registers(vcpu.index)
        return config.address + INSTRUCTION in (registers.pc, registers.x[LINK])

    # ------------------------------------------------------------------ messages

    def _delaying(self, entry: Entry, late: LateMessages, encoding: str) -> Entry:
        queue = late.queue
        silent = VirqSource(queue, "nobody", lambda: False)

        def call(caller: Thread, *registers: int) -> Results:
            cspace = caller.cspace
            if cspace is None or cspace.table[registers[0]].object is not queue:
                return entry(caller, *registers)
            before = len(queue.messages)
            if not late.held and not late.would_strike():
                results = entry(caller, *registers)
                late.seen += len(queue.messages) > before
                return results
            loud, queue.receive_source = queue.receive_source, silent
            try:
                results = entry(caller, *registers)
            finally:
                queue.receive_source = loud
            if len(queue.messages) == before:
                return results
            message = queue.messages.pop()
            room = queue.depth - before - len(late.held)
            if room == 0:
                return _failure(MSGQUEUE_FULL, (0,), encoding)
            self._hold(late, self._machine.platform.vcpus[caller], message, push=bool(registers[3] & PUSH))
            return 0, int(room > 1)

        return call

    def _hold(self, late: LateMessages, vcpu: VCpu, message: bytes, *, push: bool) -> None:
        machine, config = self._machine, late.config
        assert config.delay is not None
        struck = late.strikes()
        due = machine.clock.now() + config.delay if struck else 0
        if late.held:
            due = max(due, late.held[-1].due)
        what = f"a message of message queue {config.message_queue} "
        what += f"comes {config.delay} ns late" if struck else "waits for one that is late"
        late.held.append(Held(due, message, push, self.tell(vcpu, what)))
        machine.scheduler.deadlines_changed()

    def _deliver(self, late: LateMessages) -> None:
        now = self._machine.clock.now()
        while late.held and late.held[0].due <= now:
            held = late.held.pop(0)
            if late.queue.state == ACTIVE:
                with self._machine.because(held.cause):
                    late.queue.push(held.message, push=held.push)

    # ------------------------------------------------------------------ interrupts

    def _wrap_source(self, source: VirqSource, controller: InterruptController) -> InterruptController:
        for late in self._interrupts:
            if late.means(source):
                controller = LateSource(controller, source, late, self.tell)
        return controller

    def _next_spurious(self) -> int | None:
        return self._spurious[0][0] if self._spurious else None

    def _raise_spurious(self) -> None:
        machine = self._machine
        now = machine.clock.now()
        while self._spurious and self._spurious[0][0] <= now:
            config = self._spurious.pop(0)[1]
            assert config.vm is not None
            assert config.spi is not None
            vm = machine.vm(config.vm)
            gic = controller_of(vm.threads[0].vic)
            assert gic is not None
            next(hits for hits in self.all if hits.config is config).strikes()
            with machine.because(self.tell(None, f"SPI {config.spi} becomes pending by itself", vm.name)):
                intid = config.spi + 32
                gic.distributor.write(GICD_ISPENDR + intid // 32 * 4, 4, 1 << intid % 32)


def _failure(code: int, zeros: tuple[int, ...], encoding: str) -> Results:
    """What a call leaves that fails, in either encoding."""
    if encoding != SMCCC:
        return code
    return (code | 0xFFFF_FFFF_0000_0000 if code & 0x8000_0000 else code, *zeros)
