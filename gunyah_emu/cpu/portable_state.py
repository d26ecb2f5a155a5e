"""The portable way's emulator, which vCPU is in it, and how instructions are counted."""

from __future__ import annotations

from abc import abstractmethod
from ctypes import c_void_p
from functools import partial

from gunyah_emu.cpu import libunicorn as u
from gunyah_emu.cpu.engine import Engine
from gunyah_emu.cpu.identity import BREAKPOINTS
from gunyah_emu.cpu.portable_registers import PortableRegisters
from gunyah_emu.cpu.registers import SYSTEM
from gunyah_emu.cpu.seam import Setup, Stop

_SPSR = SYSTEM["SPSR_EL1"]


class PortableState(Engine):
    """An emulator on Unicorn's public API, its vCPUs and its accounts."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._budget = self._granted = self._base = self._block_end = self._block_size = 0
        self._stop = Stop.BUDGET
        self._first: tuple[int, int, int] = (0, 0, 0)  # ESR, ELR, FAR of the last exception that led elsewhere
        self._first_vector = self._first_retired = 0
        self._has_pan = self.cpu_model == "max"
        self._uc = u.Unicorn(self.cpu_model)
        self._has_breakpoints = False  # some vCPU has, or had
        self._resident = 0  # the vCPU that is in the emulator
        self._contexts: list[c_void_p] = []
        # Handlers look at other vCPUs too, which swaps those in; so what follows a handler says which one it means.
        self._views = [PortableRegisters(self._uc, partial(self._load, vcpu)) for vcpu in range(self.vcpus)]
        self._trapped = [{r.encoding: r for r in row} for row in self._declared_registers()]

    def _load(self, vcpu: int) -> None:
        assert self._uc.handle.value is not None, "the engine is closed"
        if vcpu != self._resident:
            self._uc.save(self._contexts[self._resident])
            self._uc.restore(self._contexts[vcpu])
            self._resident = vcpu

    # The emulator keeps the enabled breakpoints of all vCPUs in one list, and in each vCPU's state where its own are: a
    # state that is to outlive them must be without any.

    def _swap_controls(self, vcpu: int, controls: tuple[int, ...] = (0,) * BREAKPOINTS) -> tuple[int, ...]:
        """Load a vCPU and write DBGBCRn_EL1; returns what they were."""
        if not self._has_breakpoints:
            return controls
        self._load(vcpu)
        before = tuple(self._uc.read_system((2, 0, 0, number, 5)) for number in range(BREAKPOINTS))
        self._write_controls(controls)
        return before

    @abstractmethod
    def _write_controls(self, controls: tuple[int, ...]) -> None:
        """Have the emulator execute writes to DBGBCRn_EL1: the public API would not tell its list."""

    def _derive_anew(self) -> None:
        """Let the emulator derive anew what follows from PSTATE, as it does when a register like this is written."""
        self._uc.write_system(_SPSR, self._uc.read_system(_SPSR))

    # ------------------------------------------------------------------ accounting

    @property
    def retired(self) -> int:
        """Instructions charged by the last run, or by this one so far."""
        return self._granted - self._budget

    def now(self) -> int:
        """Virtual time in instructions."""
        return self._base + self._granted - self._budget

    def set_clock(self, base: int) -> None:
        """Instructions before the next run."""
        self._base = base

    def request_stop(self) -> None:
        """Stop at the next block."""
        self._end(Stop.REQUESTED)

    def shorten(self, budget: int) -> None:
        """Leave at most this much budget."""
        budget = max(budget, 0)
        if self._budget > budget:
            self._granted -= self._budget - budget
            self._budget = budget

    def _end(self, reason: Stop) -> None:
        self._stop = max(self._stop, reason)
        self.shorten(0)

    def _settle(self, next_pc: int) -> None:
        """Give back the part of the running block that lies at and behind next_pc; without a block, charge one."""
        if self._block_end:
            self._budget += self._rest(next_pc)
            self._block_end = 0
        else:
            self._budget -= 1

    def _rest(self, next_pc: int) -> int:
        rest = (self._block_end - next_pc & (1 << 64) - 1) >> 2
        return rest if rest <= 1024 else 0
