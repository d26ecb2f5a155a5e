"""A VM: an address space with an engine under it, its vCPUs, its interrupt controllers and its console.

VMs of a machine file and VMs that a root guest makes by hypercalls come to life in the same way: the platform makes a
`VirtualMachine` when an address space first needs one, and a `VCpu` when a thread is powered on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.hypervisor.thread import BLOCK_SUSPEND
from gunyah_emu.machine.scheduler import Reason

MAX_VCPUS = 8
"""Of a VM; what Gunyah's VIC and VPM group can hold (recorded)."""

PSTATE_I = 1 << 7
"""IRQs are masked."""

MAX_MESSAGES = 1000
"""Of a run: a guest that makes one VM after the other must not fill the host's memory with what they did wrong."""

if TYPE_CHECKING:
    from gunyah_emu.boot.image import Image
    from gunyah_emu.cpu import Engine, GenericTimer
    from gunyah_emu.devices.console import Console
    from gunyah_emu.devices.pl011 import Pl011
    from gunyah_emu.devices.script import Script
    from gunyah_emu.gic import Gic
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.slot import Slot


class VCpu:
    """A vCPU that was powered on at least once.

    Arguments:
        vm: its VM.
        index: its slot in the VM's engine.
        thread: what the hypervisor knows it as.
        gic: the interrupt controller that it is attached to, if any; `thread.index` is its number there.
    """

    __slots__ = (
        "access",
        "blocked",
        "by_smccc",
        "gic",
        "index",
        "on",
        "repeats",
        "set_irq",
        "thread",
        "timer",
        "vm",
        "waiting",
        "wake_cause",
    )

    def __init__(self, vm: VirtualMachine, index: int, thread: Thread, gic: Gic | None, timer: GenericTimer) -> None:
        self.vm = vm
        self.index = index
        #: its engine's, at hand: every interrupt goes through here twice
        self.set_irq = vm.engine.set_irq
        self.thread = thread
        self.gic = gic
        self.timer = timer
        self.on = False
        #: in WFI or suspended: an interrupt wakes it
        self.waiting = False
        #: where it made a semihosting call in this slice that it must make again, because there is no input yet
        self.repeats: int | None = None
        #: in a hypercall whose results come later
        self.blocked = False
        #: that call came by the SMCCC encoding
        self.by_smccc = False
        self.wake_cause = 0
        #: (PC, instruction) of an access that its proxy scheduler is to answer
        self.access: tuple[int, int] | None = None

    def block(self) -> None:
        """The vCPU's call is not answered yet: it executes nothing until `complete`."""
        self.blocked = True
        self.vm.engine.request_stop()

    def complete(self, results: tuple[int, ...]) -> None:
        """The call that blocked it is answered; nobody hears it where the vCPU was turned off meanwhile."""
        if not self.on:
            return
        if self.by_smccc:
            x = self.vm.engine.registers(self.index).x
            for number, value in enumerate(results):
                x[number] = value
        else:
            self.vm.engine.complete(self.index, results)
        if (tracing := self.vm.machine.tracing) is not None:
            tracing.completed(self, results)
        self.blocked = self.by_smccc = False
        scheduler = self.vm.machine.scheduler
        if scheduler.current is not self and not self.thread.blocks:
            scheduler.ready.append(self)

    def wake(self) -> None:
        """Go on after a wait: an interrupt is there."""
        self.waiting = False
        thread = self.thread
        if thread.blocks:
            was_suspended = thread.blocks & BLOCK_SUSPEND
            thread.wake()
            if (
                thread.blocks or was_suspended
            ):  # its proxy scheduler lets it run, or its call is complete and it is ready
                return
        self.vm.machine.scheduler.wake(self)

    def await_input(self) -> None:
        """It read from a console where nothing waits: it stands in front of the call until input or an interrupt."""
        call, self.repeats = self.repeats, None
        assert call is not None
        registers = self.vm.engine.registers(self.index)
        if registers.pc != call + 4:  # an interrupt was taken behind it
            registers["ELR_EL1"] = call
            self.slice_ended()
            return
        registers.pc = call
        line = self.thread.pending_wakeup
        if line is not None and line() and not registers.pstate & PSTATE_I:
            self.slice_ended()
        else:
            self.vm.console.await_input(self._input_came)
            self.vm.wait(self, at=call)

    def _input_came(self) -> None:
        if self.waiting:
            self.wake()

    def slice_ended(self) -> None:
        """It could go on: it waits for its next turn, or gives the word back to the vCPU that runs it."""
        if self.thread.proxy is not None:
            self.thread.slice_ended()
        else:
            self.vm.machine.scheduler.ready.append(self)

    def __repr__(self) -> str:
        return f"<VCpu {self.vm.name}/{self.index}>"


