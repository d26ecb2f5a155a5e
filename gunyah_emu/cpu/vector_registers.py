"""FP and SIMD registers of a vCPU, through Unicorn's public API on both ways.

Only debuggers ask for them, one by one and while the machine stands, so speed does not count and no offset of Unicorn's
is worth knowing: what keeps FPSR is spread over the state of its floating-point library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableSequence
from contextlib import AbstractContextManager
from typing import overload

from gunyah_emu.cpu.libunicorn import REG_FPCR, REG_FPSR, REG_V0, Unicorn

COUNT = 32
_MASK128 = (1 << 128) - 1
_MASK32 = (1 << 32) - 1

Visit = Callable[[], AbstractContextManager[object]]
"""Makes a vCPU the one that the emulator holds, for as long as the context is open."""


class Vectors(MutableSequence[int]):
    """V0..V31, live, 128 bits each.

    Arguments:
        uc: the emulator.
        visit: brings the vCPU into it.
    """

    __slots__ = ("_uc", "_visit")

    def __init__(self, uc: Unicorn, visit: Visit) -> None:
        self._uc = uc
        self._visit = visit

    def __len__(self) -> int:
        return COUNT

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> MutableSequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | MutableSequence[int]:
        numbers = range(COUNT)[index]
        with self._visit():
            if isinstance(numbers, range):
                return [self._uc.read_vector(REG_V0 + number) for number in numbers]
            return self._uc.read_vector(REG_V0 + numbers)

    @overload
    def __setitem__(self, index: int, value: int) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[int]) -> None: ...
    def __setitem__(self, index: int | slice, value: int | Iterable[int]) -> None:
        if isinstance(index, slice) or not isinstance(value, int):
            raise TypeError("registers are written one by one, with integers")
        if not 0 <= value <= _MASK128:
            raise ValueError(f"a vector register's value must fit into 128 bits, not {value}")
        number = range(COUNT)[index]
        with self._visit():
            self._uc.write_vector(REG_V0 + number, value)

    def __delitem__(self, index: int | slice) -> None:
        raise TypeError("a CPU keeps its registers")

    def insert(self, index: int, value: int) -> None:
        """A CPU gets no further registers: TypeError."""
        raise TypeError("a CPU gets no further registers")


class FloatingPoint:
    """V0..V31, FPCR and FPSR of one vCPU.

    Arguments:
        uc: the emulator.
        visit: brings the vCPU into it.
    """

    __slots__ = ("_uc", "_visit", "v")

    def __init__(self, uc: Unicorn, visit: Visit) -> None:
        self._uc = uc
        self._visit = visit
        self.v: MutableSequence[int] = Vectors(uc, visit)

    @property
    def fpcr(self) -> int:
        """How to round, what to flush, which exceptions trap."""
        with self._visit():
            return self._uc.read(REG_FPCR)

    @fpcr.setter
    def fpcr(self, value: int) -> None:
        with self._visit():
            self._uc.write(REG_FPCR, value & _MASK32)

    @property
    def fpsr(self) -> int:
        """Which exceptions have happened."""
        with self._visit():
            return self._uc.read(REG_FPSR)

    @fpsr.setter
    def fpsr(self, value: int) -> None:
        with self._visit():
            self._uc.write(REG_FPSR, value & _MASK32)
