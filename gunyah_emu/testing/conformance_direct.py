"""The direct way to execute recorded steps: the dispatcher, the objects and a GIC, without any CPU.

It builds what the recording guest had around it: the root VM (one vCPU, a VIC with 64 SPIs, 640 KiB of RAM, the
UART's page), or the VM that the real resource manager starts ("hlos").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gunyah_emu.abi.declare import FIRST_IMMEDIATE, TABLE_SIZE
from gunyah_emu.abi.rights import MsgQueueRights
from gunyah_emu.gic import CPU_INTERFACE_REGISTERS, GUNYAH, Gic
from gunyah_emu.hypervisor.addrspace import ROOT_VMID, Addrspace
from gunyah_emu.hypervisor.cspace import MAX_CAPS, CSpace
from gunyah_emu.hypervisor.hwirq import HwIrq
from gunyah_emu.hypervisor.hypervisor import CapabilityIdMode, Hypervisor
from gunyah_emu.hypervisor.memextent import ACCESS_RW, ACCESS_RWX, MEMTYPE_DEVICE, MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.memory import PAGE_SIZE
from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.object import HypervisorObject, activate
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import MAX_VIRQS, Vic
from gunyah_emu.hypervisor.vpm_group import VpmGroup
from gunyah_emu.smccc.dispatcher import Smccc
from gunyah_emu.testing.conformance import Fault, InterruptMode

RAM_BASE: Final = 0x8048_0000
RAM_SIZE: Final = 0xA_0000
SCRATCH: Final = 0x8049_1000
UART: Final = 0x0900_0000
GICD: Final = 0x0800_0000
GICD_SIZE: Final = 0x1_0000
GICR: Final = 0x080A_0000
GICR_SIZE: Final = 0x2_0000

DEVICE_SIZE: Final = 0x4000_0000
IMAGE_SIZE: Final = 0x2_1000

NORMAL_RWX: Final = 0x0F_0077
NORMAL_RW: Final = 0x0F_0066
DEVICE_RW: Final = 0x01_0066

STEP_NS: Final = 1_000_000
"""Virtual time a step takes: the entropy window of the recordings shows 0.3 to 2.7 ms."""

_LOAD_ABORT: Final = 0x9600_0010
_STORE_ABORT: Final = 0x9600_0050
_NO_CALL: Final = 0xFFFF_FFFF_FFFF_FFFF
_SPURIOUS: Final = 1023
_RESULTS: Final = 8
_DOORBELL_RECEIVE: Final = 0x6013

ADDRESSES: Final = {
    "scratch": SCRATCH,
    "ram_end": RAM_BASE + RAM_SIZE,
    "gicd": GICD,
    "gicr": GICR,
    "entry2": RAM_BASE + 0x34,
    "ctx2": RAM_BASE + 0xC2A8,
}
CPU_SETUP: Final = (("ICC_SRE", 1), ("ICC_PMR", 0xFF), ("ICC_BPR1", 0), ("ICC_IGRPEN1", 1))
"""What the recording guest wrote before its first step."""

_REGISTERS: Final = {register.name.removesuffix("_EL1"): register for register in CPU_INTERFACE_REGISTERS}


class _Machine(QuietPlatform):
    """A clock that the replay moves, and a GIC for every VIC."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.irq_line = False
        self.started: Thread | None = None

    def nanoseconds(self) -> int:
        """The time of the current step."""
        return self.now

    def interrupt_controller(self, vic: Vic) -> Gic:
        """A GIC with Gunyah's quirks; only the first one's IRQ line is looked at."""
        return Gic(vcpus=1, spis=vic.max_virqs, model=GUNYAH, capacity=vic.max_vcpus)

    def vcpu_started(self, thread: Thread, entry: int, context: int) -> None:
        """Remember who issues the steps of the second vCPU."""
        del entry, context
        self.started = thread


class ResourceManager:
    """A VM's two queues to the resource manager, whose answers come from the recording.

    Arguments:
        cspace: the VM's; it gets the capabilities, with the rights that the resource manager gives.
        vic: the VM's; both queues are bound to it.
    """

    def __init__(self, cspace: CSpace, vic: Vic) -> None:
        partition = cspace.partition
        assert partition is not None
        self.requests = MsgQueue(partition, "to the resource manager", depth=8, max_message_size=240)
        self.replies = MsgQueue(partition, "from the resource manager", depth=8, max_message_size=240)
        activate(self.requests, self.replies)
        for error in (self.requests.send_source.bind(vic, 960), self.replies.receive_source.bind(vic, 961)):
            assert not error, error
        self.requests.send_source.assert_level()
        self.symbols = {
            "rm_tx": cspace.insert(self.requests, MsgQueueRights.SEND),
            "rm_rx": cspace.insert(self.replies, MsgQueueRights.RECEIVE),
        }

    def reply(self, message: bytes) -> None:
        """Take the request, and answer."""
        self.requests.pop()
        self.replies.push(message, push=True)


