"""Where a memory extent is mapped: the part of it that survives donation, derivation and the loss of the memory itself.

An extent remembers up to four mappings, each the wish "these physical addresses, there, with these rights".  Stage 2
has the wish only for memory that the extent owns at the time; when memory moves between extents, stage 2 follows the
wishes of the new owner.

* A basic extent is mapped whole: a slot is one mapping of everything.
* A sparse extent is mapped page-wise: a slot belongs to an address space and holds ranges, by physical address.  A
range that is
  mapped twice into the same address space needs a second slot.

A mapping's `shift` is physical address minus IPA; `attrs` is the API's memextent_mapping_attrs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gunyah_emu.abi.errors import (
    ADDR_INVALID,
    ARGUMENT_SIZE,
    MEMEXTENT_MAPPINGS_FULL,
    NOMEM,
    OK,
)
from gunyah_emu.hypervisor.range_map import RangeMap

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.memextent import MemExtent

MAX_MAPPINGS: Final = 4
MAX_PHYSICAL_BITS: Final = 44
"""What the page-wise table of a sparse extent can name."""

MAX_RANGES: Final = 1 << 14
"""Into how many ranges an extent's mappings may be cut: no hypercall takes longer than that many steps."""

RANGE_COST: Final = 64
"""Bytes of hypervisor memory that a range of a sparse mapping or of stage 2 is charged; the real tables cost of that
order.
"""


class Mapping(NamedTuple):
    """One wish, at one physical address."""

    addrspace: Addrspace
    shift: int
    attrs: int


class Mappings(Protocol):
    """What basic and sparse extents have in common."""

    def current(self, pa: int) -> list[Mapping]:
        """The mappings of one physical address."""

    def cuts(self, start: int, end: int) -> set[int]:
        """The physical addresses inside (start, end) at which `current` changes."""

    def forget(self, addrspace: Addrspace) -> None:
        """An address space died, and its stage 2 with it."""

    def clear(self) -> None:
        """Forget every mapping."""


class BasicMappings:
    """The four slots of a basic extent.

    Arguments:
        base: the extent's physical address.

    """

    __slots__ = ("base", "slots")

    def __init__(self, base: int) -> None:
        self.base = base
        self.slots: list[Mapping | None] = [None] * MAX_MAPPINGS

    def current(self, pa: int) -> list[Mapping]:
        """The mappings of one physical address."""
        return [mapping for mapping in self.slots if mapping is not None]

    def cuts(self, start: int, end: int) -> set[int]:
        """None: the extent is mapped whole."""
        return set()

    def find(self, addrspace: Addrspace, vbase: int) -> int | None:
        """The slot that maps the extent at `vbase`."""
        for index, mapping in enumerate(self.slots):
            if mapping is not None and mapping.addrspace is addrspace and self.base - mapping.shift == vbase:
                return index
        return None

    def forget(self, addrspace: Addrspace) -> None:
        """An address space died."""
        self.slots = [None if mapping and mapping.addrspace is addrspace else mapping for mapping in self.slots]

    def clear(self) -> None:
        """Forget every mapping."""
        self.slots = [None] * MAX_MAPPINGS


class SparseSlot:
    """One slot of a sparse extent: ranges of one address space."""

    __slots__ = ("addrspace", "ranges")

    def __init__(self, addrspace: Addrspace) -> None:
        self.addrspace = addrspace
        self.ranges: RangeMap[tuple[int, int]] = RangeMap()


