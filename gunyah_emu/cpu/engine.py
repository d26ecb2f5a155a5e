"""The seam between a VM's code and everything that answers it.

An `Engine` is one VM's CPU: RAM and devices on its bus, vCPUs that are swapped inside it, callables for what traps.
There are two ways to be one, and they behave alike to the instruction: `fast` rests on Unicorn's private parts and the
C accelerator, `portable` on Unicorn's public C API alone.  `opening` chooses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, MutableSequence, Sequence
from typing import TYPE_CHECKING, cast

from gunyah_emu.cpu.debugging import Halt, Wanted
from gunyah_emu.cpu.exceptions import ExceptionLoop
from gunyah_emu.cpu.identity import identity_registers
from gunyah_emu.cpu.libunicorn import Encoding
from gunyah_emu.cpu.seam import PAGE, Device, Ram, Setup, Stop, address_of
from gunyah_emu.cpu.sysreg import SystemRegister, decode_system_access
from gunyah_emu.cpu.timer import GenericTimer

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from gunyah_emu.cpu.registers import Registers

_Placed = tuple[int, int, "Device"]
_Mark = tuple[object, "tuple[Ram, ...]", "tuple[_Placed, ...]", ExceptionLoop | None]

_Exported = tuple[
    bytes, tuple[object, ...], "list[tuple[int, memoryview, bool, bool]]", "tuple[_Placed, ...]", ExceptionLoop | None
]
SEMIHOSTING = 0xD45E_0000  # HLT #0xF000
_STP, _STP_MASK = 0x2900_0000, 0x7FC0_0000  # of general registers, without write-back
MOST_BLOCKS = 1 << 20
"""Distinct blocks that coverage notes of one VM; a Linux kernel that boots runs through some 60,000."""


class Engine(ABC):
    """One VM's CPU.  Made by `open_engine`; the seam is described in docs/architecture.md.

    Attributes:
        way: "fast" or "portable".
        why: one line that says why that way.
        vcpus: how many.
        timers: the generic timer of each vCPU; their `level` is the owner's to set.
        loop: the exception that the last EXCEPTION_LOOP began with.
        callers: what each vCPU's hypercalls get as their first argument; replaceable.
    """

    way: str

    def __init__(self, setup: Setup) -> None:
        self.why = setup.why
        self.cpu_model = setup.cpu_model
        self.vcpus = setup.vcpus
        self.loop: ExceptionLoop | None = None
        self.callers = setup.callers
        self.handler = setup.handler
        self.calls = setup.calls
        self.timers = [GenericTimer(self.now, self.shorten) for _ in range(setup.vcpus)]
        self.ram: list[Ram] = []
        self.devices: list[tuple[int, int, Device]] = []
        self._reported: set[tuple[Encoding, bool]] = set()
        self._declared = setup.system_registers

    # ------------------------------------------------------------------ the bus

    def map_ram(self, ipa: int, memory: Buffer, *, writable: bool = True, executable: bool = True) -> None:
        """Show memory to the guest.

        Arguments:
            ipa: where, a multiple of 4096.
            memory: a writable buffer, a multiple of 4096 bytes; it is shared, not copied.  What the host writes into a
                page that the guest may have executed must be followed by `invalidate`.
            writable: else a store is an external abort, or a write to a device that is mapped at the same place.
            executable: else a fetch is an external abort.
        """
        view = memoryview(memory).cast("B")
        assert ipa % PAGE == len(view) % PAGE == 0, f"RAM must be page-aligned, not 0x{len(view):x} bytes at 0x{ipa:x}"
        assert not self._overlapping(ipa, len(view)), f"RAM at 0x{ipa:x} overlaps what is mapped"
        region = Ram(ipa, view, writable, executable)
        self.ram.append(region)
        self._map(region)

    def unmap(self, ipa: int, size: int) -> None:
        """Take RAM and devices out of the range; what is not mapped there does not matter."""
        for region in self._overlapping(ipa, size):
            self.ram.remove(region)
            self._unmap(region, max(ipa, region.ipa), min(ipa + size, region.ipa + region.size))
        kept = [d for d in self.devices if d[0] + d[1] <= ipa or ipa + size <= d[0]]
        if len(kept) != len(self.devices):
            self.devices = kept
            self._devices_changed()

    def map_device(self, ipa: int, size: int, device: Device) -> None:
        """Let accesses at `ipa`, `size` bytes, be reads and writes of `device`."""
        self.devices.append((ipa, size, device))
        self._devices_changed()

    def remove_device(self, device: Device) -> None:
        """Take a device off the bus; RAM at the same place stays."""
        self.devices = [placed for placed in self.devices if placed[2] is not device]
        self._devices_changed()

    def _overlapping(self, ipa: int, size: int) -> list[Ram]:
        return [r for r in self.ram if r.ipa < ipa + size and ipa < r.ipa + r.size]

    def ram_at(self, ipa: int) -> Ram | None:
        """The piece of RAM at an address, if there is one."""
        return next((r for r in self.ram if r.ipa <= ipa < r.ipa + r.size), None)

    def read_word(self, ipa: int) -> int | None:
        """Eight bytes of RAM, as the table walker reads them; None when there is no RAM."""
        region = self.ram_at(ipa)
        if region is None:
            return None
        offset = ipa - region.ipa
        return int.from_bytes(region.memory[offset : offset + 8], "little")

    @abstractmethod
    def _map(self, region: Ram) -> None: ...

    @abstractmethod
    def _unmap(self, region: Ram, start: int, end: int) -> None:
        """Take [start, end) of the region away; it is no longer in `ram`, its rest must be put back."""

    @abstractmethod
    def _devices_changed(self) -> None: ...

    @abstractmethod
    def invalidate(self, ipa: int, size: int) -> None:
        """The host wrote into guest memory: forget what was translated from there."""

    def invalidate_host(self, memory: memoryview) -> None:
        """As `invalidate`, of host memory that may be mapped here, and anywhere."""
        first = address_of(memory)
        for region in self.ram:
            start = address_of(region.memory)
            low, high = max(first, start), min(first + len(memory), start + region.size)
            if low < high:
                self.invalidate(region.ipa + low - start, high - low)

    # ------------------------------------------------------------------ coverage

    @abstractmethod
    def cover(self) -> None:
        """Note the blocks of code that vCPUs arrive at, from now on and from scratch; not to be called during a run."""

    @abstractmethod
    def covered(self) -> tuple[list[tuple[int, int]], bool]:
        """What vCPUs arrived at since `cover`, as (virtual address, bytes) of blocks, and whether that is all.

        A block is there once, in no order, and counts as a whole: where an exception leaves it half-way, its rest
        counts too.  Where blocks begin and end is each way's own affair; their bytes together are the same.  Of a guest
        that makes up code for ever no more than `MOST_BLOCKS` are noted.
        """

    # ------------------------------------------------------------------ running

    @abstractmethod
    def run(self, vcpu: int, budget: int) -> Stop:
        """Run a vCPU for about `budget` instructions: it stops in front of the block that begins with none left.

        Errors: whatever a callback raised, after the guest has stopped.
        """

    @property
    @abstractmethod
    def retired(self) -> int:
        """Instructions charged by the last run, or by this one so far."""

    @abstractmethod
    def now(self) -> int:
        """Virtual time: instructions since the machine started."""

    @abstractmethod
    def set_clock(self, base: int) -> None:
        """Instructions before the next run; the counters read base + retired."""

    @abstractmethod
    def request_stop(self) -> None:
        """From a callback: stop at the next block, with REQUESTED."""

    @abstractmethod
    def shorten(self, budget: int) -> None:
        """From a callback: leave at most this much budget."""

    @abstractmethod
    def set_irq(self, vcpu: int, level: bool) -> None:
        """Set a vCPU's IRQ line, from anywhere, also while it runs."""

    @abstractmethod
    def complete(self, vcpu: int, results: int | tuple[int, ...]) -> None:
        """Write the results of a hypercall whose entry returned None, by the table's register convention."""

    @abstractmethod
    def reset(self, vcpu: int, pc: int, x0: int = 0, mpidr: int | None = None) -> None:
        """The entry state of PSCI CPU_ON (DEN0022 5.4.5): EL1h, MMU and caches off, DAIF masked.

        Arguments:
            vcpu: which one.
            pc: the entry point.
            x0: the context that it finds.
            mpidr: what MPIDR_EL1 reads, with bit 31 set; absent: vCPU number in Aff0.
        """

    @abstractmethod
    def registers(self, vcpu: int) -> Registers:
        """A vCPU's registers, for reading and writing, whether it is swapped in or not."""

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """Whether it was freed."""

    @abstractmethod
    def close(self) -> None:
        """Free the emulator; the engine must not be used afterwards."""

    # ------------------------------------------------------------------ debugging, between runs

    @abstractmethod
    def debug(self, wanted: Wanted | None) -> None:
        """Have runs halt where a debugger wants it, in front of an instruction; None: no longer.

        A halt in a block's middle leaves the block let in: the next run of that vCPU goes on with it, whatever its
        budget, so that the guest is the same as one that was never halted.
        """

    @property
    @abstractmethod
    def halt(self) -> Halt:
        """Why the last run ended with HALTED."""

    @property
    @abstractmethod
    def left(self) -> int:
        """What the last run left of its budget; below 0: so many instructions of a block are owed to the next."""

    @abstractmethod
    def halt_after(self, count: int) -> None:
        """Halt the next run, or from a callback this one, when it has retired `count` instructions; NEVER_HALT: do not.

        It halts when the next instruction is about to be executed: not where the vCPU waits instead, nor where its
        budget is spent.
        """

    @abstractmethod
    def pass_once(self, address: int) -> None:
        """In the next run, let neither a breakpoint nor a caught call halt at the first instruction, which is there."""

    @abstractmethod
    def _save_cpus(self) -> tuple[object, ...]:
        """The state of every vCPU, but for what Python objects hold; last, the bytes of each."""

    @abstractmethod
    def _load_cpus(self, saved: object) -> None:
        """Bring back a state of this engine's."""

    def mark(self) -> object:
        """The state of every vCPU, and what is on the bus; the contents of RAM and what `walked` names are others'."""
        return None if self.is_closed else (self._save_cpus(), tuple(self.ram), tuple(self.devices), self.loop)

    def rewind(self, mark: object) -> None:
        """Bring back a state of this engine's; what changes in RAM must be `invalidate`d besides."""
        if mark is None:  # its VM had ended
            return
        assert not self.is_closed, "the engine of a VM in a state that may come back is kept"
        saved, ram, devices, self.loop = cast("_Mark", mark)
        if tuple(self.ram) != ram:
            for region in tuple(self.ram):
                self.unmap(region.ipa, region.size)
            for region in ram:
                self.ram.append(region)
                self._map(region)
        if tuple(self.devices) != devices:
            self.devices = list(devices)
            self._devices_changed()
        self._load_cpus(saved)

    @property
    @abstractmethod
    def _pristine_cpu(self) -> bytes:
        """A vCPU's state as it is saved, of one that was never used."""

    def export(self) -> object:
        """The state of every vCPU, and what is on the bus, for `import_` by an engine of another process."""
        ram = [(region.ipa, region.memory, region.writable, region.executable) for region in self.ram]
        return self._pristine_cpu, self._save_cpus(), ram, tuple(self.devices), self.loop

    def import_(self, exported: object) -> None:
        """Take over a state of an engine that was made alike; what is behind `walked` is others'."""
        pristine, saved, ram, devices, loop = cast("_Exported", exported)
        regions = tuple(Ram(ipa, memory, writable, executable) for ipa, memory, writable, executable in ram)
        self.rewind((self._at_home(saved, pristine), regions, devices, loop))

    def _at_home(self, saved: tuple[object, ...], pristine: bytes) -> tuple[object, ...]:
        """A saved state with our own pointers: the words in which two vCPUs that were never used differ."""
        ours = self._pristine_cpu
        assert len(ours) == len(pristine)
        pointers = [at for at in range(0, len(ours), 8) if ours[at : at + 8] != pristine[at : at + 8]]
        *rest, cpus = saved
        moved = []
        for cpu in cast("tuple[bytes, ...]", cpus):
            state = bytearray(cpu)
            for at in pointers:
                state[at : at + 8] = ours[at : at + 8]
            moved.append(bytes(state))
        return *rest, tuple(moved)

    @property
    def walked(self) -> tuple[object, ...]:
        """Objects with a state that belongs to this engine's."""
        return self.timers, self._reported, self.callers, self.handler, [device for _, _, device in self.devices]

    def translate(self, vcpu: int, va: int, write: bool = False, el: int | None = None) -> int | None:
        """The IPA of a virtual address through the vCPU's stage 1; None when it would fault.

        Arguments:
            vcpu: whose stage 1.
            va: the virtual address.
            write: as a store reaches it.
            el: as at this exception level; the vCPU's own by default.
        """
        from gunyah_emu.cpu.walk import DATA_READ, DATA_WRITE, Fault, walk

        registers = self.registers(vcpu)
        level = registers.pstate >> 2 & 3 if el is None else el
        found = walk(registers, self.read_word, va, DATA_WRITE if write else DATA_READ, level)
        return None if isinstance(found, Fault) else found

    # ------------------------------------------------------------------ what both ways share

    def _own_registers(self, read: Callable[[Encoding], int]) -> list[list[SystemRegister]]:
        """Of each vCPU, the registers that replace the emulator's."""
        has_gic = bool(self._declared) and any(register.encoding[2] == 12 for register in self._declared[0])
        return [
            timer.registers() + identity_registers(read, self.now, is_max=self.cpu_model == "max", has_gic=has_gic)
            for timer in self.timers
        ]

    def _declared_registers(self) -> list[Sequence[SystemRegister]]:
        """Of each vCPU, the registers that the emulator lacks."""
        rows = list(self._declared) or [()] * self.vcpus
        assert len(rows) == self.vcpus, f"registers must be declared for {self.vcpus} vCPUs, not {len(rows)}"
        encodings = [register.encoding for register in rows[0]]
        assert all([r.encoding for r in row] == encodings for row in rows), "every vCPU must declare the same registers"
        return rows

    @abstractmethod
    def _fetch(self, pc: int) -> int | None:
        """The instruction that the running vCPU would fetch at `pc`."""

    def _stored_pair(self, ipa: int, pc: int, x: Sequence[int]) -> bool:
        """A store without a syndrome: True when it is one of two registers to a device that takes such, and is done.

        A device that is memory to hardware, such as flash, takes them; elsewhere they are aborts.
        """
        device = next((d for base, size, d in self.devices if base <= ipa < base + size), None)
        instruction = self._fetch(pc)
        if not getattr(device, "TAKES_PAIRS", False) or instruction is None or instruction & _STP_MASK != _STP:
            return False
        base = next(base for base, _, d in self.devices if d is device)
        size = 8 if instruction >> 31 else 4
        for number, offset in ((instruction & 31, 0), (instruction >> 10 & 31, size)):
            value = 0 if number == 31 else x[number] & (1 << 8 * size) - 1
            assert device is not None
            device.write(ipa - base + offset, size, value)
        return True

    def _answer_undefined(self, vcpu: int, pc: int, el: int, x: MutableSequence[int]) -> bool:
        """An UNDEFINED instruction: True when it was a semihosting call, and is done."""
        instruction = self._fetch(pc)
        if instruction is None:
            return False
        if instruction == SEMIHOSTING:
            return self.handler.on_semihosting(vcpu, x) is not False
        access = decode_system_access(instruction)
        if access is not None and el == 1:
            encoding, is_read, _ = access
            if (encoding, is_read) not in self._reported:
                self._reported.add((encoding, is_read))
                self.handler.on_unknown_register(vcpu, encoding, is_read, pc)
        return False
