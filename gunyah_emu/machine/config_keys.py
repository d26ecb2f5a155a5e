"""Every key of a machine file, declared once: its kind, default and purpose, and the class that holds what was read."""

from __future__ import annotations

from typing import Literal

from gunyah_emu.boot import virt_map
from gunyah_emu.boot.layout import DEFAULT_MEMORY, MEMORY_LIMIT
from gunyah_emu.machine.chooser import LONGEST, QUANTUM
from gunyah_emu.machine.config_schema import (
    Address,
    Amount,
    ArrayOf,
    Choice,
    File,
    Integer,
    Key,
    Name,
    Section,
    Table,
    Text,
)
from gunyah_emu.machine.expect_keys import EXPECT, ExpectConfig
from gunyah_emu.machine.fault_keys import FAULT, MAX_FAULTS, FaultConfig

PAGE = 4096
SMALLEST_MEMORY = 256 << 10
ADDRESS_LIMIT = 1 << 39  # what the stage-2 tables translate
LAST_SPI = 987  # INTID 1019
MAX_VMS = 32
MAX_CONNECTIONS = 512
"""Of either kind: a VM that is both ends of all of them still has room in its table of 4096 capabilities."""

LABEL = Integer(0, (1 << 32) - 1)


class VirqConfig(Section):
    """A virtual interrupt: the SPI (INTID - 32), and "edge" or "level"."""

    spi: int
    trigger: Literal["edge", "level"]


class MemoryConfig(Section):
    """A VM's memory: guest physical address and bytes."""

    base: int
    size: int


class ExtraImageConfig(Section):
    """A further image that is put into a VM's memory: path, type, and address of a raw one."""

    file: str
    type: Literal["auto", "elf", "linux", "raw"]
    load_address: int | None


class ScriptStepConfig(Section):
    """A step of a dialogue: what to wait for on the console, and what to type then."""

    expect: str
    send: str


class VmConfig(Section):
    """One virtual machine; paths are from the current folder."""

    name: str
    kind: Literal["guest", "root"]
    image: str
    image_type: Literal["auto", "elf", "linux", "raw", "flash"]
    load_address: int | None
    extra_images: tuple[ExtraImageConfig, ...]
    memory: MemoryConfig | None
    vcpus: int
    cpu: Literal["cortex-a53", "cortex-a57", "cortex-a72", "max"]
    gic: Literal["architectural", "gunyah"]
    bootargs: str
    initrd: str | None
    device_tree: str | None
    script: tuple[ScriptStepConfig, ...]


class DoorbellConfig(Section):
    """A doorbell between VMs, which are named."""

    label: int
    senders: tuple[str, ...]
    receiver: str
    virq: VirqConfig | None


class MessageQueueConfig(Section):
    """A message queue between two VMs, which are named."""

    label: int
    sender: str
    receiver: str
    depth: int
    max_message_size: int
    send_virq: VirqConfig | None
    receive_virq: VirqConfig | None


class MachineSection(Section):
    """The `[machine]` table: what concerns all VMs."""

    seed: int
    quantum: int
    way: Literal["auto", "fast", "portable"]
    capability_ids: Literal["sequential", "random"]
    on_fatal: Literal["stop", "error"]


class Document(Section):
    """A whole machine file."""

    machine: MachineSection
    vm: tuple[VmConfig, ...]
    doorbell: tuple[DoorbellConfig, ...]
    message_queue: tuple[MessageQueueConfig, ...]
    fault: tuple[FaultConfig, ...]
    expect: ExpectConfig | None


VIRQ = Table(
    "{ spi, trigger }",
    VirqConfig,
    "A virtual interrupt of the VM that it goes to. Each SPI of a VM serves one source only; "
    f"SPI {virt_map.PL011_SPI} is the UART's and SPI {virt_map.PL031_SPI} the real-time clock's.",
    Key("spi", Integer(0, LAST_SPI), "The SPI, INTID - 32."),
    Key("trigger", Choice("edge", "level"), "How the guest configures it in its GIC.", default="edge"),
)

