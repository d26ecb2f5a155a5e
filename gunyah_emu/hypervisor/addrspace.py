"""Address spaces: what a VM's vCPUs see of physical memory (API section "Address Space Management").

Stage 2 is a `RangeMap` from IPA to (physical address minus IPA, attributes).  Every change that a vCPU could see goes
to the platform, which mirrors it into the CPU.  The hypercalls are in `addrspace_calls`.

Reading and writing a guest's memory happens on every message: the last piece of RAM that was touched is kept at hand,
so that the next access to it costs two comparisons and a slice.  Any change of stage 2 drops it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.errors import (
    ADDR_INVALID,
    ADDR_OVERFLOW,
    ARGUMENT_ALIGNMENT,
    ARGUMENT_INVALID,
    ARGUMENT_SIZE,
    BUSY,
    DENIED,
    NOMEM,
    NORESOURCES,
    OK,
)
from gunyah_emu.abi.rights import AddrSpaceRights
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent_mappings import RANGE_COST
from gunyah_emu.hypervisor.memory import ADDRESS_LIMIT, PAGE_MASK, PAGE_SIZE, PhysicalMemory
from gunyah_emu.hypervisor.object import HypervisorObject
from gunyah_emu.hypervisor.range_map import RangeMap

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.memextent import MemExtent
    from gunyah_emu.hypervisor.partition import Partition
    from gunyah_emu.hypervisor.platform import Platform
    from gunyah_emu.hypervisor.vdevice import Registers, Vdevice

IPA_LIMIT: Final = 1 << 36
"""The address spaces of the recorded platform have 36 bits."""

MAX_VMID: Final = 255
ROOT_VMID: Final = 255
MAX_THREADS: Final = 8
MAX_VMMIO_RANGES: Final = 128

MAX_STAGE2_RANGES: Final = 1 << 16
"""Into how many ranges stage 2 may be cut before its tables' memory is spent."""

INFO_AREA_SIZE: Final = PAGE_SIZE

_VDEVICE_LIMIT: Final = 1 << 44
_VMMIO_LIMIT: Final = 1 << 52
_READ: Final = 4 << 4
_WRITE: Final = 2 << 4
_EXECUTE_ONLY: Final = 1


class VmmioRange:
    """A range whose accesses a proxy scheduler answers; compared by identity, because ranges never merge."""

    __slots__ = ()


