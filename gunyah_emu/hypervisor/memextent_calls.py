"""The hypercalls on memory extents (API "Memory Extent Management"); those that map are in `addrspace_calls`."""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.bitfields import (
    MEMEXTENT_DONATE_TYPE,
    MEMEXTENT_MODIFY_OP,
    MemextentAttrs,
    MemextentDonateOptions,
    MemextentModifyFlags,
)
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    DENIED,
    OK,
)
from gunyah_emu.abi.rights import ACTIVATE, MemExtentRights, PartitionRights
from gunyah_emu.abi.types import CapId, PhysAddr, Results, Size
from gunyah_emu.hypervisor.memextent import ACCESS_WRITE, MEMTYPE_DEVICE, MemExtent
from gunyah_emu.hypervisor.memextent_donation import range_error, to_child, to_parent, to_sibling
from gunyah_emu.hypervisor.object import ACTIVE
from gunyah_emu.hypervisor.partition import Partition
from gunyah_emu.hypervisor.thread import Thread

_UNMAP_ALL: Final = MEMEXTENT_MODIFY_OP.values["unmap_all"]
_ZERO: Final = MEMEXTENT_MODIFY_OP.values["zero_range"]
_CLEAN: Final = MEMEXTENT_MODIFY_OP.values["cache_clean_range"]
_FLUSH: Final = MEMEXTENT_MODIFY_OP.values["cache_flush_range"]
_SYNC_ALL: Final = MEMEXTENT_MODIFY_OP.values["sync_all"]

_TO_CHILD: Final = MEMEXTENT_DONATE_TYPE.values["to_child"]
_TO_PARENT: Final = MEMEXTENT_DONATE_TYPE.values["to_parent"]
_TO_SIBLING: Final = MEMEXTENT_DONATE_TYPE.values["to_sibling"]

_NO_SYNC: Final = 1 << 31


@hypercall(0x6030, reserved=None, strict=("flags",))
def memextent_modify(
    memextent: Annotated[MemExtent, MemExtentRights.MAP], flags: MemextentModifyFlags, offset: Size, size: Size
) -> Results:
    """Unmap an extent everywhere, or zero, clean or flush a range of it.

    Arguments:
        memextent: an active extent.
        flags: bits 7:0 the operation: 0 unmap_all, 1 zero_range, 2 cache_clean_range, 3 cache_flush_range, 255
            sync_all; bit 31 no_sync, which the range operations require and sync_all forbids.
        offset: bytes from the extent's start, for the range operations; whole pages.
        size: bytes, for the range operations; whole pages.

    Errors:
        ARGUMENT_INVALID: unknown bits in `flags` (before the capability).
        ARGUMENT_INVALID: an unknown operation, or no_sync set or clear against the rule.
        DENIED: a range operation on a device extent, or on one that may not be written.
        ARGUMENT_ALIGNMENT: `offset` or `size` is not a multiple of the page size.
        ARGUMENT_INVALID: the range starts beyond 64 bits.
        ARGUMENT_SIZE: no bytes, or the range ends beyond 64 bits.
        ARGUMENT_INVALID: the range is not in the extent.

    What the extent does not own of a range is left alone.  Caches do not exist here: to clean and to flush changes
    nothing.

    Source: API "Memory Extent Modify"; read, not recorded.

    """
    op = flags & 0xFF
    sync = not flags & _NO_SYNC
    if op == _UNMAP_ALL:
        memextent.unmap_all()
        return OK
    if op in (_ZERO, _CLEAN, _FLUSH) and not sync:
        return _touch_range(memextent, offset, size, zero=op == _ZERO)
    return OK if op == _SYNC_ALL and sync else ARGUMENT_INVALID


def _touch_range(extent: MemExtent, offset: int, size: int, *, zero: bool) -> int:
    if extent.memtype == MEMTYPE_DEVICE or not extent.access & ACCESS_WRITE:
        return DENIED
    error = range_error(extent, offset, size)
    if error:
        return error
    start = extent.base + offset
    for low, high in extent.owned(start, start + size):
        if zero:
            extent.memory.zero(low, high - low)
    return OK


@hypercall(0x6031)
def memextent_configure(
    memextent: Annotated[MemExtent, ACTIVATE], phys_base: PhysAddr, size: Size, attributes: MemextentAttrs
) -> Results:
    """Say which physical memory of its partition an extent is to have, before it is activated; it takes it then.

    May be repeated; an extent that was to be derived is no longer.

    Arguments:
        memextent: an extent in state INIT.
        phys_base: its first physical address; whole pages.
        size: bytes; whole pages.
        attributes: bits 2:0 the rights that mappings may have; 9:8 memory type: 0 any, 1 device, 2 uncached; 17:16 0
            basic, 1 sparse.

    Errors:
        ARGUMENT_INVALID: `size` is 0, or the range ends beyond 64 bits.
        ARGUMENT_ALIGNMENT: `phys_base` or `size` is not a multiple of the page size.
        ARGUMENT_INVALID: unknown bits in `attributes`, bit 31, no rights, write and execute alone, memory type 3,
            type 2 or 3.

    Source: API "Configure a Memory Extent"; read, not recorded.

    """
    return memextent.configure(phys_base, size, attributes)


