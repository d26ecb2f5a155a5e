"""A device's registers, declared once as a table: offset, name, which bits are kept, what reading and writing do.

Narrow accesses reach the register that holds their bytes, as on the APB; what no row declares reads as zero and ignores
writes, as the PrimeCells' manuals say of their reserved locations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Register(NamedTuple):
    """One 32-bit register.

    Attributes:
        offset: from the device's base, a multiple of 4.
        name: as in the device's manual.
        purpose: what it is for.
        mask: the bits that are kept when it is written; 0 for a register that only its methods know.
        reset: what is kept at reset.
        reader: name of the method that answers a load; "": what is kept.
        writer: name of the method that takes a store; "": the bits of `mask` are kept.
    """

    offset: int
    name: str
    purpose: str
    mask: int = 0
    reset: int = 0
    reader: str = ""
    writer: str = ""


class RegisterBlock:
    """A device that consists of 32-bit registers, and a PrimeCell's identification at its end.

    Subclasses declare `REGISTERS`, and `IDENTIFICATION`: the eight bytes of PeriphID0..3 and PCellID0..3.
    """

    REGISTERS: ClassVar[tuple[Register, ...]]
    IDENTIFICATION: ClassVar[bytes]

    def __init__(self) -> None:
        #: what registers keep, by offset
        self.kept = {0xFE0 + 4 * index: byte for index, byte in enumerate(self.IDENTIFICATION)}
        self._masks: dict[int, int] = {}
        self._readers: dict[int, Callable[[], int]] = {}
        self._writers: dict[int, Callable[[int], None]] = {}
        for register in self.REGISTERS:
            self.kept[register.offset] = register.reset
            self._masks[register.offset] = register.mask
            if register.reader:
                self._readers[register.offset] = getattr(self, register.reader)
            if register.writer:
                self._writers[register.offset] = getattr(self, register.writer)

    def read(self, offset: int, size: int) -> int | None:
        """A guest's load of `size` bytes."""
        if size == 4:  # a whole register: what drivers do
            reader = self._readers.get(offset)
            if reader is not None:
                return reader()
        if size == 8:
            return self.read_word(offset) | self.read_word(offset + 4) << 32
        return self.read_word(offset & ~3) >> 8 * (offset & 3) & ((1 << 8 * size) - 1)

    def write(self, offset: int, size: int, value: int) -> bool:
        """A guest's store of `size` bytes."""
        if size == 4 and (writer := self._writers.get(offset)) is not None:
            writer(value)
        elif size == 8:
            self.write_word(offset, value & 0xFFFF_FFFF)
            self.write_word(offset + 4, value >> 32)
        else:
            self.write_word(offset & ~3, value << 8 * (offset & 3) & 0xFFFF_FFFF)
        return True

    def read_word(self, offset: int) -> int:
        """A load of the register at a multiple of 4."""
        reader = self._readers.get(offset)
        return self.kept.get(offset, 0) if reader is None else reader()

    def write_word(self, offset: int, value: int) -> None:
        """A store to the register at a multiple of 4."""
        writer = self._writers.get(offset)
        if writer is not None:
            writer(value)
        elif offset in self._masks:
            self.kept[offset] = value & self._masks[offset]
