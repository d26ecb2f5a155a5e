"""A configuration becomes a machine, with the first vCPU of each VM powered on.

VMs are made of the same objects that a root guest would make by hypercalls, in the order that works there (recorded):
VIC, threads with their attachments, VPM group, activation, power.  A guest learns of its capabilities from its device
tree alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.boot import device_tree, virt_map
from gunyah_emu.boot.image import read_file
from gunyah_emu.boot.layout import DEVICE_TREE_ROOM, arrange, memory_for
from gunyah_emu.boot.load import load_image
from gunyah_emu.devices.flash import Flash
from gunyah_emu.devices.pl011 import Pl011
from gunyah_emu.devices.pl031 import Pl031
from gunyah_emu.devices.virtio_mmio import EmptyVirtioSlots
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.memextent import ACCESS_EXECUTE, ACCESS_READ, ACCESS_RWX, MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.object import activate
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.vpm_group import VpmGroup
from gunyah_emu.machine.ram import allocate
from gunyah_emu.machine.root import build_root_vm
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gunyah_emu.boot.image import Image
    from gunyah_emu.boot.layout import Layout
    from gunyah_emu.cpu import Engine
    from gunyah_emu.machine.config import VirqConfig, VmConfig
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VirtualMachine

FIRST_PHYSICAL = 0x10_0000_0000
"""Where the RAM of the first VM is in the machine's physical memory: above all that a device or a root VM has."""

FIRST_FLASH = 0x1_0000_0000
"""Where the flash of a VM is there, by its VMID."""

FIRST_VMID = 3
"""VMIDs below are the hypervisor's, the resource manager's and its successor's (recorded: the first guest is 3)."""

SPIS, ALL_SPIS = 256, 988
"""A VM has as many SPIs as on QEMU's virt; all that there can be if something is bound to one above those."""

MAX_CAPS = 4096
NORMAL_WRITE_BACK = 0xF
TRIGGERS = {"edge": device_tree.EDGE_RISING, "level": device_tree.LEVEL_HIGH}

Resource = device_tree.Doorbell | device_tree.MessageQueue


class Parts(NamedTuple):
    """A VM while it is being built."""

    config: VmConfig
    vm: VirtualMachine
    ram: memoryview
    flash: memoryview | None
    layout: Layout
    base: int
    cspace: CSpace
    vic: Vic
    threads: list[Thread]
    resources: list[Resource]


def build(machine: Machine) -> None:
    """Build all that the machine's configuration describes.

    Errors: UserError for images that cannot be loaded or do not fit.
    """
    parts: dict[str, Parts] = {}
    physical = FIRST_PHYSICAL
    for number, config in enumerate(machine.config.vms):
        if config.kind == "root":
            machine.root = build_root_vm(machine, config)
            continue
        parts[config.name] = built = _build_vm(machine, config, FIRST_VMID + number, physical)
        physical += len(built.ram) + (1 << 30) & -(1 << 30)
    _connect_doorbells(machine, parts)
    _connect_queues(machine, parts)
    for built in parts.values():
        _start(machine, built)


def _spi_count(machine: Machine, config: VmConfig) -> int:
    bound = [doorbell.virq for doorbell in machine.config.doorbells if doorbell.receiver == config.name]
    for queue in machine.config.message_queues:
        bound += [
            virq
            for vm, virq in ((queue.sender, queue.send_virq), (queue.receiver, queue.receive_virq))
            if vm == config.name
        ]
    return SPIS if all(virq is None or virq.spi < SPIS for virq in bound) else ALL_SPIS


