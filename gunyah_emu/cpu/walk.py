"""The guest's stage 1 translation, walked by hand.

The debugger asks for addresses, and the portable way must know why an access faulted.  Source: Arm ARM D8.2
(translation process), D8.3 (descriptors), D8.4 (permissions), D17.2.37 (fault status codes).
"""

from __future__ import annotations

from collections.abc import Callable

from gunyah_emu.cpu.registers import Registers

DATA_READ, DATA_WRITE, FETCH = 0, 1, 2

PHYSICAL_BITS = 44
"""ID_AA64MMFR0_EL1.PARange of the cortex-a57 and a72."""

_GRANULE_BITS_TG0 = {0: 12, 1: 16, 2: 14}
_GRANULE_BITS_TG1 = {1: 14, 2: 12, 3: 16}
_BLOCK_LEVELS = {12: (1, 2), 14: (2,), 16: (2,)}

# Fault status: class plus level (D17.2.37, DFSC)
ADDRESS_SIZE, TRANSLATION, ACCESS_FLAG, PERMISSION, EXTERNAL_ON_WALK = 0x00, 0x04, 0x08, 0x0C, 0x14

_SCTLR_M, _SCTLR_WXN = 1 << 0, 1 << 19
_VALID, _TABLE, _ACCESSED, _PXN, _UXN = 1 << 0, 1 << 1, 1 << 10, 1 << 53, 1 << 54


class Fault:
    """A translation that ends in a fault.

    Attributes:
        status: the fault status code, as in ESR_EL1.DFSC.
    """

    __slots__ = ("status",)

    def __init__(self, status: int) -> None:
        self.status = status

    def __repr__(self) -> str:
        return f"Fault(0x{self.status:02x})"


class _Regime:
    """What TCR_EL1 says about one half of the address space."""

    __slots__ = ("granule_bits", "input_bits", "root", "top_byte_ignored", "walks_disabled")

    def __init__(self, registers: Registers, upper: bool) -> None:
        tcr = registers["TCR_EL1"]
        shift = 16 if upper else 0
        self.input_bits = 64 - min(max(tcr >> shift & 63, 16), 39)
        self.granule_bits = (
            _GRANULE_BITS_TG1.get(tcr >> 30 & 3, 12) if upper else _GRANULE_BITS_TG0.get(tcr >> 14 & 3, 12)
        )
        self.walks_disabled = bool(tcr >> (23 if upper else 7) & 1)
        self.top_byte_ignored = bool(tcr >> (38 if upper else 37) & 1)
        self.root = registers["TTBR1_EL1" if upper else "TTBR0_EL1"] & 0xFFFF_FFFF_FFFE


def walk(registers: Registers, read_word: Callable[[int], int | None], va: int, access: int, el: int) -> int | Fault:
    """The physical address of a virtual one, or why there is none.

    Arguments:
        registers: SCTLR_EL1, TCR_EL1 and the TTBRs are read.
        read_word: eight bytes of physical memory; None where there is none.
        va: the virtual address.
        access: DATA_READ, DATA_WRITE or FETCH.
        el: the exception level that accesses, 0 or 1.
    """
    sctlr = registers["SCTLR_EL1"]
    if not sctlr & _SCTLR_M:
        return _untranslated(registers["TCR_EL1"], va)
    upper = bool(va >> 55 & 1)
    regime = _Regime(registers, upper)
    top = 56 if regime.top_byte_ignored else 64
    above = va >> regime.input_bits & (1 << top - regime.input_bits) - 1
    if above != ((1 << top - regime.input_bits) - 1 if upper else 0):
        return Fault(TRANSLATION)
    if regime.walks_disabled:
        return Fault(TRANSLATION)
    return _walk_tables(regime, read_word, va, access, el, sctlr)


def _untranslated(tcr: int, va: int) -> int | Fault:
    """The MMU is off: an address is its own, if the CPU has that many address bits (AArch64.S1DisabledOutput)."""
    top = 56 if tcr >> (38 if va >> 55 & 1 else 37) & 1 else 64
    if va & (1 << top) - (1 << PHYSICAL_BITS):
        return Fault(ADDRESS_SIZE)
    return va & (1 << 52) - 1


def _walk_tables(
    regime: _Regime, read_word: Callable[[int], int | None], va: int, access: int, el: int, sctlr: int
) -> int | Fault:
    granule, stride = regime.granule_bits, regime.granule_bits - 3
    level = 4 - -(-(regime.input_bits - granule) // stride)
    table, bits = regime.root & ~((1 << regime.input_bits - granule - stride * (3 - level) + 3) - 1), regime.input_bits
    limits = 0  # APTable, XNTable and PXNTable, gathered on the way down
    while True:
        shift = granule + stride * (3 - level)
        descriptor = read_word(table + (va >> shift & (1 << bits - shift) - 1) * 8)
        if descriptor is None:
            return Fault(EXTERNAL_ON_WALK + level)
        is_table = bool(descriptor & _TABLE)
        if not descriptor & _VALID or (level == 3 and not is_table):
            return Fault(TRANSLATION + level)
        if level == 3 or not is_table:
            if level < 3 and level not in _BLOCK_LEVELS[granule]:
                return Fault(TRANSLATION + level)
            break
        limits |= descriptor >> 59
        table, bits, level = descriptor & (1 << 48) - (1 << granule), shift, level + 1
    if not descriptor & _ACCESSED:
        return Fault(ACCESS_FLAG + level)
    if not _permitted(descriptor, limits, access, el, sctlr):
        return Fault(PERMISSION + level)
    offset = (1 << shift) - 1
    return descriptor & (1 << 48) - 1 & ~offset | va & offset


def _permitted(descriptor: int, limits: int, access: int, el: int, sctlr: int) -> bool:
    """AP[2:1], the limits of the tables above, UXN and PXN, WXN (D8.4.1)."""
    read_only = bool(descriptor >> 7 & 1 or limits >> 3 & 1)  # AP[2], APTable[1]
    for_el0 = bool(descriptor >> 6 & 1 and not limits >> 2 & 1)  # AP[1], not APTable[0]
    writable = not read_only
    if access == FETCH:
        if el == 0:
            never = descriptor & _UXN or limits >> 1 & 1 or not for_el0
        else:
            # What EL0 can write, EL1 must not execute.
            never = descriptor & _PXN or limits & 1 or (for_el0 and writable)
        return not (never or (writable and sctlr & _SCTLR_WXN))
    if el == 0 and not for_el0:
        return False
    return access == DATA_READ or writable
