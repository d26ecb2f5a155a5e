"""Virtual devices: registers that the hypervisor emulates in a guest's physical address space.

A device is attached either to a range of IPAs that stage 2 leaves unmapped (a VIC's distributor and redistributors),
or to a memory extent: its page is then mapped read-only, reads are plain memory, and only the writes, which stage 2
refuses, are the device's (virtio-mmio).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gunyah_emu.abi.errors import BUSY, IDLE, OK

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.vic import Vic


class Registers(Protocol):
    """What a guest's access meets."""

    def read(self, offset: int, size: int) -> int | None:
        """The value, or `None` for an external abort."""

    def write(self, offset: int, size: int, value: int) -> bool:
        """Whether the access is taken; otherwise it is an external abort."""


class Vdevice:
    """A range of registers of a VIC.

    Arguments:
        vic: whose registers they are.
        vcpu: the vCPU whose redistributor it is; `None`: the distributor.
        last: whether GICR_TYPER.Last is set.

    """

    __slots__ = ("addrspace", "base", "last", "size", "vcpu", "vic")

    def __init__(self, vic: Vic, vcpu: Thread | None = None, *, last: bool = False) -> None:
        self.vic = vic
        self.vcpu = vcpu
        self.last = last
        self.addrspace: Addrspace | None = None
        self.base = 0
        self.size = 0

    @property
    def kind(self) -> str:
        """Which registers: "gicd" or "gicr"."""
        return "gicd" if self.vcpu is None else "gicr"

    def attach(self, addrspace: Addrspace, base: int, size: int) -> int:
        """Put the registers at [base, base + size) of an address space; errors of `Addrspace.insert_vdevice`."""
        error = addrspace.insert_vdevice(self, base, size)
        if not error:
            self.addrspace, self.base, self.size = addrspace, base, size
            addrspace.retain()
            addrspace.platform.vdevice_attached(addrspace, self)
        return error

    def detach(self) -> None:
        """Leave a hole there again."""
        addrspace = self.addrspace
        assert addrspace is not None
        addrspace.platform.vdevice_detached(addrspace, self)
        addrspace.vdevices.remove(self.base, self.base + self.size)
        self.addrspace = None
        addrspace.release()


def attach_distributor(vic: Vic, addrspace: Addrspace, base: int, size: int) -> int:
    """Attach a VIC's distributor; BUSY where it is attached somewhere."""
    if vic.gicd is not None:
        return BUSY
    device = Vdevice(vic)
    error = device.attach(addrspace, base, size)
    if not error:
        vic.gicd = device
    return error


def attach_redistributor(vic: Vic, index: int, addrspace: Addrspace, base: int, size: int, last: bool | None) -> int:
    """Attach the redistributor of one of a VIC's vCPUs.

    Arguments:
        vic: whose redistributor.
        index: the vCPU's index in it.
        addrspace: where.
        base: from which IPA on.
        size: how many bytes.
        last: GICR_TYPER.Last; `None`: set for the highest possible index.

    Errors in order: IDLE: no active vCPU has that index.  BUSY: attached already, or the range is taken.

    """
    vcpu = vic.vcpus.get(index)
    if vcpu is None:
        return IDLE
    if vcpu.gicr is not None:
        return BUSY
    device = Vdevice(vic, vcpu, last=index == vic.max_vcpus - 1 if last is None else last)
    error = device.attach(addrspace, base, size)
    if error:
        return error
    vcpu.gicr = device
    return OK
