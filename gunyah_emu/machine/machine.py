"""The machine: VMs, hypervisor, clock and scheduler, and what a test or a command line needs of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from gunyah_emu.abi.declare import FIRST_IMMEDIATE, TABLE_SIZE
from gunyah_emu.devices.console import Console
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.memory import PhysicalMemory
from gunyah_emu.hypervisor.thread import BLOCK_SUSPEND
from gunyah_emu.machine.chooser import Chooser
from gunyah_emu.machine.clock import Clock
from gunyah_emu.machine.config import MachineConfig
from gunyah_emu.machine.outcome import STATUS_BY_REASON, Outcome
from gunyah_emu.machine.platform import MachinePlatform
from gunyah_emu.machine.scheduler import Reason, Scheduler
from gunyah_emu.machine.vm import VirtualMachine
from gunyah_emu.smccc.dispatcher import Smccc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
    from types import TracebackType
    from typing import Self

    from gunyah_emu.devices import Device
    from gunyah_emu.events import MemorySink, Sink
    from gunyah_emu.hypervisor.doorbell import Doorbell
    from gunyah_emu.hypervisor.msgqueue import MsgQueue
    from gunyah_emu.hypervisor.vic import Vic
    from gunyah_emu.machine.fault_keys import FaultConfig
    from gunyah_emu.machine.faults import Faults
    from gunyah_emu.machine.root import RootObjects
    from gunyah_emu.machine.snapshot import Snapshot
    from gunyah_emu.machine.tracing import Tracing
    from gunyah_emu.machine.vm import VCpu

NO_SUCH_CALL = 0xFFFF_FFFF_FFFF_FFFF

Way = Literal["auto", "fast", "portable"]


class Machine:
    """A machine, built and ready to run.

    Use `Machine.from_toml` or `Machine.from_images`; both take the same options.

    Arguments:
        config: what to build, complete and checked.
        seed: where random numbers come from; the configuration's by default.
        quantum: instructions a vCPU runs while another is ready; the configuration's by default.
        way: how the CPU is driven; the configuration's by default.

    Errors: UserError, with its place, for whatever the person who wrote the configuration can mend.
    """

    #: what the VMs are made of; a test's machine has VMs that can do more
    vm_type: type[VirtualMachine] = VirtualMachine
    #: a class derived elsewhere is still what snapshots are of
    part_of_machine = True

    def __init__(
        self,
        config: MachineConfig,
        *,
        seed: int | None = None,
        quantum: int | None = None,
        way: Way | None = None,
    ) -> None:
        from gunyah_emu.machine.build import build

        self.config = config
        self.way: Way = way or config.way
        self.clock = Clock()
        self.chooser = Chooser(config.seed if seed is None else seed, quantum or config.quantum)
        self.scheduler = Scheduler(self.clock, self.chooser)
        self.messages: list[str] = []
        self.tracing: Tracing | None = None
        self.vms: list[VirtualMachine] = []
        #: what the root VM has, where there is one
        self.root: RootObjects | None = None
        self.platform = MachinePlatform(self)
        self.hypervisor = Hypervisor(self.platform, capability_ids=config.capability_ids, fatal=config.on_fatal)
        self.memory: PhysicalMemory = self.hypervisor.memory
        self.default_gic_model = "architectural"
        self.gic_models: dict[Vic, str] = {}
        self._smccc = Smccc(self.hypervisor)
        self._doorbells: dict[int, Doorbell] = {}
        self._queues: dict[int, MsgQueue] = {}
        self._devices: dict[int, tuple[int, Device]] = {}
        self._memory_sink: MemorySink | None = None
        self._on_console: Callable[[str, bytes], None] | None = None
        self.faults: Faults | None = None
        build(self)
        for fault in config.faults:
            self._inject(fault)

    @classmethod
    def from_toml(
        cls,
        path: str | os.PathLike[str],
        *,
        seed: int | None = None,
        quantum: int | None = None,
        way: Way | None = None,
    ) -> Self:
        """The machine that a machine file describes."""
        return cls(MachineConfig.from_toml(path), seed=seed, quantum=quantum, way=way)

    @classmethod
    def from_images(
        cls,
        paths: Sequence[str | os.PathLike[str]],
        *,
        keys: Mapping[str, object] | None = None,
        seed: int | None = None,
        quantum: int | None = None,
        way: Way | None = None,
    ) -> Self:
        """One VM for each image, with defaults for everything but `keys`, which are those of `[[vm]]`."""
        return cls(MachineConfig.from_images(paths, keys), seed=seed, quantum=quantum, way=way)

    # what is in it

    def vm(self, name: str) -> VirtualMachine:
        """The VM of that name; KeyError when there is none."""
        for vm in self.vms:
            if vm.name == name:
                return vm
        raise KeyError(f"there is no VM {name!r}; there are {', '.join(vm.name for vm in self.vms)}")

    def doorbell(self, label: int) -> Doorbell:
        """The doorbell that the machine file gives this label."""
        return self._doorbells[label]

    def message_queue(self, label: int) -> MsgQueue:
        """The message queue that the machine file gives this label."""
        return self._queues[label]

    def add_doorbell(self, label: int, doorbell: Doorbell) -> None:
        """Let `doorbell` find it; the machine's builder calls this."""
        self._doorbells[label] = doorbell

    def add_message_queue(self, label: int, queue: MsgQueue) -> None:
        """Let `message_queue` find it; the machine's builder calls this."""
        self._queues[label] = queue

    def add_device(self, base: int, size: int, device: Device) -> None:
        """Put a device into physical memory, for a root VM to map."""
        self._devices[base] = (size, device)

    def device_around(self, address: int) -> tuple[int, int, Device] | None:
        """The device at a physical address that a root VM's guest may map: its base, its size, what answers."""
        for base, (size, device) in self._devices.items():
            if base <= address < base + size:
                return base, size, device
        return None

    # states

    def snapshot(self, before: Snapshot | None = None) -> Snapshot:
        """The machine's state as it is now, between two runs.

        Arguments:
            before: an earlier one; what has not changed since is shared with it.
        """
        from gunyah_emu.machine.snapshot import Snapshot

        self.platform.keeps_engines = True
        return Snapshot(self, before)

    def restore(self, snapshot: Snapshot) -> None:
        """Bring a state of this machine back; VMs, consoles and doorbells that the caller holds stay valid."""
        assert snapshot.machine is self, "a state is brought back into the machine that it was taken from"
        snapshot.restore()

    @classmethod
    def from_snapshot(cls, path: str | os.PathLike[str]) -> Self:
        """The machine that `Snapshot.save` wrote to a file, as it was, with nobody looking on.

        Errors: UserError when the file is not whole, not of this version, or the machine's files have changed.
        """
        from gunyah_emu.machine.snapshot_file import load

        return load(cls, os.fspath(path))

    def invalidate(self, address: int, size: int) -> None:
        """The host wrote to RAM at this physical address: no VM may go on with code that was translated from there."""
        view = self.memory.view(address, size)
        assert view is not None
        for vm in self.vms:
            if hasattr(vm, "engine"):
                vm.engine.invalidate_host(view)

    # running

    def run(
        self,
        *,
        until: Callable[[], bool] | None = None,
        max_instructions: int | None = None,
        max_virtual_ns: int | None = None,
        timeout: float | None = None,
    ) -> Outcome:
        """Run until every VM has ended, or there is another reason to stop; may be called again to go on.

        Arguments:
            until: a condition, asked between slices, for example `vm.console.contains("done")`.
            max_instructions: of all vCPUs together, from now on; exceeded by less than a translated block.
            max_virtual_ns: virtual time, from now on; a machine that mostly waits spends that before instructions.
            timeout: wall-clock seconds; where it strikes is not deterministic.
        """
        reason = self.advance(
            until=until, max_instructions=max_instructions, max_virtual_ns=max_virtual_ns, timeout=timeout
        )
        return self.outcome(reason)

    def advance(
        self,
        *,
        until: Callable[[], bool] | None = None,
        max_instructions: int | None = None,
        max_virtual_ns: int | None = None,
        timeout: float | None = None,
    ) -> Reason:
        """As `run`, for whoever only wants to know why it ended, and may want it often."""
        try:
            return self.scheduler.run(max_instructions, timeout, until, max_virtual_ns)
        except HypervisorFatal as fatal:
            self._report_fatal(fatal)
            return Reason.FATAL
        except BaseException:
            self._close_tracing(complete=False)
            raise

    def outcome(self, reason: Reason) -> Outcome:
        """What there is to say of a run that ended so."""
        self.platform.close_doomed()
        status = STATUS_BY_REASON.get(reason)
        if status is None:
            status = next((vm.exit_status for vm in self.vms if vm.exit_status), 0)
        elif reason is Reason.IDLE:
            if self.tracing is not None:
                self.tracing.idle()
            self.messages += [
                f"VM '{vm.name}' waits and nothing can wake it" for vm in self.vms if vm.exit_status is None
            ]
        if reason is not Reason.UNTIL:
            self.messages += [
                f"VM '{vm.name}': its script still waits for {vm.script.waits_for.decode(errors='replace')!r}"
                for vm in self.vms
                if vm.script is not None and vm.script.waits_for is not None
            ]
        messages, self.messages[:] = tuple(self.messages), ()
        events = () if self._memory_sink is None else tuple(self._memory_sink.events)
        return Outcome(reason, status, self.clock.instructions, self.clock.now(), messages, events)

    def _report_fatal(self, fatal: HypervisorFatal) -> None:
        vcpu = self.scheduler.last
        assert vcpu is not None
        place = vcpu.vm.describe(vcpu.vm.engine.registers(vcpu.index).pc)
        self.messages.append(
            f"VM '{vcpu.vm.name}' vCPU {vcpu.index} at {place}: {fatal.reason}; "
            "this stops the real hypervisor and everything on it"
        )

    def fatal(self, message: str) -> None:
        """End the run: a guest can go no further."""
        self.messages.append(message)
        self.scheduler.end(Reason.FATAL)

    def wake(self, vcpu: VCpu) -> None:
        """An interrupt is there for a waiting vCPU."""
        if (tracing := self.tracing) is not None:
            tracing.wake(vcpu)
        vcpu.wake()

    def smccc(self, vcpu: VCpu, conduit: str, immediate: int, x: MutableSequence[int]) -> None:
        """A call that is none of the hypercall table's."""
        if immediate:
            if conduit == "hvc" and 0 <= immediate - FIRST_IMMEDIATE < TABLE_SIZE:
                vcpu.vm.engine.complete(vcpu.index, NO_SUCH_CALL)  # a number of the table without a call (recorded)
            else:
                x[0] = NO_SUCH_CALL
            return
        registers = list(x[:8])
        returns = self._smccc.call(vcpu.thread, registers)
        if (tracing := self.tracing) is not None:
            tracing.service_returned(vcpu.thread, registers[:4] if returns else None)
        if returns:
            for number, value in enumerate(registers):
                x[number] = value
        elif vcpu.on:
            vcpu.by_smccc = True
            vcpu.block()
            vcpu.waiting = bool(vcpu.thread.blocks & BLOCK_SUSPEND)

    # what goes wrong on purpose

    def inject(self, **keys: object) -> None:
        """Let something go wrong in the run to come; `keys` are those of `[[fault]]`, by default an `error`.

        Errors: UserError for keys that a machine file must not have either.
        """
        self._inject(self.config.fault(keys))

    def _inject(self, config: FaultConfig) -> None:
        if self.faults is None:
            from gunyah_emu.machine.faults import Faults

            self.faults = Faults(self)
        self.faults.add(config)

    @contextmanager
    def because(self, event: int) -> Iterator[None]:
        """Have recorded that what happens inside was caused by that event."""
        if self.tracing is None:
            yield
        else:
            with self.tracing.because(event):
                yield

    # watching

    def on_console(self, listener: Callable[[str, bytes], None]) -> None:
        """Have everything that a VM prints from now on told to `listener(name, data)`, as it is printed."""
        self._on_console = listener

    def record(self, sink: Sink) -> None:
        """Have every event from now on written to `sink`; closed with the machine."""
        from gunyah_emu.machine.tracing import Tracing

        if self.tracing is None:
            self.tracing = Tracing(self)
        self.tracing.add(sink)

    def record_events(self, capacity: int = 100_000) -> None:
        """Keep the last `capacity` events for `Outcome.events`."""
        from gunyah_emu.events import MemorySink

        self._memory_sink = MemorySink(capacity)
        self.record(self._memory_sink)

    def new_vm(self, name: str, *, configured: bool) -> VirtualMachine:
        """A VM that has nothing yet but a console."""
        taken = {vm.name for vm in self.vms}
        unique = next(
            candidate for n in range(1, len(taken) + 2) if (candidate := name if n == 1 else f"{name}-{n}") not in taken
        )
        vm = self.vm_type(self, unique, Console(), configured=configured)
        vm.console.sink = lambda data: self._on_console(unique, data) if self._on_console is not None else None
        self.vms.append(vm)
        if self.tracing is not None:
            self.tracing.watch_console(vm)
        return vm

    # ending

    def _close_tracing(self, *, complete: bool) -> None:
        if self.tracing is not None:
            self.tracing.close(complete=complete)
            self.tracing = None

    def close(self) -> None:
        """Give back the engines and finish what is being recorded."""
        self._close_tracing(complete=True)
        self.platform.close_doomed()
        for vm in self.vms:
            vm.close()

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
