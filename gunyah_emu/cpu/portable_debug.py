"""How the portable way halts between any two instructions: as `accelerator/debug.c` does, on the public API."""

from __future__ import annotations

from abc import abstractmethod
from ctypes import string_at
from typing import cast

from gunyah_emu.cpu import libunicorn as u
from gunyah_emu.cpu.debugging import NEVER_HALT, NOWHERE, Halt, Wanted
from gunyah_emu.cpu.libunicorn import Encoding
from gunyah_emu.cpu.portable_state import PortableState
from gunyah_emu.cpu.seam import PAGE, Ram, Setup, Stop
from gunyah_emu.cpu.sysreg import SystemRegister

_NOTHING = (0, 0)
_Saved = tuple[
    int, int, tuple[bool, ...], tuple[tuple[int, int], ...], int, tuple[bytes, ...], tuple[tuple[int, ...], ...]
]


class PortableDebug(PortableState):
    """What a debugger asks of an engine."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._wanted: Wanted | None = None
        self._looks = False  # in this run
        self._halt = Halt(0)
        self._halt_after = NEVER_HALT
        self._pass = self._pass_call = NOWHERE
        self._rests = [_NOTHING] * self.vcpus  # of each vCPU, (PC, instructions): what of a block is let in already
        self._cut = _NOTHING
        self._watched: set[int] = set()
        self._replaced: list[dict[Encoding, SystemRegister]] = []
        self._irq = [False] * self.vcpus
        self._last = 0  # the vCPU that ran last

    def debug(self, wanted: Wanted | None) -> None:
        """Have runs halt where a debugger wants it; None: no longer."""
        self._wanted = wanted
        places = () if wanted is None else wanted.watched
        pages = {place.ipa & -PAGE for place in places if self.ram_at(place.ipa)}
        if pages != self._watched:
            self._watch(pages)
        if wanted is None:
            self._halt_after, self._pass = NEVER_HALT, NOWHERE

    @property
    def halt(self) -> Halt:
        """Why the last run halted."""
        return self._halt

    @property
    def left(self) -> int:
        """What the last run left of its budget."""
        return self._budget

    def halt_after(self, count: int) -> None:
        """Halt when a run has retired so many instructions."""
        self._halt_after = count

    def pass_once(self, address: int) -> None:
        """Nothing halts at the first instruction of the next run."""
        self._pass = address

    # ------------------------------------------------------------------ halting

    def _first_halt(self, address: int, count: int) -> tuple[int, Halt]:
        """The first place of a block where something halts, and what; `count`: nowhere."""
        assert self._wanted is not None
        first, why = count, Halt(0)
        for breakpoint_ in self._wanted.breakpoints:
            place = breakpoint_ - address >> 2
            if 0 <= place < first and breakpoint_ != self._pass:
                first, why = place, Halt.BREAKPOINT
        if self._halt_after >= 0:
            until = max(self._halt_after - self.retired, 0)
            if until < count and until <= first:
                why = why | Halt.COUNT if until == first else Halt.COUNT
                first = until
        return first, why

    def _enter_block(self, address: int, count: int) -> tuple[int, bool]:
        """A block begins under a debugger's eyes.

        Returns: how many of its instructions are to be executed, 0 when the vCPU halts or its budget is spent, and
            whether the rest of a block is what begins.
        """
        vcpu = self._resident
        pc, owed = self._rests[vcpu]
        self._pass_call = NOWHERE
        is_rest = owed > 0 and pc == address
        if not is_rest:
            owed = 0
            if self._budget <= 0:
                return 0, False
        whole = min(owed, count) if is_rest else count
        most, why = self._first_halt(address, whole) if self._wanted is not None else (whole, Halt(0))
        if why and not most:
            self._halt = why
            return 0, is_rest
        self._rests[vcpu] = (address + 4 * most, whole - most if most < count else max(owed - count, 0))
        if self._pass == address and most == 1:
            self._pass_call = address
        self._pass = NOWHERE
        return most, is_rest

    def _cut_block(self, pc: int) -> None:
        """An exception ends the running block."""
        where, owed = self._rests[self._resident]
        count = self._block_end - pc >> 2 if self._block_end > pc else 0
        self._cut = (pc, count + (owed if where == self._block_end else 0))
        self._rests[self._resident] = _NOTHING

    def _halts_at_call(self, vcpu: int, is_smc: bool, immediate: int, pc: int) -> bool:
        """An HVC or SMC at `pc` has trapped: whether it is taken back, and the guest halts in front of it."""
        wanted = self._wanted
        if wanted is None or wanted.catch is None or self._pass_call == pc:
            return False
        if not wanted.catch(vcpu, "smc" if is_smc else "hvc", immediate):
            return False
        self._uc.write(u.REG_PC, pc)
        self._budget += 1
        self._rests[vcpu] = (pc, 1)
        self._halt = Halt.CALL
        return True

    def _is_guarded(self, pc: int, ipa: int, size: int, *, is_write: bool) -> bool:
        """Whether an access failed because its page is guarded: the guest halts in front of it, or has made it."""
        page = ipa & -PAGE
        if page not in self._watched:
            return False
        assert self._wanted is not None
        where, owed = self._cut
        if any(
            place.ipa < ipa + size and ipa < place.ipa + place.size and (place.writes if is_write else place.reads)
            for place in self._wanted.watched
        ):
            self._budget += 1
            self._rests[self._resident] = self._cut
            self._halt = Halt.ACCESS
        else:
            region = self.ram_at(page)
            assert region is not None
            self._rests[self._resident] = (where + 4, owed - 1)
            for accessible in (True, False):
                self._uc.protect(
                    page, PAGE, accessible=accessible, writable=region.writable, executable=region.executable
                )
                if accessible:
                    self._run_prefix(pc, 4, 1)
        return True

    @abstractmethod
    def _run_prefix(self, address: int, size: int, count: int) -> bool:
        """Run the first `count` instructions of a block; False when one of them trapped, which is answered then."""

    # ------------------------------------------------------------------ watched pages

    def _watch(self, pages: set[int]) -> None:
        """Take from the guest what it may do to pages; the emulator gets each piece of RAM anew."""
        regions = {region for ipa in self._watched | pages if (region := self.ram_at(ipa)) is not None}
        self._watched = pages
        for region in regions:
            self._uc.unmap(region.ipa, region.size)
            start = region.ipa
            for ipa in sorted(ipa for ipa in pages if region.ipa <= ipa < region.ipa + region.size):
                self._map_piece(region, start, ipa)
                self._map_piece(region, ipa, ipa + PAGE, is_guarded=True)
                start = ipa + PAGE
            self._map_piece(region, start, region.ipa + region.size)
        self._uc.forget_code()
        self._uc.flush_tlb()

    def _map_piece(self, region: Ram, start: int, end: int, *, is_guarded: bool = False) -> None:
        if start < end:
            host = self._host(region) + start - region.ipa
            may_write = region.writable and not is_guarded
            self._uc.map(
                start, end - start, host, readable=not is_guarded, writable=may_write, executable=region.executable
            )

    @abstractmethod
    def _host(self, region: Ram) -> int:
        """Where the region is in our own memory."""

    # ------------------------------------------------------------------ states

    @property
    def walked(self) -> tuple[object, ...]:
        """The registers that are answered outside the emulator have a state, too."""
        return *super().walked, self._trapped, self._replaced

    def _save_cpus(self) -> tuple[object, ...]:
        """The state of every vCPU."""
        states, controls, resident = [], [], self._resident
        for vcpu, context in enumerate(self._contexts):
            controls.append(self._swap_controls(vcpu))
            if vcpu == self._resident:
                self._uc.save(context)
            states.append(string_at(context, self._uc.context_size))
            self._swap_controls(vcpu, controls[-1])
        self._load(resident)
        return resident, self._last, tuple(self._irq), tuple(self._rests), self._base, tuple(states), tuple(controls)

    def _load_cpus(self, saved: object) -> None:
        """Bring back a state of this engine's."""
        resident, self._last, irq, rests, self._base, states, controls = cast("_Saved", saved)
        for vcpu in range(self.vcpus):
            self._swap_controls(vcpu)
        self._irq[:], self._rests[:] = irq, rests
        for context, state in zip(self._contexts, states, strict=True):
            self._uc.fill(context, state)
        self._resident = resident
        self._uc.restore(self._contexts[resident])
        self._has_breakpoints = any(map(any, controls))
        for vcpu in range(self.vcpus):
            self._swap_controls(vcpu, controls[vcpu])
        self._load(resident)
        self._stop = Stop.BUDGET
