"""The device tree of a VM: what a guest at EL1 reads to find its memory, its devices and its capabilities.

The tree is QEMU's `virt` with what is modelled here, and the `hypervisor` node as Gunyah's resource manager writes it.
`flat_tree` writes the bytes; the same description gives the same bytes.  What is described is plain data, so that this
room knows neither the machine nor its configuration.

Source: Devicetree Specification 0.4; Linux Documentation/devicetree/bindings (arm,gic-v3, arm,pl011, arm,psci-1.0,
arm,armv8-timer); the `hypervisor` node as recorded from the resource manager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.boot import virt_map
from gunyah_emu.boot.flat_tree import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

SPI, PPI = 0, 1
EDGE_RISING, LEVEL_HIGH = 1, 4
PHANDLE_GIC, PHANDLE_CLOCK, PHANDLE_CPUS = 1, 2, 16

CAPABILITY = "qcom,gunyah-capability"
MESSAGE_QUEUE = "qcom,gunyah-message-queue"


RESOURCE_ROOM = 384
"""No node of a capability takes more bytes, its properties' names included."""


class Interrupt(NamedTuple):
    """An SPI: its number (INTID - 32) and its trigger, EDGE_RISING or LEVEL_HIGH."""

    spi: int
    trigger: int


class Doorbell(NamedTuple):
    """One end of a doorbell: the source that rings it, or the receiver with its vIRQ."""

    capability: int
    label: int
    is_source: bool
    interrupt: Interrupt | None = None


class MessageQueue(NamedTuple):
    """One end of a message queue."""

    capability: int
    label: int
    is_sender: bool
    depth: int
    message_size: int
    interrupt: Interrupt | None = None


class Hypervisor(NamedTuple):
    """What the `hypervisor` node says.

    Attributes:
        vmid: the VM's number.
        image_name: the VM's name.
        resources: ends of doorbells and message queues, in the order in which they appear.
    """

    vmid: int
    image_name: str
    resources: Sequence[Doorbell | MessageQueue] = ()


class Chosen(NamedTuple):
    """What the `chosen` node says.

    Attributes:
        bootargs: the kernel's command line.
        initrd: guest physical addresses of its first byte and of the one after its last.
        kaslr_seed: 64 bits with which Linux places its kernel; None: it stays where it was loaded.
        rng_seed: bytes for Linux's random number generator.
    """

    bootargs: str = ""
    initrd: tuple[int, int] | None = None
    kaslr_seed: int | None = None
    rng_seed: bytes = b""


class Description(NamedTuple):
    """A VM, as its device tree describes it.

    Attributes:
        memory: (base, bytes) of each region.
        affinities: MPIDR affinity of each vCPU, Aff3 in bits 39:32.
        cpu: compatible string of the vCPUs.
        psci_method: "hvc" or "smc".
        has_uart: a PL011, which is then the console.
        has_rtc: a PL031.
        has_flash: the two banks of NOR flash.
        chosen: command line and initrd.
        hypervisor: None for a VM without Gunyah's node.
    """

    memory: Sequence[tuple[int, int]]
    affinities: Sequence[int] = (0,)
    cpu: str = "arm,cortex-a72"
    psci_method: str = "hvc"
    has_uart: bool = True
    has_rtc: bool = True
    has_flash: bool = False
    chosen: Chosen = Chosen()
    hypervisor: Hypervisor | None = None


def build(description: Description) -> bytes:
    """The flattened device tree of a VM; its length is a multiple of 8."""
    tree = Writer()
    tree.begin("")
    tree.strings("compatible", "linux,dummy-virt")
    tree.strings("model", "linux,dummy-virt")
    tree.cells("#address-cells", 2)
    tree.cells("#size-cells", 2)
    tree.cells("interrupt-parent", PHANDLE_GIC)
    write_chosen(tree, description)
    write_memory(tree, description)
    write_cpus(tree, description)
    write_timer(tree)
    write_gic(tree)
    write_devices(tree, description)
    if description.has_flash:
        write_flash(tree)
    if description.hypervisor is not None:
        write_hypervisor(tree, description.hypervisor)
    tree.end()
    return tree.finish()