MEMORY = Table(
    "{ base, size }",
    MemoryConfig,
    f"The memory of a VM. It must not overlap the devices, {virt_map.DEVICES_BASE:#x}..{virt_map.DEVICES_END - 1:#x}.",
    Key(
        "base",
        Address(ADDRESS_LIMIT - PAGE, multiple_of=PAGE),
        "Guest physical address.",
        default=virt_map.RAM_BASE,
        default_text=f"`{virt_map.RAM_BASE:#x}`",
    ),
    Key(
        "size",
        Amount(SMALLEST_MEMORY, MEMORY_LIMIT, multiple_of=PAGE),
        "Bytes.",
        default=DEFAULT_MEMORY,
        default_text='`"128MiB"`',
    ),
)

IMAGE_TYPES = ("auto", "elf", "linux", "raw")
IMAGE_TYPE, VM_IMAGE_TYPE = Choice(*IMAGE_TYPES), Choice(*IMAGE_TYPES, "flash")

EXTRA_IMAGE = Table(
    "{ file, type, load_address }",
    ExtraImageConfig,
    "A further image that is put into a VM's memory before it starts. Images of one VM must not overlap.",
    Key("file", File(), "The image."),
    Key("type", IMAGE_TYPE, "As `image_type`.", default="auto"),
    Key("load_address", Address(ADDRESS_LIMIT - 1, multiple_of=1), "Where a raw image goes.", default=None),
)

SCRIPT_STEP = Table(
    "[[vm.script]]",
    ScriptStepConfig,
    "A step of a dialogue with the VM, on its console. Steps follow one another: a text is looked for behind the one "
    "before it.",
    Key("expect", Text(), "What to wait for; an empty text is there at once.", default=""),
    Key("send", Text(), "What to type then.", default=""),
)

VM = Table(
    "[[vm]]",
    VmConfig,
    "A virtual machine. The order is the order of start.",
    Key("name", Name(), "Names the VM in this file, on the command line and in front of its console's lines."),
    Key(
        "kind",
        Choice("guest", "root"),
        "`root`: started as the hypervisor starts its root VM, with capabilities to everything; at most one. Its "
        "memory and what is in it are the hypervisor's to decide.",
        default="guest",
    ),
    Key("image", File(), "What it runs. Relative to this file's folder, like every path here."),
    Key(
        "image_type",
        VM_IMAGE_TYPE,
        "`auto` tells an ELF from a Linux Image (also gzipped) by its first bytes; `raw` has no header; `flash` is "
        "what the flash at address 0 holds: the VM starts there, the device tree is at the start of memory.",
        default="auto",
    ),
    Key(
        "load_address",
        Address(ADDRESS_LIMIT - 1, multiple_of=1),
        "Where a raw image, or a position-independent ELF, goes.",
        default=None,
        default_text="raw: 512 KiB above the start of memory; ELF: where it was linked, or 2 MiB above the start",
    ),
    Key(
        "extra_images",
        ArrayOf(EXTRA_IMAGE, "tables { file, type, load_address }", 0, 64),
        "Further images for its memory.",
        default=(),
    ),
    Key(
        "memory",
        MEMORY,
        "Its memory.",
        default=None,
        default_text=f'`{{ base = {virt_map.RAM_BASE:#x}, size = "128MiB" }}`, or what holds the images',
    ),
    Key("vcpus", Integer(1, 8), "How many virtual CPUs. The first starts; the others wait for PSCI CPU_ON.", default=1),
    Key(
        "cpu",
        Choice("cortex-a53", "cortex-a57", "cortex-a72", "max"),
        "The CPU model; `max` adds LSE, PAN, BTI and more.",
        default="cortex-a72",
    ),
    Key(
        "gic",
        Choice("architectural", "gunyah"),
        "Which GIC: as the architecture says, or with every quirk that was recorded on Gunyah's.",
        default=None,
        default_text='`"gunyah"` for a root VM, else `"architectural"`',
    ),
    Key("bootargs", Text(), "The kernel's command line; semihosting's too.", default=""),
    Key("initrd", File(), "An initial RAM disk; the device tree says where it is.", default=None),
    Key(
        "device_tree",
        File(),
        "A flattened device tree to be given to the guest instead of the generated one; memory, command line, RAM disk "
        "and the `hypervisor` node are made this machine's.",
        default=None,
        default_text="generated",
    ),
    Key(
        "script",
        ArrayOf(SCRIPT_STEP, "tables { expect, send }", 0, 10_000),
        "Who sits at its console.",
        default=(),
    ),
)