def _build_vm(machine: Machine, config: VmConfig, vmid: int, physical: int) -> Parts:
    images = [load_image(config.image, config.image_type, config.load_address)]
    images += [load_image(extra.file, extra.type, extra.load_address) for extra in config.extra_images]
    base, size = memory_for(images) if config.memory is None else (config.memory.base, config.memory.size)
    ram_disk = b"" if config.initrd is None else read_file(config.initrd)
    layout = arrange(images, base, size, config.name, len(ram_disk), _device_tree_room(machine))
    ram = allocate(size)
    for image in layout.images:
        image.load_into(ram, base, is_zero=True)
    if layout.ram_disk is not None:
        start = layout.ram_disk[0] - base
        ram[start : start + len(ram_disk)] = ram_disk

    vm = machine.new_vm(config.name, configured=True)
    vm.images = list(layout.images)
    vm.vcpu_slots = config.vcpus
    vm.cpu_model = config.cpu
    vm.command_line = config.bootargs
    addrspace = Addrspace(machine.hypervisor.root_partition, config.name, vmid=vmid)
    activate(addrspace)
    _add_memory(machine, addrspace, base, ram, physical, ACCESS_RWX)
    flash = None
    if layout.has_flash(base):
        flash = _add_flash(machine, addrspace, layout.images, FIRST_FLASH + vmid * virt_map.FLASH_SIZE)
    machine.platform.by_addrspace[addrspace] = vm
    partition = machine.hypervisor.root_partition
    cspace = CSpace(partition, config.name, max_caps=MAX_CAPS)
    vic = Vic(partition, config.name, vcpus=config.vcpus, virqs=_spi_count(machine, config))
    machine.gic_models[vic] = config.gic
    activate(cspace, vic)
    threads = _make_vcpus(machine, config, addrspace, cspace, vic)
    vm.threads = threads
    return Parts(config, vm, ram, flash, layout, base, cspace, vic, threads, [])


def _add_memory(
    machine: Machine, addrspace: Addrspace, ipa: int, memory: memoryview, physical: int, access: int
) -> None:
    partition = machine.hypervisor.root_partition
    machine.memory.add_ram(physical, memory)
    machine.memory.give(physical, len(memory), partition)
    extent = MemExtent(partition, addrspace.label)
    error = extent.configure(physical, len(memory), attributes(access))
    assert not error, error
    activate(extent)
    error = map_extent(extent, addrspace, ipa, NORMAL_WRITE_BACK << 16 | access << 4 | access)
    assert not error, error


def _add_flash(machine: Machine, addrspace: Addrspace, images: Sequence[Image], physical: int) -> memoryview:
    flash = allocate(virt_map.FLASH_SIZE)
    for image in images:
        image.load_into(flash, virt_map.FLASH_BASE, is_zero=True)
    _add_memory(machine, addrspace, virt_map.FLASH_BASE, flash, physical, ACCESS_READ | ACCESS_EXECUTE)
    return flash


def _attach_flash_bank(engine: Engine, base: int, array: memoryview) -> None:
    def show(is_array: bool) -> None:
        engine.unmap(base, len(array))
        engine.map_device(base, len(array), bank)
        if is_array:
            engine.map_ram(base, array, writable=False)

    bank = Flash(array, show, lambda offset, size: engine.invalidate(base + offset, size))
    engine.map_device(base, len(array), bank)


def _make_vcpus(machine: Machine, config: VmConfig, addrspace: Addrspace, cspace: CSpace, vic: Vic) -> list[Thread]:
    partition = machine.hypervisor.root_partition
    group = VpmGroup(partition, config.name)
    activate(group)
    threads = [Thread(partition, f"{config.name}/{index}") for index in range(config.vcpus)]
    for index, thread in enumerate(threads):
        thread.cspace = cspace
        cspace.retain()
        for error in (
            thread.attach_addrspace(addrspace),
            vic.attach_vcpu(thread, index),
            thread.attach_vpm_group(group, index),
        ):
            assert not error, error
    activate(*threads)
    return threads


def _virq(virq: VirqConfig | None) -> device_tree.Interrupt | None:
    return None if virq is None else device_tree.Interrupt(virq.spi, TRIGGERS[virq.trigger])


def _connect_doorbells(machine: Machine, parts: dict[str, Parts]) -> None:
    for config in machine.config.doorbells:
        doorbell = Doorbell(machine.hypervisor.root_partition, f"doorbell {config.label}")
        activate(doorbell)
        machine.add_doorbell(config.label, doorbell)
        receiver = parts[config.receiver]
        rights = Doorbell.RIGHTS
        for name in config.senders:
            sender = parts[name]
            capability = sender.cspace.insert(doorbell, rights.SEND)
            sender.resources.append(device_tree.Doorbell(capability, config.label, is_source=True))
        capability = receiver.cspace.insert(doorbell, rights.RECEIVE | rights.BIND)
        receiver.resources.append(
            device_tree.Doorbell(capability, config.label, is_source=False, interrupt=_virq(config.virq))
        )
        if config.virq is not None:
            error = doorbell.bind(receiver.vic, 32 + config.virq.spi)
            assert not error, error


