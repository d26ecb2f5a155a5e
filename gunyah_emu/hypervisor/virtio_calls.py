"""The hypercalls on virtio-mmio devices (API section "Virtual IO MMIO Management")."""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.bitfields import VirtioDeviceType, VirtioOptionFlags
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    BUSY,
    CSPACE_WRONG_OBJECT_TYPE,
    DENIED,
    NOMEM,
    OBJECT_CONFIG,
    OK,
)
from gunyah_emu.abi.rights import ACTIVATE, MemExtentRights, VicRights, VirtioMmioRights
from gunyah_emu.abi.types import U32, U64, Count, Results, Virq, VmAddr
from gunyah_emu.hypervisor.memextent import MemExtent
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.virtio_input import (
    ABS_INFO,
    AXIS_COST,
    EV_BITS,
    EVENT_TYPE_COST,
    MAX_AXES,
    MAX_EVENT_TYPES,
    VirtioInput,
)
from gunyah_emu.hypervisor.virtio_mmio import (
    FEATURE_WORDS,
    INTERRUPT_STATUS,
    STATUS,
    STATUS_NEEDS_RESET,
    VirtioMmio,
)

_VALID_DEVICE_TYPE: Final = 1 << 6

_REQUIRED_FEATURES: Final = 1 << 0 | 1 << 1
"""Of the second word: VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM."""

_FORBIDDEN_FEATURES: Final = 1 << 6
"""Of the second word: VIRTIO_F_NOTIFICATION_DATA."""

ConfigurableVirtio = Annotated[VirtioMmio, VirtioMmioRights.CONFIG]


@hypercall(0x6049, reserved=None, order=("memextent", "virtio_mmio"))
def virtio_mmio_configure(
    virtio_mmio: Annotated[VirtioMmio, ACTIVATE],
    memextent: Annotated[MemExtent, MemExtentRights.ATTACH],
    vqs_num: Count,
    flags: VirtioOptionFlags,
    device_type: VirtioDeviceType,
) -> Results:
    """Give a device its register page, before it is activated.

    Arguments:
        virtio_mmio: a device in state INIT.
        memextent: an active basic extent of one page, looked up first.
        vqs_num: how many queues, 0..16.
        flags: bit 6 valid_device_type: `device_type` counts; others are ignored.
        device_type: 18 (input): the hypervisor answers the configuration space; without one it is plain memory.

    Errors:
        ARGUMENT_INVALID: a sparse extent, another size than a page, or more than 16 queues.
        ARGUMENT_INVALID: a device type other than 18.

    Source: API "Configure a Virtual IO Interface Object"; read, not recorded.

    """
    return virtio_mmio.configure(memextent, vqs_num, device_type if flags & _VALID_DEVICE_TYPE else None)


@hypercall(0x604A)
def virtio_mmio_backend_bind_virq(
    virtio_mmio: Annotated[VirtioMmio, VirtioMmioRights.BIND_BACKEND_VIRQ],
    vic: Annotated[Vic, VicRights.BIND_SOURCE],
    virq: Virq,
) -> Results:
    """Bind the interrupt source that the back end raises to a vIRQ of the front end.

    Arguments:
        virtio_mmio: an active device.
        vic: an active VIC.
        virq: an SPI's INTID, 32..1019.

    Errors:
        VIRQ_BOUND: the source is bound already.
        ARGUMENT_INVALID: not an SPI, or beyond the VIC's number of vIRQs.
        BUSY: another source has the vIRQ.

    Source: API "Virtual IO MMIO Backend vIRQ Bind"; read, not recorded.

    """
    return virtio_mmio.backend_virq.bind(vic, virq)


@hypercall(0x604B)
def virtio_mmio_backend_unbind_virq(
    virtio_mmio: Annotated[VirtioMmio, VirtioMmioRights.BIND_BACKEND_VIRQ],
) -> Results:
    """Unbind the interrupt source that the back end raises; unbound already: OK.

    Arguments:
        virtio_mmio: an active device.

    Source: API "Virtual IO MMIO Backend vIRQ Unbind"; read, not recorded.

    """
    virtio_mmio.backend_virq.unbind()
    return OK


@hypercall(0x604C)
def virtio_mmio_frontend_bind_virq(
    virtio_mmio: Annotated[VirtioMmio, VirtioMmioRights.BIND_FRONTEND_VIRQ],
    vic: Annotated[Vic, VicRights.BIND_SOURCE],
    virq: Virq,
) -> Results:
    """Bind the interrupt source that the driver raises by its writes to a vIRQ of the back end.

    Arguments:
        virtio_mmio: an active device.
        vic: an active VIC.
        virq: an SPI's INTID, 32..1019.

    Errors:
        VIRQ_BOUND: the source is bound already.
        ARGUMENT_INVALID: not an SPI, or beyond the VIC's number of vIRQs.
        BUSY: another source has the vIRQ.

    Source: API "Virtual IO MMIO Frontend vIRQ Bind"; read, not recorded.

    """
    return virtio_mmio.frontend_virq.bind(vic, virq)


