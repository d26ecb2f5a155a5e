"""A vCPU's registers through Unicorn's public API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableSequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, overload

from gunyah_emu.cpu.libunicorn import REG_PC, REG_PSTATE, REG_SP, X_REGISTERS, Unicorn
from gunyah_emu.cpu.registers import SYSTEM, Registers

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gunyah_emu.cpu.vector_registers import FloatingPoint

_MASK64 = (1 << 64) - 1


class _General(MutableSequence[int]):
    """x0..x30, live."""

    __slots__ = ("_load", "_uc")

    def __init__(self, uc: Unicorn, load: Callable[[], object]) -> None:
        self._uc = uc
        self._load = load

    def __len__(self) -> int:
        return len(X_REGISTERS)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> MutableSequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | MutableSequence[int]:
        self._load()
        if isinstance(index, slice):
            return [self._uc.read(register) for register in X_REGISTERS[index]]
        return self._uc.read(X_REGISTERS[index])

    @overload
    def __setitem__(self, index: int, value: int) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[int]) -> None: ...
    def __setitem__(self, index: int | slice, value: int | Iterable[int]) -> None:
        if isinstance(index, slice) or not isinstance(value, int):
            raise TypeError("registers are written one by one, with integers")
        if not 0 <= value <= _MASK64:
            raise ValueError(f"a register's value must fit into 64 bits, not {value}")
        self._load()
        self._uc.write(X_REGISTERS[index], value)

    def __delitem__(self, index: int | slice) -> None:
        raise TypeError("a CPU keeps its registers")

    def insert(self, index: int, value: int) -> None:
        """A CPU gets no further registers: TypeError."""
        raise TypeError("a CPU gets no further registers")


class PortableRegisters(Registers):
    """A vCPU's registers through the public API; `load` brings the vCPU into the emulator first."""

    __slots__ = ("_general", "_load", "_uc")

    def __init__(self, uc: Unicorn, load: Callable[[], object]) -> None:
        self._uc = uc
        self._load = load
        self._general = _General(uc, load)

    @property
    def x(self) -> MutableSequence[int]:
        """x0..x30."""
        return self._general

    @property
    def sp(self) -> int:
        """The stack pointer in use."""
        self._load()
        return self._uc.read(REG_SP)

    @sp.setter
    def sp(self, value: int) -> None:
        self._load()
        self._uc.write(REG_SP, value)

    @property
    def pc(self) -> int:
        """Where the next instruction is."""
        self._load()
        return self._uc.read(REG_PC)

    @pc.setter
    def pc(self, value: int) -> None:
        self._load()
        self._uc.write(REG_PC, value)

    @property
    def pstate(self) -> int:
        """Flags, masks, exception level and stack selection."""
        self._load()
        return self._uc.read(REG_PSTATE)

    @pstate.setter
    def pstate(self, value: int) -> None:
        uc = self._uc
        old, new = _stack(self.pstate), _stack(value)
        if old != new:
            uc.write_system(SYSTEM[old], uc.read(REG_SP))
            uc.write(REG_SP, uc.read_system(SYSTEM[new]))
        uc.write(REG_PSTATE, value)
        # Unicorn derives from PSTATE what it translates code for only when a system register is written.
        uc.write_system(SYSTEM["SPSR_EL1"], uc.read_system(SYSTEM["SPSR_EL1"]))

    @property
    def fp(self) -> FloatingPoint:
        """V0..V31, FPCR and FPSR."""
        from gunyah_emu.cpu.vector_registers import FloatingPoint

        return FloatingPoint(self._uc, self._visit)

    def _visit(self) -> AbstractContextManager[object]:
        self._load()
        return nullcontext()

    def __getitem__(self, name: str) -> int:
        self._load()
        if name == _stack(self._uc.read(REG_PSTATE)):
            return self._uc.read(REG_SP)
        return self._uc.read_system(SYSTEM[name])

    def __setitem__(self, name: str, value: int) -> None:
        self._load()
        if name == _stack(self._uc.read(REG_PSTATE)):
            self._uc.write(REG_SP, value)
        self._uc.write_system(SYSTEM[name], value)
        self._uc.flush_tlb()


def _stack(pstate: int) -> str:
    return "SP_EL1" if pstate & 1 and pstate & 0xC else "SP_EL0"