def _connect_queues(machine: Machine, parts: dict[str, Parts]) -> None:
    for config in machine.config.message_queues:
        queue = MsgQueue(
            machine.hypervisor.root_partition, f"message queue {config.label}", config.depth, config.max_message_size
        )
        activate(queue)
        machine.add_message_queue(config.label, queue)
        ends = (
            (config.sender, True, MsgQueue.RIGHTS.SEND, config.send_virq, queue.send_source),
            (config.receiver, False, MsgQueue.RIGHTS.RECEIVE, config.receive_virq, queue.receive_source),
        )
        for name, is_sender, right, virq, source in ends:
            end = parts[name]
            capability = end.cspace.insert(queue, right)
            end.resources.append(
                device_tree.MessageQueue(
                    capability, config.label, is_sender, config.depth, config.max_message_size, _virq(virq)
                )
            )
            if virq is not None:
                error = source.bind(end.vic, 32 + virq.spi)
                assert not error, error


def _start(machine: Machine, parts: Parts) -> None:
    config, vm, layout = parts.config, parts.vm, parts.layout
    tree = _device_tree(machine, parts)
    start = layout.device_tree - parts.base
    parts.ram[start : start + len(tree)] = tree
    error = parts.threads[0].power_on(layout.entry, layout.device_tree)
    assert not error, error
    _attach_devices(machine, vm, parts.vic)
    if parts.flash is not None:
        for base in range(virt_map.FLASH_BASE, virt_map.FLASH_END, virt_map.FLASH_BANK_SIZE):
            _attach_flash_bank(vm.engine, base, parts.flash[base : base + virt_map.FLASH_BANK_SIZE])
    if config.script:
        vm.script = vm.console.script((step.expect, step.send) for step in config.script)


def _device_tree_room(machine: Machine) -> int:
    """Bytes that suffice for the tree of a VM that is both ends of everything."""
    connections = len(machine.config.doorbells) + len(machine.config.message_queues)
    return DEVICE_TREE_ROOM + 2 * connections * device_tree.RESOURCE_ROOM


def _device_tree(machine: Machine, parts: Parts) -> bytes:
    config = parts.config
    addrspace = parts.threads[0].addrspace
    assert addrspace is not None
    description = device_tree.Description(
        memory=((parts.base, len(parts.ram)),),
        affinities=[thread.mpidr & 0xFF_00FF_FFFF for thread in parts.threads],
        cpu="arm,armv8" if config.cpu == "max" else f"arm,{config.cpu}",
        chosen=device_tree.Chosen(bootargs=config.bootargs, initrd=parts.layout.ram_disk),
        has_flash=parts.flash is not None,
        hypervisor=device_tree.Hypervisor(addrspace.vmid, config.name, parts.resources),
    )
    room = _device_tree_room(machine)
    if config.device_tree is not None:
        from gunyah_emu.boot.given_tree import amend

        return amend(read_file(config.device_tree), description, config.device_tree, room)
    tree = device_tree.build(description)
    assert len(tree) <= room, (
        f"the device tree of VM '{config.name}' must have at most {room} bytes; it has {len(tree)}"
    )
    return tree


def _attach_devices(machine: Machine, vm: VirtualMachine, vic: Vic) -> None:
    gic = controller_of(vic)
    assert gic is not None
    engine = vm.engine
    engine.map_device(virt_map.GICD_BASE, virt_map.GICD_SIZE, gic.distributor)
    engine.map_device(virt_map.GICR_BASE, virt_map.GICR_SIZE * vic.max_vcpus, gic.redistributors)

    vm.uart = uart = Pl011(
        vm.console.write,
        lambda level: gic.set_spi_level(32 + virt_map.PL011_SPI, level),
        vm.console.take_input,
    )
    vm.console.on_input, vm.console.on_recall = uart.refill, uart.give_back
    engine.map_device(virt_map.PL011_BASE, virt_map.PL011_SIZE, uart)
    scheduler = machine.scheduler
    clock = Pl031(
        machine.clock.now,
        lambda level: gic.set_spi_level(32 + virt_map.PL031_SPI, level),
        scheduler.deadlines_changed,
    )
    scheduler.add_timer(clock, clock.deadline, clock.expire)
    engine.map_device(virt_map.PL031_BASE, virt_map.PL031_SIZE, clock)
    engine.map_device(virt_map.VIRTIO_BASE, virt_map.VIRTIO_SIZE, EmptyVirtioSlots())
