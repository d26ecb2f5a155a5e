"""A place for a vCPU in an engine, and the GIC system registers that are seen there.

Which GIC a vCPU belongs to may be known only after the engine exists: a root guest attaches threads while it runs.
Where it is known the registers are the interface's own methods; where it is not, they look for it at each access.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.cpu import SystemRegister
from gunyah_emu.gic import CPU_INTERFACE_REGISTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.gic.cpu_interface import CpuInterface


class Slot:
    """A vCPU's place.

    Arguments:
        interface: the GIC CPU interface of the vCPU that will be here, when it is known.
    """

    __slots__ = ("interface", "registers")

    def __init__(self, interface: CpuInterface | None) -> None:
        self.interface = interface
        self.registers = [
            SystemRegister(
                register.name,
                register.encoding,
                self._reader(register.reader) if register.reader else None,
                self._writer(register.writer) if register.writer else None,
            )
            for register in CPU_INTERFACE_REGISTERS
        ]

    def _reader(self, method: str) -> Callable[[], int | None]:
        if self.interface is not None:
            bound: Callable[[], int | None] = getattr(self.interface, method)
            return bound

        def read() -> int | None:
            value: int | None = None if self.interface is None else getattr(self.interface, method)()
            return value

        return read

    def _writer(self, method: str) -> Callable[[int], bool]:
        if self.interface is not None:
            bound: Callable[[int], bool] = getattr(self.interface, method)
            return bound

        def write(value: int) -> bool:
            done: bool = self.interface is not None and getattr(self.interface, method)(value)
            return done

        return write
