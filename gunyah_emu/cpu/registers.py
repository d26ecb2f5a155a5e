"""The registers of a vCPU by name, for debuggers, power control and messages; for a vCPU that is swapped in or not.

`SYSTEM` declares the system registers; each way finds for itself where they are stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import MutableSequence
from typing import TYPE_CHECKING

from gunyah_emu.cpu.libunicorn import Encoding

if TYPE_CHECKING:
    from gunyah_emu.cpu.vector_registers import FloatingPoint

SYSTEM: dict[str, Encoding] = {
    "SCTLR_EL1": (3, 0, 1, 0, 0),
    "CPACR_EL1": (3, 0, 1, 0, 2),
    "TTBR0_EL1": (3, 0, 2, 0, 0),
    "TTBR1_EL1": (3, 0, 2, 0, 1),
    "TCR_EL1": (3, 0, 2, 0, 2),
    "SPSR_EL1": (3, 0, 4, 0, 0),
    "ELR_EL1": (3, 0, 4, 0, 1),
    "SP_EL0": (3, 0, 4, 1, 0),
    "SP_EL1": (3, 4, 4, 1, 0),
    "ESR_EL1": (3, 0, 5, 2, 0),
    "FAR_EL1": (3, 0, 6, 0, 0),
    "PAR_EL1": (3, 0, 7, 4, 0),
    "MAIR_EL1": (3, 0, 10, 2, 0),
    "VBAR_EL1": (3, 0, 12, 0, 0),
    "CONTEXTIDR_EL1": (3, 0, 13, 0, 1),
    "TPIDR_EL1": (3, 0, 13, 0, 4),
    "TPIDR_EL0": (3, 3, 13, 0, 2),
    "TPIDRRO_EL0": (3, 3, 13, 0, 3),
    "CNTKCTL_EL1": (3, 0, 14, 1, 0),
    "VMPIDR_EL2": (3, 4, 0, 0, 5),
}
"""System registers by their architectural names.  The live stack pointer is `sp`; SP_EL0 and SP_EL1 are the banked
copies."""

NZCV, DAIF, EL, SPSEL = 0xF << 28, 0xF << 6, 3 << 2, 1
PSTATE_EL1H_MASKED = DAIF | 1 << 2 | SPSEL
"""EL1, its own stack pointer, all interrupts masked: how a vCPU starts and how it enters a vector."""


class Registers(ABC):
    """One vCPU's registers: `x[0..30]`, `sp`, `pc`, `pstate`, and system registers by name as `registers["ESR_EL1"]`.

    `pstate` has SPSR_EL1's layout: N Z C V (31:28), D A I F (9:6), EL (3:2), SP (0).
    """

    __slots__ = ()

    @property
    @abstractmethod
    def x(self) -> MutableSequence[int]:
        """x0..x30, to be read and written one by one."""

    @property
    @abstractmethod
    def sp(self) -> int:
        """The stack pointer in use."""

    @sp.setter
    @abstractmethod
    def sp(self, value: int) -> None: ...

    @property
    @abstractmethod
    def pc(self) -> int:
        """Where the next instruction is."""

    @pc.setter
    @abstractmethod
    def pc(self, value: int) -> None: ...

    @property
    @abstractmethod
    def pstate(self) -> int:
        """Flags, masks, exception level and stack selection."""

    @pstate.setter
    @abstractmethod
    def pstate(self, value: int) -> None: ...

    @property
    @abstractmethod
    def fp(self) -> FloatingPoint:
        """V0..V31 as `fp.v`, `fp.fpcr`, `fp.fpsr`."""

    @abstractmethod
    def __getitem__(self, name: str) -> int:
        """A system register by its name; KeyError for one that `SYSTEM` does not declare."""

    @abstractmethod
    def __setitem__(self, name: str, value: int) -> None: ...