@hypercall(0x6032, order=("parent_memextent", "memextent"))
def memextent_configure_derive(
    memextent: Annotated[MemExtent, ACTIVATE],
    parent_memextent: Annotated[MemExtent, MemExtentRights.DERIVE],
    offset: Size,
    size: Size,
    attributes: MemextentAttrs,
) -> Results:
    """Say which part of a parent an extent is to have, before it is activated.

    A basic extent takes the memory then, and inherits the parent's mappings with its own rights; a sparse one below a
    sparse parent starts without memory.

    Arguments:
        memextent: an extent in state INIT.
        parent_memextent: an active extent.
        offset: bytes from the parent's start; whole pages.
        size: bytes; whole pages.
        attributes: as for `memextent_configure`.

    Errors:
        ARGUMENT_INVALID: `size` is 0, or the range ends beyond 64 bits.
        ADDR_INVALID: the range is not in the parent.
        ARGUMENT_ALIGNMENT: `offset` or `size` is not a multiple of the page size.
        ARGUMENT_INVALID: `attributes` as for `memextent_configure`, rights that the parent lacks, or another memory
            type than the parent's.

    Source: API "Configure a Derived Memory Extent"; read, not recorded.

    """
    return memextent.configure_derive(parent_memextent, offset, size, attributes)


@hypercall(0x6061, strict=("options",))
def memextent_donate(
    caller: Thread, options: MemextentDonateOptions, from_: CapId, to: CapId, offset: Size, size: Size
) -> Results:
    """Move memory between sparse extents, or between a partition and a sparse extent; stage 2 follows.

    Arguments:
        caller: whose cspace the capabilities are in.
        options: bits 7:0: 0 to_child, 1 to_parent, 2 to_sibling; bit 31 no_sync.
        from_: who has the memory: an extent; to_child: the parent extent, or the partition of an extent without a
            parent.
        to: who gets it; to_parent: the parent extent or the partition.
        offset: bytes from the child's start (to_sibling: from the start of `from_`); whole pages.
        size: bytes; whole pages.

    Errors:
        ARGUMENT_INVALID: unknown bits in `options` (before any capability), or an unknown type.
        (capability errors): of the child, then of the parent or partition; of `from_`, then of `to` between
            siblings.  The right donate.
        ARGUMENT_INVALID: not the child's parent or partition.
        ARGUMENT_ALIGNMENT: `offset` or `size` is not a multiple of the page size.
        ARGUMENT_INVALID: the range starts beyond 64 bits.
        ARGUMENT_SIZE: no bytes, or the range ends beyond 64 bits.
        ARGUMENT_INVALID: the range is not in the child (to_sibling: in both), or they are no siblings.
        MEMEXTENT_TYPE: the child (to_sibling: `from_`) is a basic extent.
        ARGUMENT_INVALID: the other extent is a basic one.
        ADDR_INVALID, MEMDB_NOT_OWNER: the giver does not own all of the range.
        (errors of addrspace_map): a mapping of the new owner cannot be made.

    Source: API "Memory Extent Donate"; read, not recorded.

    """
    kind = options & 0xFF
    if kind == _TO_CHILD:
        return _donate_child(caller, from_, to, offset, size, reverse=False)
    if kind == _TO_PARENT:
        return _donate_child(caller, to, from_, offset, size, reverse=True)
    return _donate_sibling(caller, from_, to, offset, size) if kind == _TO_SIBLING else ARGUMENT_INVALID


def _extent(caller: Thread, cap: int) -> MemExtent | int:
    assert caller.cspace is not None
    found = caller.cspace.lookup(cap, MemExtent, MemExtentRights.DONATE, ACTIVE)
    assert isinstance(found, int | MemExtent)
    return found


def _donate_child(caller: Thread, parent_cap: int, child_cap: int, offset: int, size: int, *, reverse: bool) -> int:
    assert caller.cspace is not None
    child = _extent(caller, child_cap)
    if isinstance(child, int):
        return child
    if child.parent is not None:
        parent = caller.cspace.lookup(parent_cap, MemExtent, MemExtentRights.DONATE, ACTIVE)
    else:
        parent = caller.cspace.lookup(parent_cap, Partition, PartitionRights.DONATE, ACTIVE)
    if isinstance(parent, int):
        return parent
    if parent is not (child.parent or child.partition):
        return ARGUMENT_INVALID
    error = range_error(child, offset, size)
    if error:
        return error
    return to_parent(child, offset, size) if reverse else to_child(child, offset, size)


def _donate_sibling(caller: Thread, from_cap: int, to_cap: int, offset: int, size: int) -> int:
    giver = _extent(caller, from_cap)
    if isinstance(giver, int):
        return giver
    taker = _extent(caller, to_cap)
    if isinstance(taker, int):
        return taker
    error = range_error(giver, offset, size)
    if error:
        return error
    return to_sibling(giver, taker, offset, size)