DOORBELL = Table(
    "[[doorbell]]",
    DoorbellConfig,
    "A doorbell. Senders and receiver find their capability ids under its label, in the `hypervisor` node of their "
    "device trees.",
    Key("label", LABEL, "Tells it from the other doorbells."),
    Key(
        "senders",
        ArrayOf(Name(), "names of VMs", 1, MAX_VMS),
        "The VMs that may ring it.",
    ),
    Key("receiver", Name(), "The VM that it rings."),
    Key("virq", VIRQ, "The interrupt that the receiver takes.", default=None, default_text="none is bound"),
)

MESSAGE_QUEUE = Table(
    "[[message_queue]]",
    MessageQueueConfig,
    "A message queue. Both ends find their capability ids under its label, like a doorbell's.",
    Key("label", LABEL, "Tells it from the other message queues."),
    Key("sender", Name(), "The VM that may send."),
    Key("receiver", Name(), "The VM that may receive."),
    Key("depth", Integer(1, 255), "How many messages it holds.", default=8),
    Key("max_message_size", Integer(1, 1023), "The longest message, in bytes.", default=240),
    Key(
        "send_virq",
        VIRQ,
        "The interrupt of the sender: there is room again.",
        default=None,
        default_text="none is bound",
    ),
    Key(
        "receive_virq",
        VIRQ,
        "The interrupt of the receiver: there is a message.",
        default=None,
        default_text="none is bound",
    ),
)

MACHINE = Table(
    "[machine]",
    MachineSection,
    "What concerns the machine as a whole; all of it may be left out.",
    Key(
        "seed",
        Integer(0, (1 << 64) - 1),
        "All that is random depends on it alone: same file, same seed, same run to the instruction.",
        default=0,
    ),
    Key(
        "quantum",
        Integer(1, LONGEST),
        "Instructions that a vCPU runs before another that is ready gets its turn. What a guest does must not hang on "
        "it: a small one finds races.",
        default=QUANTUM,
    ),
    Key(
        "way",
        Choice("auto", "fast", "portable"),
        "How Unicorn is driven; both ways give the same run, `portable` more slowly.",
        default="auto",
    ),
    Key(
        "capability_ids",
        Choice("sequential", "random"),
        "Small numbers in order of creation, or 64-bit ones by the seed as in production.",
        default="sequential",
    ),
    Key(
        "on_fatal",
        Choice("stop", "error"),
        "What a hypercall that would bring the real hypervisor down does: end the run, or return an error.",
        default="stop",
    ),
)

DOCUMENT = Table(
    "a machine file",
    Document,
    "",
    Key("machine", MACHINE, ""),
    Key("vm", ArrayOf(VM, "tables [[vm]]", 1, MAX_VMS), ""),
    Key("doorbell", ArrayOf(DOORBELL, "tables [[doorbell]]", 0, MAX_CONNECTIONS), "", default=()),
    Key(
        "message_queue",
        ArrayOf(MESSAGE_QUEUE, "tables [[message_queue]]", 0, MAX_CONNECTIONS),
        "",
        default=(),
    ),
    Key("fault", ArrayOf(FAULT, "tables [[fault]]", 0, MAX_FAULTS), "", default=()),
    Key("expect", EXPECT, "", default=None),
)
