"""The real way to execute recorded steps: a guest in a root VM, one A64 instruction a step, as the recording guest did.

The guest is a row of code slots and a vector table in the root VM's RAM.  A step chooses the slot that holds its
instruction, loads the registers, and runs the vCPU until it stands behind the instruction or at a vector.  So HVCs,
system registers and loads of the GIC's frames take the
whole way: Unicorn, trap, decoder, model, and back into registers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gunyah_emu.boot import virt_map
from gunyah_emu.gic import CPU_INTERFACE_REGISTERS
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.machine.config import MachineConfig
from gunyah_emu.machine.machine import Machine
from gunyah_emu.machine.root import MEMORY_BASE, MEMORY_SIZE, RootObjects
from gunyah_emu.machine.vm import VCpu
from gunyah_emu.testing.conformance import Fault, InterruptMode
from gunyah_emu.testing.conformance_direct import ADDRESSES, CPU_SETUP, DEVICE_RW, IMAGE_SIZE, STEP_NS, ResourceManager

VECTORS: Final = MEMORY_BASE + 0x2000
SLOTS: Final = MEMORY_BASE + 0x4000
SYNCHRONOUS, INTERRUPT = VECTORS + 0x200, VECTORS + 0x280
BRANCH_TO_SELF: Final = 0x1400_0000
ERET: Final = 0xD69F_03E0

LOADS: Final = {1: 0x3940_0020, 2: 0x7940_0020, 4: 0xB940_0020, 8: 0xF940_0020}
"""LDRB, LDRH, LDR w0, LDR x0 from [x1], by bytes."""

STORES: Final = {1: 0x3900_0020, 2: 0x7900_0020, 4: 0xB900_0020, 8: 0xF900_0020}

ENCODINGS: Final = {
    **{register.name.removesuffix("_EL1"): register.encoding for register in CPU_INTERFACE_REGISTERS},
    "ISR_EL1": (3, 0, 12, 1, 0),
    "MPIDR": (3, 0, 0, 0, 5),
}
SPURIOUS: Final = 1023
LAST_SPI: Final = 987
DAIF_I, EL1H = 1 << 7, 5
ALL_MASKED: Final = 0x3C0 | EL1H
DEAD: Final = 0xDEAD_0000_0000_0000
UNKNOWN_SYNDROME: Final = 0x0200_0000


def system_access(name: str, *, read: bool) -> int:
    """The instruction MRS x0, register or MSR register, x0."""
    op0, op1, crn, crm, op2 = ENCODINGS[name]
    base = 0xD530_0000 if read else 0xD510_0000
    return base | (op0 - 2) << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


def minimal_elf(size: int) -> bytes:
    """An executable of one empty RWX segment, to be filled by the target."""
    header = b"\x7fELF\2\1\1" + bytes(9) + (2).to_bytes(2, "little") + (183).to_bytes(2, "little")
    header += (1).to_bytes(4, "little") + MEMORY_BASE.to_bytes(8, "little") + (64).to_bytes(8, "little") + bytes(12)
    header += b"".join(n.to_bytes(2, "little") for n in (64, 56, 1, 0, 0, 0))
    fields = (0, MEMORY_BASE, MEMORY_BASE, 0, size, 4096)
    return header + b"\1\0\0\0\7\0\0\0" + b"".join(n.to_bytes(8, "little") for n in fields)


class GuestTarget:
    """Steps by a guest.

    Arguments:
        kind: "root", or "hlos" for the VM of the real resource manager.
        way: how the CPU is driven.
    """

    def __init__(self, kind: str, way: str = "auto") -> None:
        with TemporaryDirectory() as folder:
            image = Path(folder) / "agent.elf"
            image.write_bytes(minimal_elf(IMAGE_SIZE))
            vm: dict[str, object] = {"name": kind, "image": str(image), "gic": "gunyah"}
            vm |= {"kind": "root"} if kind == "root" else {"memory": {"base": MEMORY_BASE, "size": MEMORY_SIZE}}
            # That VM's queues had interrupts beyond those of QEMU's virt; binding one such gives a VM all there are.
            last = {"label": 1, "senders": [kind], "receiver": kind, "virq": {"spi": LAST_SPI, "trigger": "edge"}}
            self.machine = Machine(
                MachineConfig({"machine": {"way": way}, "vm": [vm], "doorbell": [] if kind == "root" else [last]})
            )
        self._vm = self.machine.vm(kind)
        self.engine = self._vm.engine
        self.vcpu = self._vm.vcpus[0]
        cspace = self.vcpu.thread.cspace
        addrspace = self.vcpu.thread.addrspace
        assert cspace is not None
        assert addrspace is not None
        self._addrspace = addrspace
        self._interrupts = InterruptMode(False, None, 0, True, 0)
        self._slots: dict[int, int] = {}
        for vector in (SYNCHRONOUS, INTERRUPT):
            self.write_memory(vector, BRANCH_TO_SELF.to_bytes(4, "little"))
        self.engine.registers(0)["VBAR_EL1"] = VECTORS
        objects = self.machine.root
        found = self._resource_manager_symbols(cspace) if objects is None else self._root_symbols(objects)
        self._symbols = {**found, **ADDRESSES}
        for name, value in CPU_SETUP:
            self.write_register(name, value)

    def _root_symbols(self, objects: RootObjects) -> dict[str, int]:
        error = map_extent(objects.uart_memory, objects.addrspace, virt_map.PL011_BASE, DEVICE_RW)
        assert not error, error
        own = {
            "partition": self.machine.hypervisor.root_partition,
            "cspace": objects.cspace,
            "vcpu": objects.vcpu,
            "addrspace": objects.addrspace,
            "vic": objects.vic,
            "me": objects.memory,
            "device_me": objects.device_memory,
            "uart_me": objects.uart_memory,
            **{f"hwirq{intid}": interrupt for intid, interrupt in objects.interrupts.items()},
        }
        return {name: objects.cspace.insert(target) for name, target in own.items()}

    def _resource_manager_symbols(self, cspace: CSpace) -> dict[str, int]:
        vic = self.vcpu.thread.vic
        assert vic is not None
        self._resource_manager = ResourceManager(cspace, vic)
        return self._resource_manager.symbols

    def symbols(self) -> Mapping[str, int]:
        """Capabilities and addresses of the root VM."""
        return self._symbols

    def tick(self) -> None:
        """Time passes."""
        self.machine.clock.skipped += STEP_NS

    # one instruction

    def _slot(self, word: int) -> int:
        """Where this instruction is, a branch to itself behind it; each has its own place, so no code ever changes."""
        address = self._slots.get(word)
        if address is None:
            address = self._slots[word] = SLOTS + 8 * len(self._slots)
            self.write_memory(address, word.to_bytes(4, "little") + BRANCH_TO_SELF.to_bytes(4, "little"))
        return address

    def _run(self, vcpu: VCpu) -> int:
        """Run about a block; where the vCPU stands then."""
        self.engine.set_clock(self.machine.clock.now())
        self.engine.run(vcpu.index, 1)
        self.machine.clock.instructions += self.engine.retired
        return self.engine.registers(vcpu.index).pc

    def _execute(self, word: int, *, x0: int = 0, x1: int = 0, x2: int = 0) -> int | None:
        """Execute one instruction with interrupts masked; x0 after it, or None when it took an exception."""
        registers = self.engine.registers(0)
        slot = self._slot(word)
        registers.pstate = ALL_MASKED
        registers.x[0], registers.x[1], registers.x[2] = x0, x1, x2
        registers.pc = slot
        while (pc := self._run(self.vcpu)) == slot:
            pass
        if pc == SYNCHRONOUS:
            return None
        assert pc == slot + 4, f"instruction {word:#010x} led to {pc:#x}"
        return self.engine.registers(0).x[0]

    def _fault(self) -> Fault:
        registers = self.engine.registers(0)
        return Fault(registers["ESR_EL1"], registers["FAR_EL1"])

    # calls

    def call(
        self, conduit: str, immediate: int, registers: Sequence[int], vcpu: int
    ) -> tuple[Sequence[int], Sequence[int]]:
        """One HVC or SMC, and the interrupts that the handler takes around it."""
        caller = self.vcpu if vcpu == 1 else next(v for v in self._vm.vcpus.values() if v is not self.vcpu)
        mode = self._interrupts
        slot = self._slot((0xD400_0002 if conduit == "hvc" else 0xD400_0003) | immediate << 5)
        live = self.engine.registers(caller.index)
        live.pstate = ALL_MASKED & ~DAIF_I if mode.unmask else ALL_MASKED
        for number in range(31):
            live.x[number] = registers[number] if number < len(registers) else DEAD + number
        live.pc = slot
        taken: list[int] = []
        behind = 0
        while behind < 2:  # once more behind the call, where an interrupt that it raised is taken
            pc = self._run(caller)
            if pc == INTERRUPT:
                taken.append(self._handle_interrupt(last=len(taken) + 1 >= mode.limit))
            else:
                assert pc in (slot, slot + 4), f"{conduit} #{immediate:#x} led to {pc:#x}"
                behind += pc == slot + 4
        x = list(self.engine.registers(caller.index).x)
        assert all(x[n] == DEAD + n for n in (8, *range(18, 31))), "a call must preserve x8 and x18..x30"
        return x[:8], taken

    def _handle_interrupt(self, *, last: bool) -> int:
        """What the recording guest's handler did; `last`: it returns with interrupts masked."""
        mode, live = self._interrupts, self.engine.registers(0)
        saved = list(live.x)
        elr, spsr = live["ELR_EL1"], live["SPSR_EL1"]
        intid = self._execute(system_access("ICC_IAR1", read=True))
        assert intid is not None
        if mode.doorbell is not None:
            self._execute(0xD400_0002 | 0x6013 << 5, x0=mode.doorbell, x1=mode.flags)
        if mode.end and intid < SPURIOUS:
            self.write_register("ICC_EOIR1", intid)
        live = self.engine.registers(0)
        live["ELR_EL1"], live["SPSR_EL1"] = elr, spsr | DAIF_I if last else spsr
        live.pstate = ALL_MASKED
        for number, value in enumerate(saved):
            live.x[number] = value
        live.pc = self._slot(ERET)
        while self._run(self.vcpu) == self._slot(ERET):
            pass
        # A pending interrupt may already have been taken again; what it interrupted is where the call goes on.
        return intid

    # registers and memory

    def read_register(self, name: str) -> int | None:
        """MRS."""
        return self._execute(system_access(name, read=True))

    def write_register(self, name: str, value: int) -> bool:
        """MSR."""
        return self._execute(system_access(name, read=False), x0=value) is not None

    def load(self, address: int, width: int) -> int | Fault:
        """LDR."""
        value = self._execute(LOADS[width], x1=address)
        return self._fault() if value is None else value

    def store(self, address: int, width: int, value: int) -> Fault | None:
        """STR."""
        return self._fault() if self._execute(STORES[width], x0=value, x1=address) is None else None

    def read_memory(self, address: int, size: int) -> bytes:
        """The guest's RAM."""
        data = self._addrspace.read(address, size)
        assert data is not None
        return data

    def write_memory(self, address: int, data: bytes) -> None:
        """The guest's RAM."""
        written = self._addrspace.write(address, data)
        assert written == len(data)

    def set_interrupt_mode(self, mode: InterruptMode) -> None:
        """How calls run from now on."""
        self._interrupts = mode

    def set_up_spi(self, intid: int, *, priority: int, edge: bool, enable: bool) -> None:
        """As the recording guest did: group 1, priority, trigger, route, enable."""
        gicd, word, bit = virt_map.GICD_BASE, intid // 32 * 4, 1 << intid % 32

        def change(offset: int, clear: int, put: int) -> None:
            value = self.load(gicd + offset, 4)
            assert isinstance(value, int)
            self.store(gicd + offset, 4, value & ~clear | put)

        self.store(gicd, 4, 0x12)
        change(0x80 + word, 0, bit)
        if enable:
            change(0x100 + word, 0, bit)
        self.store(gicd + 0x400 + intid, 1, priority)
        shift = intid % 16 * 2 + 1
        change(0xC00 + intid // 16 * 4, 1 << shift, edge << shift)
        self.store(gicd + 0x6000 + intid * 8, 8, 0)

    def reply(self, message: bytes) -> None:
        """The resource manager takes the request and answers."""
        self._resource_manager.reply(message)
