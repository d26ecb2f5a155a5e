"""The root VM, as the real hypervisor starts it: everything there is belongs to it, and its environment says where.

Loading rules (read in the hypervisor's source, addresses recorded): the image's physical addresses count from the start
of the root VM's memory, as does its entry; each segment is an extent of its own with the rights of its program header;
all other memory is mapped read-write; the environment follows the image, the heap follows the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.boot import virt_map
from gunyah_emu.boot.image import Image, Segment
from gunyah_emu.boot.load import load_image
from gunyah_emu.boot.root_environment import (
    SIZE,
    ConfigurationValue,
    RuntimeEnvironment,
    build_root_environment,
)
from gunyah_emu.cpu import FREQUENCY
from gunyah_emu.devices.pl011 import Pl011
from gunyah_emu.errors import UserError
from gunyah_emu.hypervisor.addrspace import ROOT_VMID, Addrspace
from gunyah_emu.hypervisor.cspace import MAX_CAPS, CSpace
from gunyah_emu.hypervisor.hwirq import HwIrq
from gunyah_emu.hypervisor.memextent import ACCESS_RW, ACCESS_RWX, MEMTYPE_DEVICE, MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.memory import PAGE_SIZE
from gunyah_emu.hypervisor.object import activate
from gunyah_emu.hypervisor.thread import OPTION_CRITICAL, Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.machine.ram import allocate
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from gunyah_emu.machine.config import VmConfig
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VirtualMachine

MEMORY_BASE: Final = 0x8048_0000
MEMORY_SIZE: Final = 0xA_0000
FREE_RANGES: Final = ((0x4000_0000, 0x4000_0000), (0x8040_0000, 0x3D80_0000))
"""The machine's RAM besides the hypervisor's own; the root VM's memory is part of the second range."""

DEVICE_MEMORY: Final = (0, 0x4000_0000)
HLOS_BASE, HLOS_SIZE = FREE_RANGES[0]

INTERRUPTS: Final = 256
OWN_INTERRUPTS: Final = (*range(16), 25, 26, 27)
"""Physical interrupts that the hypervisor keeps: SGIs, the GIC's maintenance interrupt, its own timer and the virtual
one."""

VIRQS: Final = 64
WRITE_BACK, DEVICE = 0xF << 16, 0x1 << 16
NO_CAPABILITY: Final = (1 << 64) - 1


class RootObjects(NamedTuple):
    """What the root VM has capabilities to, with its interrupt objects by INTID."""

    vm: VirtualMachine
    cspace: CSpace
    vcpu: Thread
    addrspace: Addrspace
    vic: Vic
    memory: MemExtent
    device_memory: MemExtent
    uart_memory: MemExtent
    interrupts: dict[int, HwIrq]


def build_root_vm(machine: Machine, config: VmConfig) -> RootObjects:
    """Make the root VM and start its vCPU.

    Errors: UserError for an image that cannot be loaded or does not fit into the root VM's memory.
    """
    image = _load(config)
    ram = _add_physical_memory(machine)
    objects = _make_objects(machine, config)
    _attach_uart(machine, objects)
    end = _map_image(machine, objects, image)
    objects.vm.images = [image]
    image.load_into(ram, MEMORY_BASE, is_zero=True)
    environment = build_root_environment(*_environment(machine, objects, end))
    ram[end - MEMORY_BASE : end - MEMORY_BASE + SIZE] = environment
    error = objects.vcpu.power_on(image.entry, end)
    assert not error, error
    engine = objects.vm.engine
    gic = controller_of(objects.vic)
    assert gic is not None
    engine.map_device(virt_map.GICD_BASE, virt_map.GICD_SIZE, gic.distributor)
    engine.map_device(virt_map.GICR_BASE, virt_map.GICR_SIZE, gic.redistributors)
    return objects


def _load(config: VmConfig) -> Image:
    image = load_image(config.image, "elf")
    if config.extra_images:
        raise UserError(f"a root VM must have one image; '{config.name}' has {1 + len(config.extra_images)}")
    if image.start < MEMORY_SIZE:
        image = _moved(image)
    image.check_fits(MEMORY_BASE, MEMORY_SIZE - SIZE, config.name)
    if image.segments[0].address != MEMORY_BASE:
        raise UserError(
            f"a root VM's image must be linked to 0 or to {MEMORY_BASE:#x}; it starts at {image.start:#x}",
            path=image.path,
        )
    return image


def _moved(image: Image) -> Image:
    """An image linked to 0, at the start of the root VM's memory; it relocates itself unless it is a PIE."""
    if image.is_position_independent:
        return image.relocate(MEMORY_BASE)
    segments = [
        Segment(s.address + MEMORY_BASE, s.data, s.memory_size, s.flags, s.virtual_address + MEMORY_BASE)
        for s in image.segments
    ]
    symbols = None if image.symbols is None else image.symbols.moved(MEMORY_BASE)
    return Image(image.path, image.kind, image.entry + MEMORY_BASE, segments, symbols=symbols)


def _add_physical_memory(machine: Machine) -> memoryview:
    """All of the machine's RAM and devices; the root VM's own part of it."""
    memory, partition = machine.memory, machine.hypervisor.root_partition
    for base, size in FREE_RANGES:
        ram = allocate(size)
        memory.add_ram(base, ram)
        memory.give(base, size, partition)
    memory.add_device(virt_map.PL011_BASE, virt_map.PL011_SIZE)
    own = memory.view(MEMORY_BASE, MEMORY_SIZE)
    assert own is not None
    return own


