"""A vCPU's registers in the emulator's own CPU state, or in a copy of it."""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from gunyah_emu.cpu.door import OFFSETS
from gunyah_emu.cpu.registers import DAIF, NZCV, Registers

if TYPE_CHECKING:
    from gunyah_emu.cpu._accelerator import Core
    from gunyah_emu.cpu.libunicorn import Unicorn
    from gunyah_emu.cpu.vector_registers import FloatingPoint

_X, _PC, _PSTATE = (OFFSETS[name] for name in ("env_x", "env_pc", "env_pstate"))
_CF, _VF, _NF, _ZF, _DAIF = (OFFSETS[name] for name in ("env_cf", "env_vf", "env_nf", "env_zf", "env_daif"))


class FastRegisters(Registers):
    """A vCPU's registers: in the emulator's CPU state while it is swapped in, else in the copy of it."""

    __slots__ = ("_copy", "_core", "_fields", "_live", "_uc", "_vcpu")

    def __init__(
        self, uc: Unicorn, core: Core, fields: dict[str, int], live: memoryview, copy: memoryview, vcpu: int
    ) -> None:
        self._uc = uc
        self._core = core
        self._fields = fields
        self._live = live
        self._copy = copy
        self._vcpu = vcpu

    @property
    def _context(self) -> memoryview:
        return self._live if self._core.current == self._vcpu else self._copy

    @property
    def x(self) -> MutableSequence[int]:
        """x0..x30, live until another vCPU is swapped in."""
        return general_registers(self._context)

    def detach(self) -> None:
        """The emulator goes; what it held is in the copy now."""
        self._live = self._copy

    def load(self, context: bytes) -> None:
        """Replace everything."""
        self._context[:] = context

    def _get(self, offset: int, size: int = 8) -> int:
        return int.from_bytes(self._context[offset : offset + size], "little")

    def _set(self, offset: int, value: int, size: int = 8) -> None:
        self._context[offset : offset + size] = value.to_bytes(size, "little")

    @property
    def sp(self) -> int:
        """The stack pointer in use."""
        return self._get(_X + 31 * 8)

    @sp.setter
    def sp(self, value: int) -> None:
        self._set(_X + 31 * 8, value)

    @property
    def pc(self) -> int:
        """Where the next instruction is."""
        return self._get(_PC)

    @pc.setter
    def pc(self, value: int) -> None:
        self._set(_PC, value)

    @property
    def pstate(self) -> int:
        """Flags, masks, exception level and stack selection; the emulator keeps them apart."""
        flags = (self._get(_NF, 4) >> 31) << 31 | (self._get(_ZF, 4) == 0) << 30
        flags |= self._get(_CF, 4) << 29 | (self._get(_VF, 4) >> 31) << 28
        return flags | self._get(_DAIF) & DAIF | self._get(_PSTATE, 4) & ~(NZCV | DAIF)

    @pstate.setter
    def pstate(self, value: int) -> None:
        old_el, new_el = (
            level if level & 3 else 0 for level in (self._stack(self._get(_PSTATE, 4)), self._stack(value))
        )
        if old_el != new_el:  # the live SP is the one that the old state selects
            banks = tuple(self._fields[name] for name in ("SP_EL0", "SP_EL1"))
            self._set(banks[old_el], self.sp)
            self.sp = self._get(banks[new_el])
        self._set(_NF, value & 1 << 31, 4)
        self._set(_ZF, not value >> 30 & 1, 4)
        self._set(_CF, value >> 29 & 1, 4)
        self._set(_VF, (value >> 28 & 1) << 31, 4)
        self._set(_DAIF, value & DAIF)
        self._set(_PSTATE, value & ~(NZCV | DAIF), 4)
        self._core.touch(self._vcpu)

    @property
    def fp(self) -> FloatingPoint:
        """V0..V31, FPCR and FPSR."""
        from gunyah_emu.cpu.vector_registers import FloatingPoint

        return FloatingPoint(self._uc, self._visit)

    @contextmanager
    def _visit(self) -> Iterator[None]:
        """Put the copy into the emulator's CPU state, and take it out again: nothing runs between."""
        live, context = self._live, self._context
        if context is live:
            yield
            return
        resident = bytes(live)
        live[:] = context
        try:
            yield
        finally:
            context[:] = live
            live[:] = resident

    @staticmethod
    def _stack(pstate: int) -> int:
        return 1 if pstate & 1 and pstate & 0xC else 0

    def __getitem__(self, name: str) -> int:
        if name == "SP_EL0" or name == "SP_EL1":
            live = ("SP_EL0", "SP_EL1")[self._stack(self._get(_PSTATE, 4))]
            if name == live:
                return self.sp
        return self._get(self._fields[name])

    def __setitem__(self, name: str, value: int) -> None:
        if name == ("SP_EL0", "SP_EL1")[self._stack(self._get(_PSTATE, 4))]:
            self.sp = value
        self._set(self._fields[name], value)
        self._core.touch(self._vcpu)


def general_registers(context: memoryview) -> MutableSequence[int]:
    """x0..x30 of a CPU state."""
    return cast("MutableSequence[int]", context[_X : _X + 31 * 8].cast("Q"))