@hypercall(0x604D)
def virtio_mmio_frontend_unbind_virq(
    virtio_mmio: Annotated[VirtioMmio, VirtioMmioRights.BIND_FRONTEND_VIRQ],
) -> Results:
    """Unbind the interrupt source that the driver raises; unbound already: OK.

    Arguments:
        virtio_mmio: an active device.

    Source: API "Virtual IO MMIO Frontend vIRQ Unbind"; read, not recorded.

    """
    virtio_mmio.frontend_virq.unbind()
    return OK


@hypercall(0x604E)
def virtio_mmio_backend_assert_virq(
    virtio_mmio: Annotated[VirtioMmio, VirtioMmioRights.ASSERT_VIRQ], interrupt_status: U32
) -> Results:
    """Set bits of InterruptStatus, and raise the driver's interrupt until the driver acknowledged all bits.

    Arguments:
        virtio_mmio: an active device.
        interrupt_status: the bits: 0 used buffer, 1 configuration change.

    Errors:
        DENIED: the driver asked for a reset that is not acknowledged yet.

    Source: API "Virtual IO MMIO Backend Assert vIRQ"; read, not recorded.

    """
    if virtio_mmio.load(STATUS) & STATUS_NEEDS_RESET:
        return DENIED
    virtio_mmio.store(INTERRUPT_STATUS, virtio_mmio.load(INTERRUPT_STATUS) | interrupt_status)
    virtio_mmio.backend_virq.assert_level()
    return OK


@hypercall(0x604F)
def virtio_mmio_backend_set_dev_features(virtio_mmio: ConfigurableVirtio, sel: U32, dev_feat: U32) -> Results:
    """Set a word of the features that the device offers.

    Arguments:
        virtio_mmio: an active device.
        sel: 0: features 31:0, 1: features 63:32.
        dev_feat: the features.

    Errors:
        ARGUMENT_INVALID: another word.
        DENIED: word 1 without VERSION_1 or ACCESS_PLATFORM, or with NOTIFICATION_DATA.

    Source: API "Virtual IO MMIO Backend Set DeviceFeatures"; read, not recorded.

    """
    if sel >= FEATURE_WORDS:
        return ARGUMENT_INVALID
    if sel and (dev_feat & _REQUIRED_FEATURES != _REQUIRED_FEATURES or dev_feat & _FORBIDDEN_FEATURES):
        return DENIED
    virtio_mmio.device_features[sel] = dev_feat
    return OK


@hypercall(0x6050)
def virtio_mmio_backend_set_queue_num_max(virtio_mmio: ConfigurableVirtio, sel: U32, queue_num_max: U32) -> Results:
    """Set the largest size of a queue; the driver sees it when it selects the queue.

    Arguments:
        virtio_mmio: an active device.
        sel: the queue.
        queue_num_max: entries.

    Errors:
        ARGUMENT_INVALID: no such queue.

    Source: API "Virtual IO MMIO Backend Set QueueNumMax"; read, not recorded.

    """
    if sel >= len(virtio_mmio.queues):
        return ARGUMENT_INVALID
    virtio_mmio.queues[sel].num_max = queue_num_max
    return OK


@hypercall(0x6051)
def virtio_mmio_backend_get_drv_features(
    virtio_mmio: ConfigurableVirtio, sel: U32
) -> Annotated[Results, "drv_feat: uint32"]:
    """Get a word of the features that the driver accepted.

    Arguments:
        virtio_mmio: an active device.
        sel: 0: features 31:0, 1: features 63:32.

    Errors:
        ARGUMENT_INVALID: another word.

    Source: API "Virtual IO MMIO Backend Get DriverFeatures"; read, not recorded.

    """
    return (OK, virtio_mmio.driver_features[sel]) if sel < FEATURE_WORDS else ARGUMENT_INVALID


@hypercall(0x6052)
def virtio_mmio_backend_get_queue_info(
    virtio_mmio: ConfigurableVirtio, sel: U32
) -> Annotated[
    Results,
    "queue_num: uint32",
    "queue_ready: uint32",
    "queue_desc: uint64",
    "queue_drv: uint64",
    "queue_dev: uint64",
]:
    """Get what the driver wrote about a queue: its size, whether it is ready, and its three addresses.

    Arguments:
        virtio_mmio: an active device.
        sel: the queue.

    Errors:
        ARGUMENT_INVALID: no such queue.

    Source: API "Virtual IO MMIO Backend Get Queue Info"; read, not recorded.

    """
    if sel >= len(virtio_mmio.queues):
        return ARGUMENT_INVALID
    queue = virtio_mmio.queues[sel]
    return OK, queue.num, queue.ready, *queue.addresses()


