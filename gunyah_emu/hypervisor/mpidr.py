"""How the index of a vCPU in its VIC becomes the affinity fields of its MPIDR_EL1, and back (Arm ARM, MPIDR_EL1)."""

from __future__ import annotations

from typing import Final, NamedTuple

FIELD_POSITIONS: Final = (0, 8, 16, 32)
"""Lowest bit of Aff0..Aff3 in MPIDR_EL1."""

_RES1: Final = 1 << 31
_U: Final = 1 << 30
_MT: Final = 1 << 24
_MAX_INDEX: Final = 0x7FFF


class MpidrMapping(NamedTuple):
    """Which bits of the index each affinity field holds.

    Arguments:
        masks: the bits used of Aff0..Aff3.
        shifts: the lowest bit of the index in each.
        multi_thread: MPIDR_EL1.MT.
        uniprocessor: MPIDR_EL1.U.

    """

    masks: tuple[int, ...]
    shifts: tuple[int, ...]
    multi_thread: bool
    uniprocessor: bool

    @classmethod
    def checked(cls, mask: int, shifts: tuple[int, ...], *, multi_thread: bool) -> MpidrMapping | None:
        """A mapping that gives every index one MPIDR, or `None` (rules as in vgic_set_mpidr_mapping)."""
        masks = tuple(mask >> position & 0xFF for position in FIELD_POSITIONS)
        covered = 0
        for field, shift in zip(masks, shifts, strict=True):
            if shift >= 32 or covered & field << shift:
                return None
            covered |= field << shift
        if covered & (covered + 1) or covered > _MAX_INDEX:
            return None
        return cls(masks, shifts, multi_thread, uniprocessor=covered == 0)

    def mpidr(self, index: int) -> int:
        """MPIDR_EL1 of the vCPU with this index."""
        value = _RES1 | (_U if self.uniprocessor else 0) | (_MT if self.multi_thread else 0)
        for mask, shift, position in zip(self.masks, self.shifts, FIELD_POSITIONS, strict=True):
            value |= (index >> shift & mask) << position
        return value

    def index_of(self, mpidr: int) -> int | None:
        """The index that the affinity fields name, or `None` where they use bits that the mapping has not."""
        index = 0
        for mask, shift, position in zip(self.masks, self.shifts, FIELD_POSITIONS, strict=True):
            field = mpidr >> position & 0xFF
            if field & ~mask:
                return None
            index |= field << shift
        return index


DEFAULT_MAPPING: Final = MpidrMapping((0x7, 0, 0, 0), (0, 0, 0, 0), multi_thread=False, uniprocessor=False)
"""That of the recorded machine: eight cores in one cluster, by Aff0 (recorded: 0x80000000 for index 0)."""