def write_chosen(tree: Writer, description: Description) -> None:
    """/chosen: what the boot loader tells the kernel."""
    chosen = description.chosen
    tree.begin("chosen")
    if chosen.bootargs:
        tree.strings("bootargs", chosen.bootargs)
    if description.has_uart:
        tree.strings("stdout-path", f"/pl011@{virt_map.PL011_BASE:x}")
    if chosen.initrd is not None:
        tree.cells64("linux,initrd-start", chosen.initrd[0])
        tree.cells64("linux,initrd-end", chosen.initrd[1])
    if chosen.kaslr_seed is not None:
        tree.cells64("kaslr-seed", chosen.kaslr_seed)
    if chosen.rng_seed:
        tree.property("rng-seed", chosen.rng_seed)
    tree.end()


def write_memory(tree: Writer, description: Description) -> None:
    """A /memory node for each region."""
    for base, size in description.memory:
        tree.begin(f"memory@{base:x}")
        tree.strings("device_type", "memory")
        tree.cells64("reg", base, size)
        tree.end()


def write_cpus(tree: Writer, description: Description) -> None:
    """/cpus and /psci, which turns them on."""
    # One cell holds Aff2..Aff0; a second is needed only where some vCPU has an Aff3.
    wide = any(affinity >> 32 for affinity in description.affinities)
    tree.begin("cpus")
    tree.cells("#address-cells", 2 if wide else 1)
    tree.cells("#size-cells", 0)
    for index, affinity in enumerate(description.affinities):
        tree.begin(f"cpu@{affinity:x}")
        tree.strings("device_type", "cpu")
        tree.strings("compatible", description.cpu)
        (tree.cells64 if wide else tree.cells)("reg", affinity)
        tree.strings("enable-method", "psci")
        tree.cells("phandle", PHANDLE_CPUS + index)
        tree.end()
    tree.end()
    tree.begin("psci")
    tree.strings("compatible", "arm,psci-1.0", "arm,psci-0.2", "arm,psci")
    tree.strings("method", description.psci_method)
    tree.cells("cpu_suspend", 0xC400_0001)
    tree.cells("cpu_off", 0x8400_0002)
    tree.cells("cpu_on", 0xC400_0003)
    tree.end()


def write_timer(tree: Writer) -> None:
    """/timer: the generic timer's private interrupts, level high."""
    tree.begin("timer")
    tree.strings("compatible", "arm,armv8-timer", "arm,armv7-timer")
    tree.cells("interrupts", *(cell for ppi in virt_map.TIMER_PPIS for cell in (PPI, ppi, LEVEL_HIGH)))
    tree.property("always-on", b"")
    tree.end()


def write_gic(tree: Writer) -> None:
    """/intc: the GICv3."""
    tree.begin(f"intc@{virt_map.GICD_BASE:x}")
    tree.strings("compatible", "arm,gic-v3")
    tree.cells("#interrupt-cells", 3)
    tree.property("interrupt-controller", b"")
    tree.cells("#address-cells", 2)
    tree.cells("#size-cells", 2)
    tree.property("ranges", b"")
    tree.cells("#redistributor-regions", 1)
    tree.cells64("reg", virt_map.GICD_BASE, virt_map.GICD_SIZE, virt_map.GICR_BASE, virt_map.GICR_REGION_SIZE)
    tree.cells("phandle", PHANDLE_GIC)
    tree.end()


