"""Memory extents: ranges of physical memory that a guest may map, cut up and hand on (API "Memory Extent Management").

An extent takes its memory from its partition, or from a parent extent that it is derived from.  A basic extent takes
all of its range at activation; a sparse one starts empty below a sparse parent (or a partition) and gets memory page
by page, by donation.  Stage 2 follows the memory: see `memextent_mappings`.  The hypercalls are in `memextent_calls`;
those that map are in `addrspace_calls`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.bitfields import MEMEXTENT_ATTRS
from gunyah_emu.abi.errors import (
    ADDR_INVALID,
    ARGUMENT_ALIGNMENT,
    ARGUMENT_INVALID,
    ARGUMENT_SIZE,
    BUSY,
    DENIED,
    MEMEXTENT_TYPE,
    OBJECT_CONFIG,
    OK,
)
from gunyah_emu.abi.rights import MemExtentRights
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent_mappings import BasicMappings, SparseMappings, masked, transfer, withdraw
from gunyah_emu.hypervisor.memory import ADDRESS_LIMIT, PAGE_MASK
from gunyah_emu.hypervisor.object import HypervisorObject

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.memory import PhysicalMemory
    from gunyah_emu.hypervisor.partition import Partition
    from gunyah_emu.hypervisor.vdevice import Registers

BASIC: Final = 0
SPARSE: Final = 1

MEMTYPE_ANY: Final = 0
MEMTYPE_DEVICE: Final = 1
MEMTYPE_UNCACHED: Final = 2

ACCESS_EXECUTE: Final = 1
ACCESS_WRITE: Final = 2
ACCESS_READ: Final = 4
ACCESS_RW: Final = ACCESS_READ | ACCESS_WRITE
ACCESS_RWX: Final = ACCESS_RW | ACCESS_EXECUTE

_VALID_ACCESS: Final = (1, 2, 4, 5, 6, 7)  # neither nothing nor write-execute
_VALID_MEMTYPES: Final = (MEMTYPE_ANY, MEMTYPE_DEVICE, MEMTYPE_UNCACHED)  # CACHED needs FEAT_S2FWB
_RESERVED_ATTRS: Final = MEMEXTENT_ATTRS.reserved | 1 << 31  # append is unimplemented


def attributes(access: int, memtype: int = MEMTYPE_ANY, kind: int = BASIC) -> int:
    """The memextent_attrs of an extent, for Python."""
    return access | memtype << 8 | kind << 16


class MemExtent(HypervisorObject):
    """A memory extent.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.
        device: it takes memory that nobody owned before, as the device extents do that exist at boot.

    """

    __slots__ = (
        "access",
        "addrspaces",
        "attached",
        "base",
        "children",
        "device",
        "mappings",
        "memtype",
        "parent",
        "size",
        "sparse",
        "vdevice",
    )

    RIGHTS = MemExtentRights
    COST = 640

    def __init__(self, partition: Partition, label: str = "", *, device: bool = False) -> None:
        super().__init__(partition, label)
        self.device = device
        self.base = 0
        self.size = 0
        self.access = 0
        self.memtype = MEMTYPE_ANY
        self.sparse = False
        self.parent: MemExtent | None = None
        #: how many ACTIVE extents are derived from this one
        self.children = 0
        #: bytes that the hypervisor itself has mapped
        self.attached = 0
        #: the device that accesses which stage 2 refuses are for
        self.vdevice: Registers | None = None
        self.mappings: BasicMappings | SparseMappings = BasicMappings(0)
        #: every address space that it was ever mapped in
        self.addrspaces: dict[Addrspace, None] = {}

    @property
    def memory(self) -> PhysicalMemory:
        """The machine's physical memory."""
        assert self.partition is not None
        return self.partition.hypervisor.memory

    @property
    def end(self) -> int:
        """The first physical address after it."""
        return self.base + self.size

    def configure(self, base: int, size: int, attrs: int) -> int:
        """Give an extent in state INIT its range; errors as for `memextent_configure`."""
        if not size or base + size > ADDRESS_LIMIT:
            return ARGUMENT_INVALID
        if (base | size) & PAGE_MASK:
            return ARGUMENT_ALIGNMENT
        if not _valid_attributes(attrs):
            return ARGUMENT_INVALID
        self._set(base, size, attrs, None)
        return OK

    def configure_derive(self, parent: MemExtent, offset: int, size: int, attrs: int) -> int:
        """Give an extent in state INIT a part of a parent's range; errors as for `memextent_configure_derive`."""
        if not size or offset + size > ADDRESS_LIMIT:
            return ARGUMENT_INVALID
        # The end wraps where it is 2^64 exactly; `on_activate` meets what comes of it.
        if offset >= parent.size or (offset + size) % ADDRESS_LIMIT > parent.size:
            return ADDR_INVALID
        if (offset | size) & PAGE_MASK:
            return ARGUMENT_ALIGNMENT
        if not _valid_attributes(attrs):
            return ARGUMENT_INVALID
        access, memtype = attrs & 7, attrs >> 8 & 3
        if access & ~parent.access or parent.memtype not in (MEMTYPE_ANY, memtype):
            return ARGUMENT_INVALID
        self._set(parent.base + offset, size, attrs, parent)
        return OK

    def _set(self, base: int, size: int, attrs: int, parent: MemExtent | None) -> None:
        if parent is not None:
            parent.retain()
        if self.parent is not None:
            self.parent.release()
        self.parent = parent
        self.base, self.size = base, size
        self.access, self.memtype = attrs & 7, attrs >> 8 & 3
        self.sparse = attrs >> 16 & 3 == SPARSE

    def on_activate(self) -> int:
        """Take the memory.

        Errors in order: OBJECT_CONFIG: never configured.  BUSY: the parent is in use by the hypervisor.
        ADDR_INVALID, MEMDB_NOT_OWNER: the partition or parent does not own the range.  DENIED: a basic extent below a
        sparse one that is mapped in part of the range.

        Raises:
            HypervisorFatal: the range wraps around the end of the address space.

        """
        if not self.size:
            return OBJECT_CONFIG
        if self.end > ADDRESS_LIMIT:
            raise HypervisorFatal("a memory extent was activated whose range wraps around the end of the address space")
        self.mappings = SparseMappings(self) if self.sparse else BasicMappings(self.base)
        if self.parent is not None:
            return self._derive(self.parent)
        if self.device:
            return self.memory.insert(self.base, self.size, self)
        return OK if self.sparse else self.memory.transfer(self.base, self.size, self, self.partition)

    def _derive(self, parent: MemExtent) -> int:
        if parent.attached:
            return BUSY
        takes_memory = not (self.sparse and parent.sparse)
        if takes_memory:
            error = self.memory.transfer(self.base, self.size, self, parent)
            if error:
                return error
        error = self._inherit_sparse(parent) if self.sparse else self._inherit_basic(parent)
        if not error and takes_memory:
            error = self._take_over(parent)
        if error:
            if takes_memory:
                self.memory.give_back(self.base, self.size, self, parent)
            self.mappings.clear()
            return error
        parent.children += 1
        return OK

    def _take_over(self, parent: MemExtent) -> int:
        """Replace the parent's mappings of the range by the inherited ones; on an error they are the parent's again."""
        done = False
        try:
            error = transfer(parent.mappings, self.mappings, self.base, self.end)
            done = not error
        finally:  # also when the hypervisor stops: a machine may be told to go on
            if not done:
                transfer(self.mappings, parent.mappings, self.base, self.end)
                self.memory.give_back(self.base, self.size, self, parent)
                self.mappings.clear()
        return error

    def _inherit_basic(self, parent: MemExtent) -> int:
        if parent.mappings.cuts(self.base, self.end):
            return DENIED
        assert isinstance(self.mappings, BasicMappings)
        for index, mapping in enumerate(parent.mappings.current(self.base)):
            self.mappings.slots[index] = mapping._replace(attrs=masked(mapping.attrs, self.access))
            self.note_addrspace(mapping.addrspace)
        return OK

    def _inherit_sparse(self, parent: MemExtent) -> int:
        assert isinstance(self.mappings, SparseMappings)
        cuts = sorted({self.base, self.end} | parent.mappings.cuts(self.base, self.end))
        for low, high in pairwise(cuts):
            for mapping in parent.mappings.current(low):
                inherited = mapping._replace(attrs=masked(mapping.attrs, self.access))
                error = self.mappings.add(inherited, low, high)
                if error:
                    return error
                self.note_addrspace(mapping.addrspace)
        return OK

    def note_addrspace(self, addrspace: Addrspace) -> None:
        """Remember that a mapping refers to an address space, which must tell when it dies."""
        self.addrspaces[addrspace] = None
        addrspace.extents[self] = None

    def forget_addrspace(self, addrspace: Addrspace) -> None:
        """An address space died: its mappings are gone."""
        self.mappings.forget(addrspace)
        del self.addrspaces[addrspace]

    def unmap_all(self) -> None:
        """Take the extent out of every address space; what derived extents own stays."""
        for start, end in self.owned():
            withdraw(self.mappings, start, end)
        self.mappings.clear()

    def owned(self, start: int | None = None, end: int | None = None) -> list[tuple[int, int]]:
        """The parts of a range (of the whole extent) that it owns, as (start, end)."""
        low = self.base if start is None else start
        high = self.end if end is None else end
        return self.memory.owned(low, high - low, self)

    def on_deactivate(self) -> None:
        """Stage 2 and the memory go back to the parent, or the memory to the partition."""
        parent = self.parent
        if parent is None:
            self.unmap_all()
        else:
            for start, end in self.owned():
                transfer(self.mappings, parent.mappings, start, end)
            self.mappings.clear()
            parent.children -= 1
        self.memory.give_back(self.base, self.size, self, self.partition if parent is None else parent)

    def on_destroy(self) -> None:
        """Let go of the parent and of the address spaces."""
        for addrspace in self.addrspaces:
            del addrspace.extents[self]
        self.addrspaces.clear()
        if self.parent is not None:
            self.parent.release()
            self.parent = None

    def attach(self, size: int) -> int:
        """The hypervisor maps the first `size` bytes for its own use (info area, virtio registers).

        Errors in order: DENIED: not readable and writable; ARGUMENT_SIZE: too small; MEMEXTENT_TYPE: sparse; BUSY:
        extents are derived from it.
        """
        if self.access & ACCESS_RW != ACCESS_RW:
            return DENIED
        if self.size < size:
            return ARGUMENT_SIZE
        if self.sparse:
            return MEMEXTENT_TYPE
        if self.children:
            return BUSY
        self.attached = size
        return OK

    def detach(self) -> None:
        """The hypervisor no longer uses it."""
        self.attached = 0

    def allows(self, attrs: int) -> bool:
        """Whether the extent's rights and memory type permit a mapping with these memextent_mapping_attrs."""
        return self.allows_access(attrs) and memtype_allowed(self.memtype, attrs >> 16 & 0xFF)

    def allows_access(self, attrs: int) -> bool:
        """Whether the extent has the rights that these attributes give to user and kernel."""
        return not (attrs & 7 | attrs >> 4 & 7) & ~self.access


def _valid_attributes(attrs: int) -> bool:
    return not (
        attrs & _RESERVED_ATTRS
        or attrs >> 16 & 3 not in (BASIC, SPARSE)
        or attrs >> 8 & 3 not in _VALID_MEMTYPES
        or attrs & 7 not in _VALID_ACCESS
    )


_DEVICE_MEMTYPES: Final = (0, 1, 2, 3)
_NORMAL_NC: Final = 5
_NORMAL_MEMTYPES: Final = (5, 6, 7, 9, 10, 11, 13, 14, 15)


def memtype_allowed(extent_memtype: int, memtype: int) -> bool:
    """Whether a stage-2 memory type (MemAttr[3:0], in 8 bits) may be used; the gaps in the encoding never."""
    if memtype in _DEVICE_MEMTYPES:
        return True  # CACHED extents, the only ones that forbid it, do not exist in this build
    if memtype == _NORMAL_NC:
        return extent_memtype in (MEMTYPE_ANY, MEMTYPE_UNCACHED)
    return memtype in _NORMAL_MEMTYPES and extent_memtype == MEMTYPE_ANY
