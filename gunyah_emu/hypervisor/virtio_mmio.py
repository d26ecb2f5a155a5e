"""virtio-mmio devices between two VMs (API section "Virtual IO MMIO Management"; registers: virtio 1.1, 4.2.2).

The register page is a memory extent that both sides have mapped.  The back end, which implements the device, fills it
in itself; the front end, which has the driver, has it read-only: reads are plain memory, and its writes come here
(`VirtioMmio.write`).  What the driver writes is kept in banks per queue and per feature word, where the back end
fetches it by hypercalls.

Two interrupt sources: the "backend" source is what the back end raises (for the driver), the "frontend" source what
the driver raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.bitfields import VIRTIO_DEVICE_TYPE
from gunyah_emu.abi.errors import ARGUMENT_INVALID, BUSY, NOMEM, OBJECT_CONFIG, OK
from gunyah_emu.abi.rights import VirtioMmioRights
from gunyah_emu.hypervisor.memory import PAGE_SIZE
from gunyah_emu.hypervisor.object import HypervisorObject
from gunyah_emu.hypervisor.virq import VirqSource
from gunyah_emu.hypervisor.virtio_input import VirtioInput

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.memextent import MemExtent
    from gunyah_emu.hypervisor.partition import Partition

MAX_QUEUES: Final = 16
FEATURE_WORDS: Final = 2

DEVICE_TYPE_NONE: Final = VIRTIO_DEVICE_TYPE.values["INVALID"]
DEVICE_TYPE_INPUT: Final = VIRTIO_DEVICE_TYPE.values["INPUT"]

REASON_NEW_BUFFER: Final = 1 << 0
REASON_RESET_REQUEST: Final = 1 << 1
REASON_DRIVER_OK: Final = 1 << 3
REASON_FAILED: Final = 1 << 4

STATUS_DRIVER_OK: Final = 1 << 2
STATUS_NEEDS_RESET: Final = 1 << 6
STATUS_FAILED: Final = 1 << 7

DEVICE_FEATURES: Final = 0x010
DEVICE_FEATURES_SEL: Final = 0x014
DRIVER_FEATURES: Final = 0x020
DRIVER_FEATURES_SEL: Final = 0x024
QUEUE_SEL: Final = 0x030
QUEUE_NUM_MAX: Final = 0x034
QUEUE_NUM: Final = 0x038
QUEUE_READY: Final = 0x044
QUEUE_NOTIFY: Final = 0x050
INTERRUPT_STATUS: Final = 0x060
INTERRUPT_ACK: Final = 0x064
STATUS: Final = 0x070
CONFIG: Final = 0x100

_QUEUE_FIELDS: Final = {
    QUEUE_NUM: "num",
    0x080: "desc_low",
    0x084: "desc_high",
    0x090: "drv_low",
    0x094: "drv_high",
    0x0A0: "dev_low",
    0x0A4: "dev_high",
}
_QUEUE_COST: Final = 36
_U32: Final = 0xFFFF_FFFF


class Queue:
    """What the driver wrote about one queue, and the limit that the back end set."""

    __slots__ = ("desc_high", "desc_low", "dev_high", "dev_low", "drv_high", "drv_low", "num", "num_max", "ready")

    def __init__(self) -> None:
        self.num_max = self.num = self.ready = 0
        self.desc_low = self.desc_high = 0
        self.drv_low = self.drv_high = 0
        self.dev_low = self.dev_high = 0

    def addresses(self) -> tuple[int, int, int]:
        """The guest addresses of descriptor area, driver area and device area."""
        return (
            self.desc_high << 32 | self.desc_low,
            self.drv_high << 32 | self.drv_low,
            self.dev_high << 32 | self.dev_low,
        )


class VirtioMmio(HypervisorObject):
    """A virtio-mmio device.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.

    """

    __slots__ = (
        "backend_virq",
        "device_features",
        "device_type",
        "driver_features",
        "driver_features_sel",
        "extent",
        "frontend_virq",
        "input",
        "notified",
        "page",
        "queue_count",
        "queue_sel",
        "queues",
        "reason",
    )

    RIGHTS = VirtioMmioRights
    COST = 1024

    def __init__(self, partition: Partition, label: str = "") -> None:
        super().__init__(partition, label)
        self.extent: MemExtent | None = None
        self.queue_count = 0
        self.device_type = DEVICE_TYPE_NONE
        self.page = memoryview(b"")
        self.queues: list[Queue] = []
        self.queue_sel = 0
        self.device_features = [0] * FEATURE_WORDS
        self.driver_features = [0] * FEATURE_WORDS
        self.driver_features_sel = 0
        #: which queues the driver notified since the back end asked
        self.notified = 0
        self.reason = 0
        self.input: VirtioInput | None = None
        self.backend_virq = VirqSource(self, "backend", lambda: self.load(INTERRUPT_STATUS) != 0)
        self.frontend_virq = VirqSource(self, "frontend", lambda: self.reason != 0)

    @classmethod
    def type_name(cls) -> str:
        """As the API writes it."""
        return "virtio_mmio"

    # Life

    def configure(self, extent: MemExtent, queues: int, device_type: int | None) -> int:
        """Give a device in state INIT its page.

        Arguments:
            extent: a basic extent of one page.
            queues: how many, at most 16.
            device_type: `None`: one whose configuration space is plain memory.

        Errors: ARGUMENT_INVALID: any of them is not so, or a device type that the hypervisor does not know.

        """
        if extent.sparse or extent.size != PAGE_SIZE or queues > MAX_QUEUES:
            return ARGUMENT_INVALID
        if device_type not in (None, DEVICE_TYPE_INPUT):
            return ARGUMENT_INVALID
        self.device_type = DEVICE_TYPE_NONE if device_type is None else device_type
        extent.retain()
        if self.extent is not None:
            self.extent.release()
        self.extent, self.queue_count = extent, queues
        return OK

    def on_activate(self) -> int:
        """Take the page.

        Errors in order: OBJECT_CONFIG: never configured.  BUSY: the page is another device's.  NOMEM.  Others of
        `MemExtent.attach`.
        """
        extent, partition = self.extent, self.partition
        assert partition is not None
        if extent is None:
            return OBJECT_CONFIG
        if extent.vdevice is not None:
            return BUSY
        cost = self.queue_count * _QUEUE_COST + (VirtioInput.COST if self.device_type == DEVICE_TYPE_INPUT else 0)
        if not partition.has_room(cost):
            return NOMEM
        error = extent.attach(PAGE_SIZE)
        if error:
            return error
        partition.charge(self, cost)
        extent.vdevice = self
        # A page that is no RAM has no meaning as a register page; nobody sees what is written to it.
        self.page = extent.memory.view(extent.base, PAGE_SIZE) or memoryview(bytearray(PAGE_SIZE))
        self.queues = [Queue() for _ in range(self.queue_count)]
        if self.device_type == DEVICE_TYPE_INPUT:
            self.input = VirtioInput(self.page[CONFIG:])
        return OK

    def on_deactivate(self) -> None:
        """Leave the page and the interrupt sources."""
        self.backend_virq.unbind()
        self.frontend_virq.unbind()
        assert self.extent is not None
        self.extent.vdevice = None
        self.extent.detach()
        self.page = memoryview(b"")

    def on_destroy(self) -> None:
        """Let go of the extent."""
        if self.extent is not None:
            self.extent.release()
            self.extent = None

    # The page

    def load(self, offset: int) -> int:
        """A register as the page has it."""
        return int.from_bytes(self.page[offset : offset + 4], "little")

    def store(self, offset: int, value: int) -> None:
        """Let the front end read a value."""
        self.page[offset : offset + 4] = (value & _U32).to_bytes(4, "little")

    # What the front end does

    def read(self, offset: int, size: int) -> int | None:
        """The front end's reads are plain memory."""
        return int.from_bytes(self.page[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> bool:
        """A write by the front end; `False`: an external abort.

        Words everywhere, aligned; bytes only in the configuration space.
        """
        if offset % size or not (size == 4 or (size == 1 and offset >= CONFIG)):
            return False
        handler = _WRITERS.get(offset)
        if handler is not None:
            return handler(self, value & _U32)
        field = _QUEUE_FIELDS.get(offset)
        if field is not None:
            if self.queue_sel < len(self.queues):
                setattr(self.queues[self.queue_sel], field, value & _U32)
            return True
        return self._write_config(offset - CONFIG, size, value)

    def _write_config(self, offset: int, size: int, value: int) -> bool:
        if offset < 0:
            return False
        if self.input is not None:
            return self.input.write(offset, size, value)
        self.page[CONFIG + offset : CONFIG + offset + size] = (value & _U32).to_bytes(4, "little")[:size]
        return True

    def _select_device_features(self, value: int) -> bool:
        if value >= FEATURE_WORDS:
            return False
        self.store(DEVICE_FEATURES, self.device_features[value])
        return True

    def _write_driver_features(self, value: int) -> bool:
        self.driver_features[self.driver_features_sel] = value
        return True

    def _select_driver_features(self, value: int) -> bool:
        if value >= FEATURE_WORDS:
            return False
        self.driver_features_sel = value
        return True

    def _select_queue(self, value: int) -> bool:
        if value >= len(self.queues):
            return False
        self.queue_sel = value
        self.store(QUEUE_NUM_MAX, self.queues[value].num_max)
        self.store(QUEUE_READY, self.queues[value].ready)
        return True

    def _write_queue_ready(self, value: int) -> bool:
        self.store(QUEUE_READY, value)
        if self.queue_sel < len(self.queues):
            self.queues[self.queue_sel].ready = value
        return True

    def _notify_queue(self, value: int) -> bool:
        self.notified |= 1 << (value & 63)
        self._tell_backend(REASON_NEW_BUFFER)
        return True

    def _acknowledge_interrupt(self, value: int) -> bool:
        self.store(INTERRUPT_STATUS, self.load(INTERRUPT_STATUS) & ~value)
        return True

    def _write_status(self, value: int) -> bool:
        old = self.load(STATUS)
        if value:
            self.store(STATUS, value)
            risen = value & ~old
            if risen & STATUS_DRIVER_OK:
                self._tell_backend(REASON_DRIVER_OK)
            elif risen & STATUS_FAILED:
                self._tell_backend(REASON_FAILED)
        elif old:
            # The status becomes 0 when the back end acknowledges the reset, not before.
            self.store(STATUS, old | STATUS_NEEDS_RESET)
            for queue in self.queues:
                queue.ready = 0
            self.store(QUEUE_READY, 0)
            self._tell_backend(REASON_RESET_REQUEST)
        return True

    def _tell_backend(self, reason: int) -> None:
        self.reason |= reason
        self.frontend_virq.assert_level()


_WRITERS: Final = {
    DEVICE_FEATURES_SEL: VirtioMmio._select_device_features,  # noqa: SLF001 - the class's own table
    DRIVER_FEATURES: VirtioMmio._write_driver_features,  # noqa: SLF001
    DRIVER_FEATURES_SEL: VirtioMmio._select_driver_features,  # noqa: SLF001
    QUEUE_SEL: VirtioMmio._select_queue,  # noqa: SLF001
    QUEUE_READY: VirtioMmio._write_queue_ready,  # noqa: SLF001
    QUEUE_NOTIFY: VirtioMmio._notify_queue,  # noqa: SLF001
    INTERRUPT_ACK: VirtioMmio._acknowledge_interrupt,  # noqa: SLF001
    STATUS: VirtioMmio._write_status,  # noqa: SLF001
}
