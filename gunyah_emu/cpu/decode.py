"""Which address an instruction accesses: the portable way's substitute for a syndrome.

Unicorn's public API says that an access failed, not which: so the load or store at PC is decoded and its address
computed again.  `syndrome_valid` holds for exactly those forms for which hardware fills in ESR_EL2.ISV, and which a
trap can therefore complete.

Source: Arm ARM C4.1.94 (loads and stores), D17.2.37 (ISS of a data abort).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

_MASK64 = (1 << 64) - 1


class Access:
    """One load or store.

    Attributes:
        address: the virtual address, size: in bytes, all registers together.
        is_read, is_write: both for a read-modify-write.
        unprivileged: LDTR and STTR access as EL0 does.
        syndrome_valid: whether one general register is moved, without write-back; then
        target: its number, is_signed: sign-extended, is_64: to 64 bits.
    """

    __slots__ = (
        "address", "is_64", "is_read", "is_signed", "is_write", "size", "syndrome_valid", "target", "unprivileged",
    )  # fmt: skip

    def __init__(self, address: int, size: int, *, is_read: bool, is_write: bool) -> None:
        self.address = address & _MASK64
        self.size = size
        self.is_read = is_read
        self.is_write = is_write
        self.unprivileged = False
        self.syndrome_valid = False
        self.target = 31
        self.is_signed = False
        self.is_64 = False

    def of_register(self, target: int, *, is_signed: bool, is_64: bool) -> Access:
        """The same access: it moves one general register and has a syndrome."""
        self.syndrome_valid = True
        self.target = target
        self.is_signed = is_signed
        self.is_64 = is_64
        return self


class _Operands:
    """The instruction's fields and the registers that they name."""

    __slots__ = ("instruction", "pc", "sp", "x")

    def __init__(self, instruction: int, x: Sequence[int], sp: int, pc: int) -> None:
        self.instruction = instruction
        self.x = x
        self.sp = sp
        self.pc = pc

    def bits(self, high: int, low: int) -> int:
        return self.instruction >> low & (1 << high - low + 1) - 1

    def signed(self, high: int, low: int) -> int:
        width = high - low + 1
        return (self.bits(high, low) ^ 1 << width - 1) - (1 << width - 1)

    @property
    def base(self) -> int:
        number = self.bits(9, 5)
        return self.sp if number == 31 else self.x[number]


def decode_access(instruction: int, x: Sequence[int], sp: int, pc: int) -> Access | None:
    """The access that the instruction at `pc` makes; None when it makes none."""
    operands = _Operands(instruction, x, sp, pc)
    for mask, value, decode in _FORMS:
        if instruction & mask == value:
            return decode(operands)
    return None


def _structures(o: _Operands) -> Access | None:
    """LD1..LD4 and ST1..ST4 of whole registers."""
    registers = {0: 4, 2: 4, 4: 3, 6: 3, 7: 1, 8: 2, 10: 2}.get(o.bits(15, 12))
    if registers is None:
        return None
    return _move(o.base, registers * (16 if o.bits(30, 30) else 8), is_load=bool(o.bits(22, 22)))


def _one_structure(o: _Operands) -> Access:
    """LD1..LD4 and ST1..ST4 of one lane, LD1R..LD4R."""
    elements = (o.bits(13, 13) << 1 | o.bits(21, 21)) + 1
    scale = o.bits(15, 14)
    if scale == 3:
        scale = o.bits(11, 10)
    elif scale == 2 and o.bits(10, 10):
        scale = 3
    return _move(o.base, elements << scale, is_load=bool(o.bits(22, 22)))


def _move(address: int, size: int, *, is_load: bool) -> Access:
    return Access(address, size, is_read=is_load, is_write=not is_load)


def _exclusive(o: _Operands) -> Access:
    """LDXR, STXR and their pairs; LDAR, STLR; CAS, CASP."""
    size, is_load, o1 = o.bits(31, 30), bool(o.bits(22, 22)), o.bits(21, 21)
    if o.bits(23, 23):
        if o1:
            return Access(o.base, 1 << size, is_read=True, is_write=True)  # CAS
        return _move(o.base, 1 << size, is_load=is_load).of_register(o.bits(4, 0), is_signed=False, is_64=size == 3)
    if o1 and size < 2:
        return Access(o.base, 8 << size, is_read=True, is_write=True)  # CASP
    return _move(o.base, 1 << size + o1, is_load=is_load)


