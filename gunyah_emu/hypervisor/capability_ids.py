"""Capability ids: what a guest sees instead of a slot number.

A slot has a 16-bit value, `table << 8 | index` with 62 slots a table, and its id is `(value * multiplier) ^ base`
(read in the source of the real hypervisor; its consequences are recorded): a base that is random in all 64 bits and a
random 16-bit multiplier per cspace, so that no id can be guessed and ids of another cspace do not decode.  Decoding
divides by the multiplier, hence is lossy: `id + 1` may name the same slot.

`sequential` ids, the default, use the multiplier 1 and a base of their own per cspace above bit 32.  They are
readable and the same in every run, yet an id cut to 32 bits, a small integer and an id of another cspace stay
undecodable, as in production.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SLOTS_PER_TABLE: Final = 62
TABLES: Final = 224

_U32: Final = 0xFFFF_FFFF
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF


class CapabilityIds:
    """The coding of one cspace.

    Arguments:
        base: 64 bits that every id is XORed with.
        multiplier: 1..65535.

    """

    __slots__ = ("base", "inverse", "multiplier")

    def __init__(self, base: int, multiplier: int) -> None:
        assert 1 <= multiplier <= 0xFFFF
        self.base = base
        self.multiplier = multiplier
        self.inverse = (1 << 32) // multiplier + 1

    @classmethod
    def sequential(cls, number: int) -> CapabilityIds:
        """The readable coding of the cspace with this number, counted from 0."""
        return cls((number + 1) << 32, 1)

    @classmethod
    def random(cls, entropy: Callable[[int], bytes]) -> CapabilityIds:
        """The coding of production; `entropy(size)` gives random bytes.

        Bases of 0xffffff00_00000000 and above are not used: ids such as -1 must stay invalid.
        """
        base = _U64
        while base >> 32 >= 0xFFFF_FF00:
            base = int.from_bytes(entropy(8), "little")
        multiplier = int.from_bytes(entropy(8), "little")
        while not multiplier & 0xFFFF:
            multiplier = 0x5555 << 48 | multiplier >> 16
        return cls(base, multiplier & 0xFFFF)

    def encode(self, slot: int) -> int:
        """The id of a slot, counted from 0."""
        table, index = divmod(slot, SLOTS_PER_TABLE)
        return (table << 8 | index) * self.multiplier ^ self.base

    def decode(self, cap_id: int) -> int | None:
        """The slot that an id names, or `None` when it is undecodable."""
        scaled = cap_id ^ self.base
        value = (scaled * self.inverse & _U64) >> 32
        if scaled > _U32 or value > 0xFFFF:
            return None
        table, index = value >> 8, value & 0xFF
        return table * SLOTS_PER_TABLE + index if table < TABLES and index < SLOTS_PER_TABLE else None
