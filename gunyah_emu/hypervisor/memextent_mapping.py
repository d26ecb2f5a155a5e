"""Mapping and unmapping of memory extents: the checks that basic and sparse extents share, then each kind's own.

The whole-extent variants do not check that the mapping fits into 64 bits; a basic extent does it itself, a sparse one
asserts it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.errors import (
    ADDR_INVALID,
    ADDR_OVERFLOW,
    ARGUMENT_ALIGNMENT,
    ARGUMENT_INVALID,
    ARGUMENT_SIZE,
    MEMEXTENT_MAPPINGS_FULL,
    MEMEXTENT_TYPE,
    OK,
)
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent_mappings import BasicMappings, Mapping, SparseMappings
from gunyah_emu.hypervisor.memory import ADDRESS_LIMIT, PAGE_MASK

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.memextent import MemExtent

_SPARSE_LIMIT: Final = 1 << 48
"""What the page-wise table of a sparse extent can hold as an IPA."""


def map_extent(extent: MemExtent, addrspace: Addrspace, vbase: int, attrs: int) -> int:
    """Map all of an extent; errors as for `addrspace_map`."""
    if vbase & PAGE_MASK:
        return ARGUMENT_ALIGNMENT
    if not extent.allows(attrs):
        return ARGUMENT_INVALID
    if extent.sparse:
        _assert_no_wrap(vbase, extent.size)
        return _map_sparse(extent, addrspace, vbase, extent.base, extent.size, attrs)
    return _map_basic(extent, addrspace, vbase, attrs)


def map_part(extent: MemExtent, addrspace: Addrspace, vbase: int, offset: int, size: int, attrs: int) -> int:
    """Map a part of a sparse extent; errors as for `addrspace_map`."""
    error = _part_error(extent, vbase, offset, size)
    if error:
        return error
    if not extent.allows(attrs):
        return ARGUMENT_INVALID
    return _map_sparse(extent, addrspace, vbase, extent.base + offset, size, attrs) if extent.sparse else MEMEXTENT_TYPE


def unmap_extent(extent: MemExtent, addrspace: Addrspace, vbase: int) -> int:
    """Undo a mapping of all of an extent; errors as for `addrspace_unmap`."""
    if vbase & PAGE_MASK:
        return ARGUMENT_ALIGNMENT
    if extent.sparse:
        _assert_no_wrap(vbase, extent.size)
        return _unmap_sparse(extent, addrspace, vbase, extent.base, extent.size)
    mappings = extent.mappings
    assert isinstance(mappings, BasicMappings)
    slot = mappings.find(addrspace, vbase)
    if slot is None:
        return ADDR_INVALID
    for start, end in extent.owned():
        addrspace.unmap_pages(vbase + start - extent.base, end - start, start)
    mappings.slots[slot] = None
    return OK


def unmap_part(extent: MemExtent, addrspace: Addrspace, vbase: int, offset: int, size: int) -> int:
    """Undo a mapping of a part of a sparse extent; errors as for `addrspace_unmap`."""
    error = _part_error(extent, vbase, offset, size)
    if error:
        return error
    return _unmap_sparse(extent, addrspace, vbase, extent.base + offset, size) if extent.sparse else MEMEXTENT_TYPE


def update_access_extent(extent: MemExtent, addrspace: Addrspace, vbase: int, attrs: int) -> int:
    """Change the rights of a mapping of all of an extent; errors as for `addrspace_update_access`."""
    if not extent.allows_access(attrs):
        return ARGUMENT_INVALID
    if vbase & PAGE_MASK:
        return ARGUMENT_ALIGNMENT
    if extent.sparse:
        _assert_no_wrap(vbase, extent.size)
        return ADDR_INVALID
    mappings = extent.mappings
    assert isinstance(mappings, BasicMappings)
    slot = mappings.find(addrspace, vbase)
    if slot is None:
        return ADDR_INVALID
    old = mappings.slots[slot]
    assert old is not None
    new = old._replace(attrs=old.attrs & 0x00FF_0000 | attrs & 0x77)
    error = _put(extent, new, extent.base, extent.end)
    if error:
        _put(extent, old, extent.base, extent.end)
        return error
    mappings.slots[slot] = new
    return OK


def update_access_part(extent: MemExtent, addrspace: Addrspace, vbase: int, offset: int, size: int, attrs: int) -> int:
    """Change the rights of a part of a sparse extent: the recorded build never finds it."""
    del addrspace
    if not extent.allows_access(attrs):
        return ARGUMENT_INVALID
    error = _part_error(extent, vbase, offset, size)
    if error:
        return error
    return ADDR_INVALID if extent.sparse else MEMEXTENT_TYPE


def _part_error(extent: MemExtent, vbase: int, offset: int, size: int) -> int:
    if (vbase | offset | size) & PAGE_MASK:
        return ARGUMENT_ALIGNMENT
    if not size or offset + size > ADDRESS_LIMIT or vbase + size > ADDRESS_LIMIT:
        return ARGUMENT_SIZE
    return ARGUMENT_SIZE if offset + size > extent.size else OK


def _assert_no_wrap(vbase: int, size: int) -> None:
    if vbase + size > ADDRESS_LIMIT:
        raise HypervisorFatal(f"a sparse memory extent at IPA {vbase:#x} wraps around the end of the address space")


def _map_basic(extent: MemExtent, addrspace: Addrspace, vbase: int, attrs: int) -> int:
    if vbase + extent.size > ADDRESS_LIMIT:
        return ADDR_OVERFLOW
    mappings = extent.mappings
    assert isinstance(mappings, BasicMappings)
    if None not in mappings.slots:
        return MEMEXTENT_MAPPINGS_FULL
    mapping = Mapping(addrspace, extent.base - vbase, attrs)
    error = _put(extent, mapping, extent.base, extent.end)
    if not error:
        mappings.slots[mappings.slots.index(None)] = mapping
        extent.note_addrspace(addrspace)
    return error


def _map_sparse(extent: MemExtent, addrspace: Addrspace, vbase: int, pa: int, size: int, attrs: int) -> int:
    if vbase + size > _SPARSE_LIMIT:
        return ADDR_INVALID
    mappings = extent.mappings
    assert isinstance(mappings, SparseMappings)
    mapping = Mapping(addrspace, pa - vbase, attrs)
    error = mappings.add(mapping, pa, pa + size)
    if error:
        return error
    extent.note_addrspace(addrspace)
    done = False
    try:
        error = _put(extent, mapping, pa, pa + size)
        done = not error
    finally:  # also when the hypervisor stops: a machine may be told to go on
        if not done:
            mappings.remove(addrspace, mapping.shift, pa, pa + size)
    return error


def _unmap_sparse(extent: MemExtent, addrspace: Addrspace, vbase: int, pa: int, size: int) -> int:
    if vbase + size > _SPARSE_LIMIT:
        return ADDR_INVALID
    mappings = extent.mappings
    assert isinstance(mappings, SparseMappings)
    error = mappings.remove(addrspace, pa - vbase, pa, pa + size)
    if error:
        return error
    for start, end in extent.owned(pa, pa + size):
        addrspace.unmap_pages(start - pa + vbase, end - start, start)
    return OK


def _put(extent: MemExtent, mapping: Mapping, start: int, end: int) -> int:
    """Map what the extent owns of a range; all of it or, on an error, nothing."""
    done: list[tuple[int, int]] = []
    for low, high in extent.owned(start, end):
        error = mapping.addrspace.map_pages(low - mapping.shift, high - low, low, mapping.attrs)
        if error:
            for first, last in done:
                mapping.addrspace.unmap_pages(first - mapping.shift, last - first, first)
            return error
        done.append((low, high))
    return OK