class VirtualMachine:
    """One VM.

    Arguments:
        machine: the machine it belongs to.
        name: for people; unique in the machine.
        console: what it prints to and reads from.
        configured: it is one of the machine file's, and the machine ends when all of those have ended; a guest made it
            otherwise.

    The engine is created when the first vCPU starts, or by the machine's builder.
    """

    #: a class derived elsewhere is still what snapshots are of
    part_of_machine = True

    def __init__(self, machine: Machine, name: str, console: Console, *, configured: bool) -> None:
        self.machine = machine
        self.configured = configured
        self.name = name
        self.console = console
        #: how many vCPUs its engine has room for
        self.vcpu_slots = MAX_VCPUS
        self.cpu_model = "cortex-a72"
        self.command_line = ""
        #: threads whose slots are known before they start
        self.threads: list[Thread] = []
        #: by slot; those that were powered on at least once
        self.vcpus: dict[int, VCpu] = {}
        self.slots: list[Slot] = []
        self.images: list[Image] = []
        self.uart: Pl011 | None = None
        #: who sits at the console, when a machine file says so
        self.script: Script | None = None
        self.exit_status: int | None = None
        self.exit_reason = ""
        self.engine: Engine

    def __repr__(self) -> str:
        return f"<VirtualMachine {self.name!r}>"

    def wait(self, vcpu: VCpu, *, at: int | None = None) -> None:
        """The vCPU executed WFI with nothing pending, or what has to wait alike stands `at` an address."""
        vcpu.waiting = True
        if vcpu.thread.proxied:
            vcpu.thread.wfi()
        if (tracing := self.machine.tracing) is not None:
            tracing.wait(vcpu, at)

    def exit(self, status: int, reason: str) -> None:
        """The VM ends; the machine ends with its last VM."""
        if self.exit_status is not None:
            return
        self.exit_status = status
        self.exit_reason = reason
        if (tracing := self.machine.tracing) is not None:
            tracing.exit(self, status, reason)
        for vcpu in self.vcpus.values():
            self.stop(vcpu)
        if all(vm.exit_status is not None for vm in self.machine.vms if vm.configured):
            self.machine.scheduler.end(Reason.EXITED)

    def stop(self, vcpu: VCpu) -> None:
        """The vCPU executes nothing more until it is started again."""
        if vcpu.on:
            vcpu.on = False
            self.machine.scheduler.remove(vcpu)
            vcpu.waiting = False

    def exception_loop(self, vcpu: VCpu) -> None:
        """The vCPU takes one exception after the other and executes nothing between: say where it began, and stop."""
        loop = self.engine.loop
        assert loop is not None
        place = self.describe(loop.elr)
        vector = self.engine.registers(vcpu.index)["VBAR_EL1"]
        message = (
            f"VM '{self.name}' vCPU {vcpu.index}: exception loop: {loop.description} at {place} "
            f"(ESR_EL1={loop.esr:#x}, FAR_EL1={loop.far:#x}) has no handler that can run; VBAR_EL1={vector:#x}"
        )
        if (tracing := self.machine.tracing) is not None:
            tracing.exception_loop(vcpu, message)
        if self.configured:
            self.machine.fatal(message)
        else:
            self.tell(message)
            self.machine.platform.vcpu_faulted(vcpu)

    def tell(self, message: str) -> None:
        """Keep a message for the run's outcome, unless guests have already had too many written."""
        messages = self.machine.messages
        if len(messages) < MAX_MESSAGES:
            messages.append(message)

    def describe(self, address: int) -> str:
        """An address as a person would say it: hexadecimal, symbol, source line as far as the images know them."""
        for image in self.images:
            if not any(0 <= address - s.virtual_address < s.memory_size for s in image.segments):
                continue
            if (symbol := image.symbol_at(address)) is not None:
                name, offset = symbol
                line = image.line_at(address)
                where = f", {line[0]}:{line[1]}" if line is not None else ""
                return f"{address:#x} ({name}+{offset:#x}{where})"
        return f"{address:#x}"

    def close(self) -> None:
        """Give back the engine."""
        if hasattr(self, "engine"):
            self.engine.close()
