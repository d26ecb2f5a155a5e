"""Capability rights, a class per object type (API section "Object Rights").

Bit 31 is generic: the right to configure and activate an object, of every type.
"""

from __future__ import annotations

from typing import ClassVar, Final

ACTIVATE: Final = 1 << 31
"""The generic right that every configure and activate call asks for."""


class Rights:
    """The rights of one object type: integer class attributes, one bit each.

    `ALL` holds every bit of the type and ACTIVATE: what the master capability of a new object has.  `NAMES` lists
    them by bit.
    """

    ALL: ClassVar[int] = ACTIVATE
    NAMES: ClassVar[dict[int, str]] = {ACTIVATE: "activate"}

    def __init_subclass__(cls) -> None:
        bits = {bit: name.lower() for name, bit in vars(cls).items() if name.isupper() and isinstance(bit, int)}
        cls.NAMES = {**bits, ACTIVATE: "activate"}
        cls.ALL = sum(cls.NAMES)


class PartitionRights(Rights):
    """Rights on a partition."""

    OBJECT_CREATE = 1 << 0
    DONATE = 1 << 1


class CSpaceRights(Rights):
    """Rights on a capability space."""

    CAP_CREATE = 1 << 0
    CAP_DELETE = 1 << 1
    CAP_COPY = 1 << 2
    ATTACH = 1 << 3
    CAP_REVOKE = 1 << 4


class AddrSpaceRights(Rights):
    """Rights on an address space."""

    ATTACH = 1 << 0
    MAP = 1 << 1
    LOOKUP = 1 << 2
    ADD_VMMIO_RANGE = 1 << 3


class MemExtentRights(Rights):
    """Rights on a memory extent."""

    MAP = 1 << 0
    DERIVE = 1 << 1
    ATTACH = 1 << 2
    LOOKUP = 1 << 3
    DONATE = 1 << 4


class ThreadRights(Rights):
    """Rights on a thread (vCPU)."""

    POWER = 1 << 0
    AFFINITY = 1 << 1
    PRIORITY = 1 << 2
    TIMESLICE = 1 << 3
    YIELD_TO = 1 << 4
    BIND_VIRQ = 1 << 5
    STATE = 1 << 6
    LIFECYCLE = 1 << 7
    WRITE_CONTEXT = 1 << 8
    DISABLE = 1 << 9


class DoorbellRights(Rights):
    """Rights on a doorbell."""

    SEND = 1 << 0
    RECEIVE = 1 << 1
    BIND = 1 << 2


class MsgQueueRights(Rights):
    """Rights on a message queue."""

    SEND = 1 << 0
    RECEIVE = 1 << 1
    BIND_SEND = 1 << 2
    BIND_RECEIVE = 1 << 3


class VicRights(Rights):
    """Rights on a virtual interrupt controller."""

    BIND_SOURCE = 1 << 0
    ATTACH_VCPU = 1 << 1
    ATTACH_VDEVICE = 1 << 2


class HwIrqRights(Rights):
    """Rights on a forwarded physical interrupt."""

    BIND_VIC = 1 << 1


class VpmGroupRights(Rights):
    """Rights on a virtual power management group."""

    ATTACH_VCPU = 1 << 0
    BIND_VIRQ = 1 << 1
    QUERY = 1 << 2


class VirtioMmioRights(Rights):
    """Rights on a virtio-mmio device."""

    BIND_BACKEND_VIRQ = 1 << 0
    BIND_FRONTEND_VIRQ = 1 << 1
    ASSERT_VIRQ = 1 << 2
    CONFIG = 1 << 3


class WatchdogRights(Rights):
    """Rights on a watchdog."""

    ATTACH = 1 << 0
    BIND = 1 << 1
    MANAGE = 1 << 2