class Addrspace(HypervisorObject):
    """An address space.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.
        vmid: its VMID, 1..255; 0: to be configured.

    """

    __slots__ = (
        "_hit_attrs",
        "_hit_base",
        "_hit_size",
        "_hit_view",
        "extents",
        "info_area",
        "info_area_ipa",
        "memory",
        "platform",
        "stage2",
        "threads",
        "vdevices",
        "vmid",
        "vmmio",
        "vmmio_count",
    )

    RIGHTS = AddrSpaceRights
    COST = 4096

    def __init__(self, partition: Partition, label: str = "", vmid: int = 0) -> None:
        super().__init__(partition, label)
        self.vmid = vmid
        self.memory: PhysicalMemory = partition.hypervisor.memory
        self.platform: Platform = partition.hypervisor.platform
        self.stage2: RangeMap[tuple[int, int]] = RangeMap()
        self.vdevices: RangeMap[Vdevice] = RangeMap()
        self.vmmio: RangeMap[VmmioRange] = RangeMap()
        self.vmmio_count = 0
        #: the extents that were ever mapped here
        self.extents: dict[MemExtent, None] = {}
        #: how many threads are attached
        self.threads = 0
        self.info_area: MemExtent | None = None
        self.info_area_ipa = 0
        self._hit_base = 0
        self._hit_size = 0
        self._hit_attrs = 0
        self._hit_view = memoryview(b"")

    # Life

    def on_activate(self) -> int:
        """Take the VMID.

        Errors in order: BUSY: the VMID is in use, or none is configured (recorded).  ADDR_OVERFLOW, ADDR_INVALID,
        ARGUMENT_SIZE: the info area is not in the address space; others of `MemExtent.attach`.
        """
        if self.vmid in self.memory.vmids:
            return BUSY
        if self.info_area is not None:
            size = self.info_area.size
            error = self.check_range(self.info_area_ipa, size) or self.info_area.attach(size)
            if error:
                self.vmid = 0
                return error
            self.memory.zero(self.info_area.base, size)
        self.memory.vmids.add(self.vmid)
        return OK

    def on_deactivate(self) -> None:
        """Everything is unmapped; the VMID is free again."""
        for extent in self.extents:
            extent.forget_addrspace(self)
        self.extents.clear()
        for start, end, _ in list(self.stage2):
            self.platform.unmap(self, start, end - start)
        self.stage2.clear()
        self._hit_size = 0
        if self.info_area is not None:
            self.info_area.detach()
        self.memory.vmids.discard(self.vmid)

    def on_destroy(self) -> None:
        """Let go of the info area, and tell the machine."""
        if self.info_area is not None:
            self.info_area.release()
            self.info_area = None
        self.platform.addrspace_destroyed(self)

    def configure(self, vmid: int) -> int:
        """Choose the VMID of an address space in state INIT; ARGUMENT_INVALID outside 1..255."""
        if not 1 <= vmid <= MAX_VMID:
            return ARGUMENT_INVALID
        self.vmid = vmid
        return OK

    def configure_info_area(self, extent: MemExtent, ipa: int) -> int:
        """Give an address space in state INIT a page of information; errors as for `addrspace_configure_info_area`."""
        if extent.size > INFO_AREA_SIZE:
            return ARGUMENT_INVALID
        if ipa & PAGE_MASK or ipa + extent.size > IPA_LIMIT:
            return ADDR_INVALID
        if extent.sparse or extent.access & 6 != 6 or extent.memtype:
            return ARGUMENT_INVALID
        extent.retain()
        if self.info_area is not None:
            self.info_area.release()
        self.info_area, self.info_area_ipa = extent, ipa
        return OK

    def check_range(self, ipa: int, size: int) -> int:
        """Whether a range is in the address space: ADDR_OVERFLOW, ADDR_INVALID (its start), ARGUMENT_SIZE (its end)."""
        if size and ipa + size > ADDRESS_LIMIT:
            return ADDR_OVERFLOW
        if ipa >= IPA_LIMIT:
            return ADDR_INVALID
        return ARGUMENT_SIZE if ipa + size > IPA_LIMIT else OK

    # Stage 2

    def map_pages(self, ipa: int, size: int, pa: int, attrs: int) -> int:
        """Map whole pages, over whatever was mapped there.

        Arguments:
            ipa: from this IPA on.
            size: bytes.
            pa: to this physical address.
            attrs: memextent_mapping_attrs: rights of user and kernel, stage-2 memory type.

        Errors in order: ADDR_INVALID: starts beyond the address space.  ADDR_OVERFLOW: ends beyond it.  NOMEM.

        Raises:
            HypervisorFatal: stage 2 cannot express the rights: they differ between user and kernel in more than
                execution, or the kernel may do nothing but execute.

        """
        end = ipa + size
        if ipa >= IPA_LIMIT:
            return ADDR_INVALID
        if end > IPA_LIMIT:
            return ADDR_OVERFLOW
        kernel = attrs >> 4 & 7
        if (attrs & 7 ^ kernel) >> 1 or kernel == _EXECUTE_ONLY:
            raise HypervisorFatal(f"a mapping at IPA {ipa:#x} has rights that stage 2 cannot express ({attrs:#x})")
        value = (pa - ipa, attrs)
        assert self.partition is not None
        if len(self.stage2) >= MAX_STAGE2_RANGES or not self.partition.has_room(2 * RANGE_COST):
            return NOMEM
        changed = [run for run in self.stage2.runs(ipa, end) if run[2] != value]
        if not changed:
            return OK
        for start, stop, old in changed:
            if old is not None:
                self.platform.unmap(self, start, stop - start)
        self._change(ipa, end, value)
        for start, stop, _ in changed:
            self.platform.map(self, start, start + value[0], stop - start, kernel, attrs >> 16 & 0xFF)
        return OK

    def unmap_pages(self, ipa: int, size: int, pa: int) -> None:
        """Unmap whole pages where they are mapped to this physical range, and only there.

        Raises:
            HypervisorFatal: the range is not in the address space.

        """
        if ipa + size > IPA_LIMIT:
            raise HypervisorFatal(f"a mapping at IPA {ipa:#x}, beyond the address space, was to be removed")
        for start, end, value in self.stage2.runs(ipa, ipa + size):
            if value is not None and value[0] == pa - ipa:
                self._change(start, end, None)
                self.platform.unmap(self, start, end - start)

    def _change(self, start: int, end: int, value: tuple[int, int] | None) -> None:
        before = len(self.stage2)
        if value is None:
            self.stage2.remove(start, end)
        else:
            self.stage2.assign(start, end, value)
        self._hit_size = 0
        assert self.partition is not None
        self.partition.charge(self, (len(self.stage2) - before) * RANGE_COST)

    def lookup(self, ipa: int, size: int) -> tuple[int, int, int] | int:
        """The first contiguous mapping in a range, as (physical address, size, attributes), or an error.

        Errors in order: ARGUMENT_SIZE: no bytes.  ADDR_OVERFLOW.  ARGUMENT_ALIGNMENT.  ADDR_INVALID: the first page
        is not mapped.
        """
        if not size:
            return ARGUMENT_SIZE
        if ipa + size > ADDRESS_LIMIT:
            return ADDR_OVERFLOW
        if (ipa | size) & PAGE_MASK:
            return ARGUMENT_ALIGNMENT
        found = self.stage2.at(ipa)
        if found is None:
            return ADDR_INVALID
        shift, attrs = found[2]
        return ipa + shift, min(size, found[1] - ipa), attrs

    # Memory, as the guest's kernel may access it

    def translate(self, ipa: int, write: bool = False) -> tuple[int, str] | None:
        """What an access of the guest's kernel meets: (physical address, "ram" or "device"); `None`: a fault."""
        found = self.stage2.at(ipa)
        if found is None or not found[2][1] & (_WRITE if write else _READ):
            return None
        pa = ipa + found[2][0]
        return pa, "device" if self.memory.ram_at(pa) is None else "ram"

    def access_error(self, ipa: int, write: bool = False) -> int:
        """Why an access faults: ADDR_INVALID: not mapped; DENIED: no right; OK: it does not fault."""
        found = self.stage2.at(ipa)
        if found is None:
            return ADDR_INVALID
        return OK if found[2][1] & (_WRITE if write else _READ) else DENIED

    def read(self, ipa: int, size: int) -> bytes | None:
        """Bytes that the guest's kernel could read; `None` where it would fault.

        Raises:
            HypervisorFatal: a device or nothing at all is mapped there.

        """
        offset = ipa - self._hit_base
        if 0 <= offset <= self._hit_size - size and self._hit_attrs & _READ:
            return self._hit_view[offset : offset + size].tobytes()
        parts: list[bytes] = []
        end = ipa + size
        while ipa < end:
            stop = self._touch(ipa, _READ)
            if stop is None:
                return None
            offset = ipa - self._hit_base
            parts.append(self._hit_view[offset : offset + min(stop, end) - ipa].tobytes())
            ipa = stop
        return b"".join(parts)

    def write(self, ipa: int, data: bytes) -> int:
        """Store bytes where the guest's kernel could, up to the first fault; how many were stored.

        Raises:
            HypervisorFatal: a device or nothing at all is mapped there.

        """
        size = len(data)
        offset = ipa - self._hit_base
        if 0 <= offset <= self._hit_size - size and self._hit_attrs & _WRITE:
            self._hit_view[offset : offset + size] = data
            return size
        done = 0
        while done < size:
            stop = self._touch(ipa + done, _WRITE)
            if stop is None:
                break
            offset = ipa + done - self._hit_base
            count = min(stop - ipa, size) - done
            self._hit_view[offset : offset + count] = data[done : done + count]
            done += count
        return done

    def _touch(self, ipa: int, right: int) -> int | None:
        """Bring the RAM around `ipa` to hand; where it ends, or `None` where the access faults."""
        found = self.stage2.at(ipa)
        if found is None:
            return None
        start, end, (shift, attrs) = found
        if not attrs & right:
            return None
        ram = self.memory.ram_at(ipa + shift)
        if ram is None:
            what = self.memory.not_ram(ipa + shift)
            raise HypervisorFatal(f"the hypervisor touched a guest's buffer at IPA {ipa:#x}: {what}")
        low = max(start, ram.base - shift)
        high = min(end, ram.base + len(ram.view) - shift)
        self._hit_view = ram.view[low + shift - ram.base : high + shift - ram.base]
        self._hit_base, self._hit_size, self._hit_attrs = low, high - low, attrs
        return high

    # Accesses that stage 2 refuses

    def insert_vdevice(self, vdevice: Vdevice, base: int, size: int) -> int:
        """Note where a device is.

        Errors in order: ARGUMENT_INVALID: no bytes, or beyond 64 bits.  ARGUMENT_SIZE: beyond 44 bits.  BUSY: another
        device is there. NOMEM.
        """
        error = _range_error(base, size, _VDEVICE_LIMIT)
        if error:
            return error
        if not self.vdevices.vacant(base, base + size):
            return BUSY
        self.vdevices.assign(base, base + size, vdevice)
        return OK

    def vdevice_at(self, ipa: int) -> Vdevice | None:
        """The device around an IPA that stage 2 does not map."""
        found = self.vdevices.at(ipa)
        return None if found is None else found[2]

    def registers_at(self, ipa: int) -> tuple[Registers, int] | None:
        """The registers whose page stage 2 maps at `ipa` without the right to write, and the offset in them."""
        found = self.stage2.at(ipa)
        if found is None:
            return None
        owner = self.memory.owner(ipa + found[2][0])
        registers = getattr(owner, "vdevice", None)
        return None if registers is None else (registers, (ipa + found[2][0]) & PAGE_MASK)

    def add_vmmio_range(self, base: int, size: int) -> int:
        """Let a proxy scheduler answer accesses to [base, base + size); errors as for `addrspace_configure_vmmio`."""
        if not size:
            return ARGUMENT_SIZE
        if base + size >= ADDRESS_LIMIT:
            return ADDR_OVERFLOW
        if self.vmmio_count == MAX_VMMIO_RANGES:
            return NORESOURCES
        error = _range_error(base, size, _VMMIO_LIMIT)
        if error:
            return error
        if not self.vmmio.vacant(base, base + size):
            return BUSY
        self.vmmio.assign(base, base + size, VmmioRange())
        self.vmmio_count += 1
        return OK

    def remove_vmmio_range(self, base: int, size: int) -> int:
        """The recorded build finds no range equal to the one given, and never removes one."""
        if not size:
            return ARGUMENT_SIZE
        if base + size >= ADDRESS_LIMIT:
            return ADDR_OVERFLOW
        return _range_error(base, size, _VMMIO_LIMIT) or BUSY

    def is_vmmio(self, ipa: int, size: int) -> bool:
        """Whether an access lies in one range that a proxy scheduler answers."""
        found = self.vmmio.at(ipa)
        return found is not None and ipa + size <= found[1]


def _range_error(base: int, size: int, limit: int) -> int:
    if not size or base + size > ADDRESS_LIMIT:
        return ARGUMENT_INVALID
    return ARGUMENT_SIZE if base + size > limit else OK