class SparseMappings:
    """The four slots of a sparse extent, and what their ranges cost the extent's partition.

    Arguments:
        extent: whose they are.

    """

    __slots__ = ("extent", "slots")

    def __init__(self, extent: MemExtent) -> None:
        self.extent = extent
        self.slots: list[SparseSlot | None] = [None] * MAX_MAPPINGS

    def current(self, pa: int) -> list[Mapping]:
        """The mappings of one physical address."""
        found = [(slot.addrspace, slot.ranges.at(pa)) for slot in self.slots if slot is not None]
        return [Mapping(addrspace, *run[2]) for addrspace, run in found if run is not None]

    def cuts(self, start: int, end: int) -> set[int]:
        """The physical addresses inside (start, end) at which `current` changes."""
        runs = (slot.ranges.runs(start, end) for slot in self.slots if slot is not None)
        return {run[0] for slot_runs in runs for run in slot_runs} - {start}

    def add(self, mapping: Mapping, start: int, end: int) -> int:
        """Note a mapping of [start, end).

        Errors in order: ARGUMENT_SIZE: beyond what the table can name; NOMEM; MEMEXTENT_MAPPINGS_FULL: no slot has
        room.
        """
        if end > 1 << MAX_PHYSICAL_BITS:
            return ARGUMENT_SIZE
        if not self._has_room():
            return NOMEM
        free = None
        for index, slot in enumerate(self.slots):
            if slot is None:
                free = index if free is None else free
            elif slot.addrspace is mapping.addrspace and slot.ranges.vacant(start, end):
                self._change(slot, start, end, (mapping.shift, mapping.attrs))
                return OK
        if free is None:
            return MEMEXTENT_MAPPINGS_FULL
        slot = self.slots[free] = SparseSlot(mapping.addrspace)
        self._change(slot, start, end, (mapping.shift, mapping.attrs))
        return OK

    def remove(self, addrspace: Addrspace, shift: int, start: int, end: int) -> int:
        """Forget a mapping of [start, end), all of which must be mapped with this shift in one slot.

        Errors in order: ARGUMENT_SIZE, NOMEM (cutting a range takes memory), ADDR_INVALID: not mapped so.
        """
        if end > 1 << MAX_PHYSICAL_BITS:
            mapped = any(slot is not None and slot.addrspace is addrspace for slot in self.slots)
            return ARGUMENT_SIZE if mapped else ADDR_INVALID
        for index, slot in enumerate(self.slots):
            if slot is None or slot.addrspace is not addrspace:
                continue
            if all(value is not None and value[0] == shift for _, _, value in slot.ranges.runs(start, end)):
                run = slot.ranges.at(start)
                cuts = run is not None and run[0] < start and end < run[1]
                if cuts and not self._has_room():
                    return NOMEM
                self._change(slot, start, end, None)
                if not len(slot.ranges):
                    self.slots[index] = None
                return OK
        return ADDR_INVALID

    def forget(self, addrspace: Addrspace) -> None:
        """An address space died."""
        for index, slot in enumerate(self.slots):
            if slot is not None and slot.addrspace is addrspace:
                self._charge(-len(slot.ranges))
                self.slots[index] = None

    def clear(self) -> None:
        """Forget every mapping."""
        for slot in self.slots:
            if slot is not None:
                self._charge(-len(slot.ranges))
        self.slots = [None] * MAX_MAPPINGS

    def _has_room(self) -> bool:
        partition = self.extent.partition
        count = sum(len(slot.ranges) for slot in self.slots if slot is not None)
        return count < MAX_RANGES and (partition is None or partition.has_room(2 * RANGE_COST))

    def _charge(self, ranges: int) -> None:
        partition = self.extent.partition
        if partition is not None:
            partition.charge(self.extent, ranges * RANGE_COST)

    def _change(self, slot: SparseSlot, start: int, end: int, value: tuple[int, int] | None) -> None:
        before = len(slot.ranges)
        if value is None:
            slot.ranges.remove(start, end)
        else:
            slot.ranges.assign(start, end, value)
        self._charge(len(slot.ranges) - before)


def masked(attrs: int, access: int) -> int:
    """Mapping attributes with the rights that an extent allows."""
    return attrs & (0x00FF_0000 | access << 4 | access)


def pieces(start: int, end: int, *mappings: Mappings) -> list[tuple[int, int]]:
    """[start, end) cut wherever one of the extents' mappings changes."""
    cuts = {start, end}.union(*(each.cuts(start, end) for each in mappings))
    return list(pairwise(sorted(cuts)))


def apply(mappings: Mappings, start: int, end: int) -> int:
    """Put an extent's wishes for [start, end) into stage 2: all, or on an error of `Addrspace.map_pages` none."""
    done: list[tuple[Mapping, int, int]] = []
    for low, high in pieces(start, end, mappings):
        for mapping in mappings.current(low):
            error = mapping.addrspace.map_pages(low - mapping.shift, high - low, low, mapping.attrs)
            if error:
                for made, first, last in done:
                    made.addrspace.unmap_pages(first - made.shift, last - first, first)
                return error
            done.append((mapping, low, high))
    return OK


def withdraw(mappings: Mappings, start: int, end: int) -> None:
    """Take an extent's wishes for [start, end) out of stage 2."""
    for low, high in pieces(start, end, mappings):
        for mapping in mappings.current(low):
            mapping.addrspace.unmap_pages(low - mapping.shift, high - low, low)


def transfer(source: Mappings, target: Mappings, start: int, end: int) -> int:
    """Memory moved from one extent to another: replace the wishes for it in stage 2.

    What both have at the same place with the same rights stays untouched, so that a vCPU which is using it sees
    nothing.  An error of `Addrspace.map_pages`; the rest of the range stays unmapped then.
    """
    for low, high in pieces(start, end, source, target):
        old, new = source.current(low), target.current(low)
        places = {(mapping.addrspace, mapping.shift) for mapping in new}
        for mapping in old:
            if (mapping.addrspace, mapping.shift) not in places:
                mapping.addrspace.unmap_pages(low - mapping.shift, high - low, low)
        for mapping in new:
            there = {other.attrs for other in old if other[:2] == mapping[:2]}
            # An extent may be mapped twice at the same place, with different rights: stage 2 shows either then.
            if there != {mapping.attrs}:
                error = mapping.addrspace.map_pages(low - mapping.shift, high - low, low, mapping.attrs)
                if error:
                    return error
    return OK