def write_devices(tree: Writer, description: Description) -> None:
    """The PrimeCells, and the clock that their drivers insist on."""
    tree.begin("apb-pclk")
    tree.strings("compatible", "fixed-clock")
    tree.cells("#clock-cells", 0)
    tree.cells("clock-frequency", virt_map.APB_CLOCK_HZ)
    tree.strings("clock-output-names", "clk24mhz")
    tree.cells("phandle", PHANDLE_CLOCK)
    tree.end()
    if description.has_uart:
        tree.begin(f"pl011@{virt_map.PL011_BASE:x}")
        tree.strings("compatible", "arm,pl011", "arm,primecell")
        tree.cells64("reg", virt_map.PL011_BASE, virt_map.PL011_SIZE)
        tree.cells("interrupts", SPI, virt_map.PL011_SPI, LEVEL_HIGH)
        tree.cells("clocks", PHANDLE_CLOCK, PHANDLE_CLOCK)
        tree.strings("clock-names", "uartclk", "apb_pclk")
        tree.end()
    if description.has_rtc:
        tree.begin(f"pl031@{virt_map.PL031_BASE:x}")
        tree.strings("compatible", "arm,pl031", "arm,primecell")
        tree.cells64("reg", virt_map.PL031_BASE, virt_map.PL031_SIZE)
        tree.cells("interrupts", SPI, virt_map.PL031_SPI, LEVEL_HIGH)
        tree.cells("clocks", PHANDLE_CLOCK)
        tree.strings("clock-names", "apb_pclk")
        tree.end()


def write_flash(tree: Writer) -> None:
    """/flash: two banks, each of two 16-bit chips side by side."""
    tree.begin(f"flash@{virt_map.FLASH_BASE:x}")
    tree.strings("compatible", "cfi-flash")
    banks = range(virt_map.FLASH_BASE, virt_map.FLASH_END, virt_map.FLASH_BANK_SIZE)
    tree.cells64("reg", *(number for base in banks for number in (base, virt_map.FLASH_BANK_SIZE)))
    tree.cells("bank-width", 4)
    tree.end()


def write_hypervisor(tree: Writer, hypervisor: Hypervisor) -> None:
    """/hypervisor: what a guest may ask Gunyah for, and by which capability ids."""
    tree.begin("hypervisor")
    tree.strings(
        "compatible", "gunyah-hypervisor", "qcom,gunyah-hypervisor-1.0", "qcom,gunyah-hypervisor", "simple-bus"
    )
    tree.cells("#address-cells", 2)
    tree.cells("#size-cells", 0)
    tree.begin("qcom,gunyah-vm")
    tree.strings("compatible", "qcom,gunyah-vm-id-1.0", "qcom,gunyah-vm-id")
    tree.strings("qcom,vendor", "Qualcomm")
    tree.cells("qcom,vmid", hypervisor.vmid)
    tree.strings("qcom,image-name", hypervisor.image_name)
    tree.end()
    for resource in hypervisor.resources:
        if isinstance(resource, Doorbell):
            name = "doorbell-source" if resource.is_source else "doorbell"
            begin_resource(tree, name, resource, (f"qcom,gunyah-{name}", CAPABILITY))
        else:
            end = "tx" if resource.is_sender else "rx"
            name = f"message-queue-{end}"
            begin_resource(tree, name, resource, (f"{MESSAGE_QUEUE}-{end}", MESSAGE_QUEUE, CAPABILITY))
            tree.cells(f"qcom,{end}-queue-depth", resource.depth)
            tree.cells(f"qcom,{end}-message-size", resource.message_size)
        if resource.interrupt is not None:
            tree.cells("interrupts", SPI, *resource.interrupt)
        tree.end()
    tree.end()


def begin_resource(tree: Writer, name: str, resource: Doorbell | MessageQueue, compatible: tuple[str, ...]) -> None:
    """Opens the node of one capability with what all such nodes have."""
    tree.begin(f"{name}@{resource.capability:x}")
    tree.strings("compatible", *compatible)
    tree.cells64("reg", resource.capability)
    tree.cells("qcom,label", resource.label)