class DirectTarget:
    """Steps against the dispatcher.

    Arguments:
        kind: "root", or "hlos" for the VM of the real resource manager.
        capability_ids: as for `Hypervisor`; the recordings hold either way.

    """

    def __init__(self, kind: str, capability_ids: CapabilityIdMode = "sequential") -> None:
        self.machine = _Machine()
        self.hypervisor = Hypervisor(self.machine, capability_ids=capability_ids)
        self.smccc = Smccc(self.hypervisor)
        self._interrupts = InterruptMode(False, None, 0, True, 0)
        self._build(kind)

    def _build(self, kind: str) -> None:
        virqs = 64 if kind == "root" else MAX_VIRQS
        self.gic = Gic(vcpus=1, spis=virqs, raise_irq=self._irq_line, model=GUNYAH)
        partition = self.hypervisor.root_partition
        cspace = CSpace(partition, kind, max_caps=MAX_CAPS)
        vic = Vic(partition, kind, vcpus=1, virqs=virqs)
        vic.set_controller(self.gic)
        addrspace = Addrspace(partition, kind, vmid=ROOT_VMID)
        activate(cspace, vic, addrspace)
        extents = self._map_memory(addrspace)
        self.vcpu = vcpu = Thread(partition, kind)
        if kind != "root":
            group = VpmGroup(partition, kind)
            activate(group)
            vcpu.attach_vpm_group(group, 0)
        vcpu.attach_addrspace(addrspace)
        vcpu.cspace = cspace
        cspace.retain()
        vic.attach_vcpu(vcpu, 0)
        activate(vcpu)
        vcpu.power_on(RAM_BASE, 0)
        if kind == "root":
            own = {"partition": partition, "cspace": cspace, "vcpu": vcpu, "addrspace": addrspace, "vic": vic}
            hwirqs = {f"hwirq{intid}": HwIrq(partition, intid) for intid in range(32, 256)}
            activate(*hwirqs.values())
            self._symbols = {name: cspace.insert(target) for name, target in {**own, **extents, **hwirqs}.items()}
        else:
            self._resource_manager = ResourceManager(cspace, vic)
            self._symbols = self._resource_manager.symbols
        self._symbols |= ADDRESSES
        for name, value in CPU_SETUP:
            self.write_register(name, value)

    def _map_memory(self, addrspace: Addrspace) -> dict[str, HypervisorObject]:
        """RAM, of which the image's part is an extent of its own, and the UART's page."""
        partition, memory = self.hypervisor.root_partition, self.hypervisor.memory
        self.ram = memoryview(bytearray(RAM_SIZE))
        memory.add_ram(RAM_BASE, self.ram)
        memory.add_device(UART, PAGE_SIZE)
        memory.give(RAM_BASE, RAM_SIZE, partition)
        ram, image = MemExtent(partition, "ram"), MemExtent(partition, "image")
        device, uart = MemExtent(partition, "devices", device=True), MemExtent(partition, "uart")
        ram.configure(RAM_BASE, RAM_SIZE, attributes(ACCESS_RWX))
        device.configure(0, DEVICE_SIZE, attributes(ACCESS_RW, MEMTYPE_DEVICE))
        activate(ram, device)
        image.configure_derive(ram, 0, IMAGE_SIZE, attributes(ACCESS_RWX))
        uart.configure_derive(device, UART, PAGE_SIZE, attributes(ACCESS_RW, MEMTYPE_DEVICE))
        activate(image, uart)
        for extent, ipa, attrs in (
            (image, RAM_BASE, NORMAL_RWX),
            (ram, RAM_BASE, NORMAL_RW),
            (uart, UART, DEVICE_RW),
        ):
            error = map_extent(extent, addrspace, ipa, attrs)
            assert not error, error
        return {"me": ram, "device_me": device, "uart_me": uart}

    def _irq_line(self, _vcpu: int, level: bool) -> None:
        self.machine.irq_line = level

    def symbols(self) -> Mapping[str, int]:
        """Capabilities and addresses of the root VM."""
        return self._symbols

    def tick(self) -> None:
        """Time passes."""
        self.machine.now += STEP_NS

    def call(
        self, conduit: str, immediate: int, registers: Sequence[int], vcpu: int
    ) -> tuple[Sequence[int], Sequence[int]]:
        """One HVC or SMC, and the interrupts that the handler takes in it."""
        caller = self.vcpu
        if vcpu != 1:
            assert self.machine.started is not None
            caller = self.machine.started
        taken: list[int] = []
        self._take_interrupts(taken)  # what is pending already is taken before the call
        results = self._call(caller, conduit, immediate, list(registers))
        self._take_interrupts(taken)
        return results, taken

    def _take_interrupts(self, taken: list[int]) -> None:
        mode = self._interrupts
        while mode.unmask and self.machine.irq_line and len(taken) < mode.limit:
            taken.append(self._handle_interrupt(mode))

    def _call(self, caller: Thread, conduit: str, immediate: int, x: list[int]) -> list[int]:
        n = immediate - FIRST_IMMEDIATE
        if conduit == "hvc" and 0 <= n < TABLE_SIZE:
            entry = self.hypervisor.calls[n]
            got = _NO_CALL if entry is None else entry(caller, *x[: self.hypervisor.argument_counts[n]])
            assert got is not None, "no recorded call blocks"
            results = (got,) if isinstance(got, int) else got
            return [*results, *[0] * (_RESULTS - len(results))]
        if immediate == 0:
            self.smccc.call(caller, x)
        else:
            x[0] = _NO_CALL
        return x

    def _handle_interrupt(self, mode: InterruptMode) -> int:
        intid = self.read_register("ICC_IAR1")
        assert intid is not None
        if mode.doorbell is not None:
            self._call(self.vcpu, "hvc", _DOORBELL_RECEIVE, [mode.doorbell, mode.flags, 0])
        if mode.end and intid < _SPURIOUS:
            self.write_register("ICC_EOIR1", intid)
        return intid

    def read_register(self, name: str) -> int | None:
        """ISR_EL1 and MPIDR here, the rest by the GIC."""
        if name == "ISR_EL1":
            return 0x80 if self.machine.irq_line else 0
        if name == "MPIDR":
            return 0x8000_0000
        reader = _REGISTERS[name].reader
        if reader is None:
            return None
        value: int | None = getattr(self.gic.cpu_interfaces[0], reader)()
        return value

    def write_register(self, name: str, value: int) -> bool:
        """A register of the CPU interface."""
        writer = _REGISTERS[name].writer
        if writer is None:
            return False
        defined: bool = getattr(self.gic.cpu_interfaces[0], writer)(value)
        return defined

    def load(self, address: int, width: int) -> int | Fault:
        """A GIC frame's register."""
        if GICD <= address < GICD + GICD_SIZE:
            value = self.gic.distributor.read(address - GICD, width)
        else:
            assert GICR <= address < GICR + GICR_SIZE
            value = self.gic.redistributors.read(address - GICR, width)
        return Fault(_LOAD_ABORT, address) if value is None else value

    def store(self, address: int, width: int, value: int) -> Fault | None:
        """A GIC frame's register."""
        if GICD <= address < GICD + GICD_SIZE:
            taken = self.gic.distributor.write(address - GICD, width, value)
        else:
            assert GICR <= address < GICR + GICR_SIZE
            taken = self.gic.redistributors.write(address - GICR, width, value)
        return None if taken else Fault(_STORE_ABORT, address)

    def read_memory(self, address: int, size: int) -> bytes:
        """The guest's RAM."""
        return bytes(self.ram[address - RAM_BASE : address - RAM_BASE + size])

    def write_memory(self, address: int, data: bytes) -> None:
        """The guest's RAM."""
        self.ram[address - RAM_BASE : address - RAM_BASE + len(data)] = data

    def set_interrupt_mode(self, mode: InterruptMode) -> None:
        """How calls run from now on."""
        self._interrupts = mode

    def set_up_spi(self, intid: int, *, priority: int, edge: bool, enable: bool) -> None:
        """As the recording guest did: group 1, priority, trigger, route, enable."""
        word, bit = intid // 32 * 4, 1 << intid % 32
        distributor = self.gic.distributor
        distributor.write(0x0, 4, 0x12)
        for register, on in ((0x80, True), (0x100, enable)):
            value = distributor.read(register + word, 4) or 0
            distributor.write(register + word, 4, value | bit if on else value)
        distributor.write(0x400 + intid, 1, priority)
        trigger, shift = 0xC00 + intid // 16 * 4, intid % 16 * 2 + 1
        value = (distributor.read(trigger, 4) or 0) & ~(1 << shift)
        distributor.write(trigger, 4, value | edge << shift)
        distributor.write(0x6000 + intid * 8, 8, 0)

    def reply(self, message: bytes) -> None:
        """The resource manager takes the request and answers."""
        self._resource_manager.reply(message)