def _literal(o: _Operands) -> Access | None:
    address, opc = o.pc + o.signed(23, 5) * 4, o.bits(31, 30)
    if o.bits(26, 26):
        return _move(address, 4 << opc, is_load=True)
    if opc == 3:
        return None  # PRFM
    load = _move(address, 8 if opc == 1 else 4, is_load=True)
    return load.of_register(o.bits(4, 0), is_signed=opc == 2, is_64=opc > 0)


def _pair(o: _Operands) -> Access:
    opc = o.bits(31, 30)
    scale = 2 + opc if o.bits(26, 26) else 2 + (opc >> 1)
    offset = 0 if o.bits(24, 23) == 1 else o.signed(21, 15) << scale  # post-indexed: the base as it is
    return _move(o.base + offset, 2 << scale, is_load=bool(o.bits(22, 22)))


def _single(o: _Operands, offset: Callable[[int], int], *, has_syndrome: bool = True) -> Access | None:
    """Load or store of one register at base + offset(scale)."""
    size, opc = o.bits(31, 30), o.bits(23, 22)
    if o.bits(26, 26):
        scale = (opc >> 1) << 2 | size
        return _move(o.base + offset(scale), 1 << scale, is_load=bool(opc & 1))
    if size == 3 and opc >= 2:
        return None  # PRFM
    access = _move(o.base + offset(size), 1 << size, is_load=opc != 0)
    if has_syndrome:
        access.of_register(o.bits(4, 0), is_signed=opc >= 2, is_64=size == 3 if opc < 2 else opc == 2)
    return access


def _unsigned_immediate(o: _Operands) -> Access | None:
    return _single(o, lambda scale: o.bits(21, 10) << scale)


def _immediate(o: _Operands) -> Access | None:
    """Unscaled, post-indexed, unprivileged, pre-indexed."""
    kind = o.bits(11, 10)
    access = _single(o, lambda _scale: 0 if kind == 1 else o.signed(20, 12), has_syndrome=kind in (0, 2))
    if access is not None and kind == 2:
        access.unprivileged = True
    return access


def _register_offset(o: _Operands) -> Access | None:
    number, option = o.bits(20, 16), o.bits(15, 13)
    index = 0 if number == 31 else o.x[number]
    if option & 3 == 2:  # UXTW, SXTW
        index &= 0xFFFF_FFFF
        if option & 4 and index >> 31:
            index -= 1 << 32
    return _single(o, lambda scale: index << (scale if o.bits(12, 12) else 0))


def _atomic(o: _Operands) -> Access:
    """LDADD and its kind, SWP; LDAPR, which is a load."""
    size = o.bits(31, 30)
    if o.bits(15, 12) == 0b1100:
        return _move(o.base, 1 << size, is_load=True).of_register(o.bits(4, 0), is_signed=False, is_64=size == 3)
    return Access(o.base, 1 << size, is_read=True, is_write=True)


def _authenticated(o: _Operands) -> Access:
    """LDRAA and LDRAB: the address without its authentication code."""
    offset = ((o.bits(22, 22) << 9 | o.bits(20, 12)) ^ 0x200) - 0x200
    address = o.base
    address = address | ~0 << 48 if address >> 55 & 1 else address & (1 << 48) - 1
    return _move(address + offset * 8, 8, is_load=True)


def _ordered_unscaled(o: _Operands) -> Access | None:
    """LDAPUR and STLUR."""
    return _single(o, lambda _scale: o.signed(20, 12))


def _zero_block(o: _Operands) -> Access:
    """DC ZVA: all of a block of 64 bytes, reported by the address that was given."""
    number = o.bits(4, 0)
    return Access(0 if number == 31 else o.x[number], 1, is_read=False, is_write=True)


_FORMS: tuple[tuple[int, int, Callable[[_Operands], Access | None]], ...] = (
    (0x3F00_0000, 0x3900_0000, _unsigned_immediate),
    (0x3F00_0000, 0x3D00_0000, _unsigned_immediate),
    (0x3B20_0000, 0x3800_0000, _immediate),
    (0x3B20_0C00, 0x3820_0800, _register_offset),
    (0x3A00_0000, 0x2800_0000, _pair),
    (0x3F00_0000, 0x0800_0000, _exclusive),
    (0x3B00_0000, 0x1800_0000, _literal),
    (0x3F20_0C00, 0x3820_0000, _atomic),
    (0x3F20_0400, 0x3820_0400, _authenticated),
    (0x3F20_0C00, 0x1900_0000, _ordered_unscaled),
    (0xBF00_0000, 0x0C00_0000, _structures),
    (0xBF00_0000, 0x0D00_0000, _one_structure),
    (0xFFFF_FFE0, 0xD50B_7420, _zero_block),
)