def _make_objects(machine: Machine, config: VmConfig) -> RootObjects:
    partition = machine.hypervisor.root_partition
    vm = machine.new_vm(config.name, configured=True)
    vm.cpu_model = config.cpu
    vm.command_line = config.bootargs
    cspace = CSpace(partition, config.name, max_caps=MAX_CAPS)
    vic = Vic(partition, config.name, vcpus=1, virqs=VIRQS)
    machine.gic_models[vic] = config.gic
    addrspace = Addrspace(partition, config.name, vmid=ROOT_VMID)
    machine.platform.by_addrspace[addrspace] = vm
    vcpu = Thread(partition, config.name)
    vcpu.options |= OPTION_CRITICAL
    memory, devices = MemExtent(partition, "root memory"), MemExtent(partition, "devices", device=True)
    uart = MemExtent(partition, "uart")
    vcpu.cspace = cspace
    cspace.retain()
    for error in (
        memory.configure(MEMORY_BASE, MEMORY_SIZE, attributes(ACCESS_RWX)),
        devices.configure(*DEVICE_MEMORY, attributes(ACCESS_RW, MEMTYPE_DEVICE)),
        vcpu.attach_addrspace(addrspace),
        vic.attach_vcpu(vcpu, 0),
    ):
        assert not error, error
    activate(cspace, vic, addrspace, vcpu, memory, devices)
    uart.configure_derive(devices, virt_map.PL011_BASE, PAGE_SIZE, attributes(ACCESS_RW, MEMTYPE_DEVICE))
    interrupts = {n: HwIrq(partition, n) for n in range(INTERRUPTS) if n not in OWN_INTERRUPTS}
    activate(uart, *interrupts.values())
    vm.threads = [vcpu]
    return RootObjects(vm, cspace, vcpu, addrspace, vic, memory, devices, uart, interrupts)


def _attach_uart(machine: Machine, objects: RootObjects) -> None:
    """The machine's UART: the root VM maps it where it likes, and binds its interrupt."""
    interrupt = objects.interrupts[32 + virt_map.PL011_SPI]
    vm = objects.vm
    vm.uart = uart = Pl011(vm.console.write, interrupt.set_level, vm.console.take_input)
    vm.console.on_input, vm.console.on_recall = uart.refill, uart.give_back
    machine.add_device(virt_map.PL011_BASE, virt_map.PL011_SIZE, uart)


def _map_image(machine: Machine, objects: RootObjects, image: Image) -> int:
    """Map each segment with its own rights, then all memory read-write; the end of the image, page-aligned."""
    partition = machine.hypervisor.root_partition
    end = MEMORY_BASE
    for segment in image.segments:
        start = segment.address & -PAGE_SIZE
        end = segment.end + PAGE_SIZE - 1 & -PAGE_SIZE
        access = (4 if segment.flags & 4 else 0) | (2 if segment.flags & 2 else 0) | (1 if segment.flags & 1 else 0)
        part = MemExtent(partition, f"segment {segment.address:#x}")
        error = part.configure_derive(objects.memory, start - MEMORY_BASE, end - start, attributes(access))
        assert not error, error
        activate(part)
        error = map_extent(part, objects.addrspace, start, WRITE_BACK | access << 4 | access)
        assert not error, error
    error = map_extent(objects.memory, objects.addrspace, MEMORY_BASE, WRITE_BACK | ACCESS_RW << 4 | ACCESS_RW)
    assert not error, error
    return end


def _environment(
    machine: Machine, objects: RootObjects, end: int
) -> tuple[RuntimeEnvironment, dict[str, ConfigurationValue]]:
    """The headers' fields and the CBOR map, in the recorded order."""
    insert = objects.cspace.insert
    cspace, partition = insert(objects.cspace), insert(machine.hypervisor.root_partition)
    vcpu, addrspace, vic = insert(objects.vcpu), insert(objects.addrspace), insert(objects.vic)
    interrupts = [
        insert(objects.interrupts[n]) if n in objects.interrupts else NO_CAPABILITY for n in range(INTERRUPTS)
    ]
    heap = end + SIZE
    runtime = RuntimeEnvironment(
        runtime_ipa=MEMORY_BASE,
        app_ipa=end,
        app_heap_ipa=heap,
        app_heap_size=MEMORY_BASE + MEMORY_SIZE - heap,
        vcpu_capid=vcpu,
        timer_freq=FREQUENCY,
        gicd_base=virt_map.GICD_BASE,
        gicr_base=virt_map.GICR_BASE,
    )
    return runtime, {
        "cspace_capid": cspace,
        "partition_capid": partition,
        "vcpu_capid": vcpu,
        "free_ranges": [list(one) for one in FREE_RANGES],
        "addrspace_capid": addrspace,
        "vic": vic,
        "vic_hwirq": interrupts,
        "gicd_base": virt_map.GICD_BASE,
        "gicr_stride": virt_map.GICR_SIZE,
        "gicr_ranges": [[virt_map.GICR_BASE, 8]],
        "me_ipa_base": MEMORY_BASE,
        "ipa_offset": 0,
        "me_capid": insert(objects.memory),
        "me_size": MEMORY_SIZE,
        "boot_core": 0,
        "usable_cores": 0xFF,
        "sve_supported": True,
        "hlos_vm_base": HLOS_BASE,
        "hlos_vm_size": HLOS_SIZE,
        "entry_hlos": 0x4100_0000,
        "hlos_dt_base": 0x40F0_0000,
        "hlos_ramfs_base": 0x4080_0000,
        "device_me_capid": insert(objects.device_memory),
        "device_me_base": DEVICE_MEMORY[0],
        "device_me_size": DEVICE_MEMORY[1],
        "watchdog_supported": 0,
        "uart_address": virt_map.PL011_BASE,
        "uart_me_capid": insert(objects.uart_memory),
    }