@hypercall(0x6053)
def virtio_mmio_backend_get_notification(
    virtio_mmio: ConfigurableVirtio,
) -> Annotated[Results, "vqs_bitmap: register_t", "reason: virtio_mmio_notify_reason"]:
    """Fetch and clear what the driver did: the queues that it notified, and why it raised the interrupt.

    Arguments:
        virtio_mmio: an active device.

    The reasons: bit 0 new_buffer, 1 reset_rqst, 3 driver_ok, 4 failed.

    Source: API "Virtual IO MMIO Backend Get Notification"; read, not recorded.

    """
    notified, reason = virtio_mmio.notified, virtio_mmio.reason
    virtio_mmio.notified = virtio_mmio.reason = 0
    return OK, notified, reason


@hypercall(0x6054)
def virtio_mmio_backend_acknowledge_reset(virtio_mmio: ConfigurableVirtio) -> Results:
    """Say that a reset is done: the driver reads Status as 0.

    Arguments:
        virtio_mmio: an active device.

    Source: API "Virtual IO MMIO Backend Acknowledge Reset"; read, not recorded.

    """
    virtio_mmio.store(STATUS, 0)
    return OK


@hypercall(0x6055)
def virtio_mmio_backend_update_status(virtio_mmio: ConfigurableVirtio, val: U32) -> Results:
    """Set bits of Status.

    Arguments:
        virtio_mmio: an active device.
        val: the bits.

    Source: API "Virtual IO MMIO Backend Set Status"; read, not recorded.

    """
    virtio_mmio.store(STATUS, virtio_mmio.load(STATUS) | val)
    return OK


@hypercall(0x605E)
def virtio_input_configure(
    virtio_mmio_cap: ConfigurableVirtio, devids: U64, prop_bits: U32, num_evtypes: U32, num_absaxes: U32
) -> Results:
    """Say what an input device is, and how many event types and axes it has.

    The identifiers are stored even where the rest fails; the counts can be given once.

    Arguments:
        virtio_mmio_cap: an active input device.
        devids: the contents of virtio_input_devids, little endian.
        prop_bits: the property bits.
        num_evtypes: event types, at most 32; 0: none, or as they are.
        num_absaxes: axes, at most 64; 0: none, or as they are.

    Errors:
        OBJECT_CONFIG: not an input device.
        ARGUMENT_INVALID: too many event types or axes.
        NOMEM: no memory for the event types.
        BUSY: the event types were given before.
        NOMEM: no memory for the axes.
        BUSY: the axes were given before.

    Source: read, not recorded.

    """
    device = virtio_mmio_cap.input
    if device is None:
        return OBJECT_CONFIG
    device.configure(devids, prop_bits)
    if num_evtypes > MAX_EVENT_TYPES or num_absaxes > MAX_AXES:
        return ARGUMENT_INVALID
    error = _reserve(virtio_mmio_cap, device, EV_BITS, num_evtypes, EVENT_TYPE_COST)
    return error or _reserve(virtio_mmio_cap, device, ABS_INFO, num_absaxes, AXIS_COST)


def _reserve(owner: VirtioMmio, device: VirtioInput, select: int, count: int, cost: int) -> int:
    partition = owner.partition
    assert partition is not None
    if count and device.capacity[select]:
        return BUSY
    if not partition.has_room(count * cost):
        return NOMEM
    partition.charge(owner, count * cost)
    device.capacity[select] = device.capacity[select] or count
    return OK


@hypercall(0x605F)
def virtio_input_set_data(
    caller: Thread, virtio_mmio_cap: ConfigurableVirtio, sel: U32, subsel: U32, size: U32, data: VmAddr
) -> Results:
    """Hand over one piece of an input device's configuration.

    Arguments:
        caller: whose memory the piece is in.
        virtio_mmio_cap: an active input device.
        sel: 1 name, 2 serial, 3 identifiers, 0x10 properties, 0x11 bits of an event type, 0x12 information about an
            axis.
        subsel: the event type or axis; 0 for the others.
        size: bytes: at most 128, 128, 8, 4, 128, 20.
        data: address of the piece in the caller's address space.

    Errors:
        CSPACE_WRONG_OBJECT_TYPE: not an input device.
        ARGUMENT_INVALID: no such piece, or no room was made for event types or axes.
        NORESOURCES: that room is used up.
        ARGUMENT_SIZE: no bytes, or too many.
        ADDR_OVERFLOW: the piece ends beyond 64 bits.
        ARGUMENT_INVALID: not mapped by the caller's stage 1.
        DENIED: not readable by stage 2.
        ADDR_INVALID: not mapped by stage 2.

    Stops the hypervisor: a piece in device memory.

    Source: read, not recorded.

    """
    device = virtio_mmio_cap.input
    if device is None:
        return CSPACE_WRONG_OBJECT_TYPE
    error = device.check(sel, subsel, size)
    content = None if error else caller.read_memory(data, size)
    if content is not None:
        device.put(sel, subsel, content)
        return OK
    if not subsel:
        device.drop(sel)
    return error or caller.read_error(data, size)
