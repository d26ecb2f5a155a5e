"""Donation: memory moves between sparse extents, or between a partition and a sparse extent, and stage 2 follows.

Ownership moves first; when the new owner's mappings then cannot be made (beyond the address space, no memory for
tables), the call fails and ownership stays where it went, as in the real build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.abi.errors import ARGUMENT_ALIGNMENT, ARGUMENT_INVALID, ARGUMENT_SIZE, MEMEXTENT_TYPE, OK
from gunyah_emu.hypervisor.memextent_mappings import apply, transfer, withdraw
from gunyah_emu.hypervisor.memory import ADDRESS_LIMIT, PAGE_MASK

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.memextent import MemExtent


def range_error(extent: MemExtent, offset: int, size: int) -> int:
    """Whether a range of whole pages lies in an extent.

    Errors in order: ARGUMENT_ALIGNMENT.  ARGUMENT_INVALID: starts beyond 64 bits.  ARGUMENT_SIZE: no bytes, or ends
    beyond 64 bits. ARGUMENT_INVALID: not in the extent.
    """
    if (offset | size) & PAGE_MASK:
        return ARGUMENT_ALIGNMENT
    start = extent.base + offset
    if start >= ADDRESS_LIMIT:
        return ARGUMENT_INVALID
    if not size or start + size > ADDRESS_LIMIT:
        return ARGUMENT_SIZE
    return OK if start + size <= extent.end else ARGUMENT_INVALID


def to_child(child: MemExtent, offset: int, size: int) -> int:
    """From an extent's parent or partition to it; errors from MEMEXTENT_TYPE on as for `memextent_donate`."""
    if not child.sparse:
        return MEMEXTENT_TYPE
    parent = child.parent
    start = child.base + offset
    if parent is None:
        error = child.memory.transfer(start, size, child, child.partition)
        return error or apply(child.mappings, start, start + size)
    return _between(parent, child, start, size) if parent.sparse else ARGUMENT_INVALID


def to_parent(child: MemExtent, offset: int, size: int) -> int:
    """From an extent to its parent or partition; errors from MEMEXTENT_TYPE on as for `memextent_donate`."""
    if not child.sparse:
        return MEMEXTENT_TYPE
    parent = child.parent
    start = child.base + offset
    if parent is None:
        error = child.memory.transfer(start, size, child.partition, child)
        if not error:
            withdraw(child.mappings, start, start + size)
        return error
    return _between(child, parent, start, size) if parent.sparse else ARGUMENT_INVALID


def to_sibling(giver: MemExtent, taker: MemExtent, offset: int, size: int) -> int:
    """From an extent to another with the same parent; errors as for `memextent_donate`, after `range_error`."""
    start = giver.base + offset
    if not taker.base <= start < start + size <= taker.end:
        return ARGUMENT_INVALID
    if giver is taker or giver.parent is None or giver.parent is not taker.parent:
        return ARGUMENT_INVALID
    if not giver.sparse:
        return MEMEXTENT_TYPE
    return _between(giver, taker, start, size) if taker.sparse else ARGUMENT_INVALID


def _between(giver: MemExtent, taker: MemExtent, start: int, size: int) -> int:
    error = giver.memory.transfer(start, size, taker, giver)
    return error or transfer(giver.mappings, taker.mappings, start, start + size)
