"""The generic timer of one vCPU, on virtual time.

One instruction is one nanosecond and the counter ticks at 62.5 MHz, so a tick is sixteen instructions.  The host's
clock is never read: the counter comes from the engine's count of instructions, and an interrupt is due at an
instruction that can be computed (`deadline`).  Virtual and physical counter are the same (CNTVOFF_EL2 = 0).

Source: Arm ARM D12 (the generic timer), D19.12 (its registers).
"""

from __future__ import annotations

from collections.abc import Callable

from gunyah_emu.cpu.libunicorn import Encoding
from gunyah_emu.cpu.sysreg import SystemRegister

FREQUENCY = 62_500_000
INSTRUCTIONS_PER_TICK = 16
VIRTUAL_TIMER_PPI, PHYSICAL_TIMER_PPI = 27, 30

_ENABLE, _IMASK, _ISTATUS = 1, 2, 4
_MASK64 = (1 << 64) - 1

COUNTERS: tuple[tuple[str, Encoding], ...] = (("CNTPCT_EL0", (3, 3, 14, 0, 1)), ("CNTVCT_EL0", (3, 3, 14, 0, 2)))
"""The fast way computes these in C."""


class Timer:
    """One timer: CTL, CVAL and TVAL over the shared counter.

    Arguments:
        intid: the PPI that it drives.
        now: instructions since the machine started.
        level: called with (intid, level) when its interrupt line changes.
        changed: called when the guest has programmed it.
    """

    __slots__ = ("_changed", "_level", "_line", "_now", "ctl", "cval", "intid")

    def __init__(
        self, intid: int, now: Callable[[], int], level: Callable[[int, bool], object], changed: Callable[[], object]
    ) -> None:
        self.intid = intid
        self.ctl = 0
        self.cval = 0
        self._now = now
        self._level = level
        self._changed = changed
        self._line = False

    def reset(self) -> None:
        """As a vCPU finds it when it is turned on: off, its line low."""
        self.ctl = 0
        self.update()

    def _met(self) -> bool:
        return self._now() // INSTRUCTIONS_PER_TICK >= self.cval

    def update(self) -> None:
        """Bring the interrupt line up to date with the clock."""
        line = self.ctl & (_ENABLE | _IMASK) == _ENABLE and self._met()
        if line != self._line:
            self._line = line
            self._level(self.intid, line)

    def deadline(self) -> int | None:
        """The instruction at which the line will rise by itself; None when it is up, masked or off."""
        if self._line or self.ctl & (_ENABLE | _IMASK) != _ENABLE:
            return None
        return self.cval * INSTRUCTIONS_PER_TICK

    def read_ctl(self) -> int:
        """CTL: ENABLE, IMASK, ISTATUS."""
        return self.ctl | _ISTATUS if self.ctl & _ENABLE and self._met() else self.ctl

    def write_ctl(self, value: int) -> None:
        """Only ENABLE and IMASK can be written."""
        self.ctl = value & (_ENABLE | _IMASK)
        self.update()
        self._changed()

    def read_cval(self) -> int:
        """CVAL: the counter value at which the condition is met."""
        return self.cval

    def write_cval(self, value: int) -> None:
        """Set the counter value at which the condition is met."""
        self.cval = value
        self.update()
        self._changed()

    def read_tval(self) -> int:
        """TVAL: ticks left, a 32-bit signed number that reads zero-extended."""
        return (self.cval - self._now() // INSTRUCTIONS_PER_TICK) & 0xFFFF_FFFF

    def write_tval(self, value: int) -> None:
        """Arm it this many ticks (signed, 32 bits) from now."""
        ticks = (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000
        self.cval = (self._now() // INSTRUCTIONS_PER_TICK + ticks) & _MASK64
        self.update()
        self._changed()


class GenericTimer:
    """The virtual and the physical timer of one vCPU.

    Arguments:
        now: instructions since the machine started.
        shorten: leaves the running slice at most this many instructions.

    Attributes, the owner's to set:
        level: called with (intid, level) when PPI 27 (virtual) or 30 (physical) changes.
        changed: called when the guest has programmed a timer.  Without it, the running slice is shortened to end by the
            deadline.
    """

    __slots__ = ("_now", "_shorten", "changed", "level", "physical", "virtual")

    def __init__(self, now: Callable[[], int], shorten: Callable[[int], object]) -> None:
        self._now = now
        self._shorten = shorten
        self.level: Callable[[int, bool], object] | None = None
        self.changed: Callable[[], object] | None = None
        self.virtual = Timer(VIRTUAL_TIMER_PPI, now, self._set_level, self._programmed)
        self.physical = Timer(PHYSICAL_TIMER_PPI, now, self._set_level, self._programmed)

    def _set_level(self, intid: int, level: bool) -> None:
        if self.level is not None:
            self.level(intid, level)

    def _programmed(self) -> None:
        if self.changed is not None:
            self.changed()
        elif (deadline := self.deadline()) is not None:
            self._shorten(max(deadline - self._now(), 1))

    def reset(self) -> None:
        """Turn both timers off."""
        self.virtual.reset()
        self.physical.reset()

    def update(self) -> None:
        """Bring both interrupt lines up to date; the scheduler calls this when the clock reached a deadline."""
        self.virtual.update()
        self.physical.update()

    def deadline(self) -> int | None:
        """The first instruction at which a line will rise by itself; None when there is none."""
        virtual, physical = self.virtual.deadline(), self.physical.deadline()
        if virtual is None or physical is None:
            return physical if virtual is None else virtual
        return min(virtual, physical)

    def count(self) -> int:
        """CNTVCT_EL0 and CNTPCT_EL0."""
        return self._now() // INSTRUCTIONS_PER_TICK

    def registers(self) -> list[SystemRegister]:
        """The timer's system registers, the counters first; CNTFRQ_EL0 and CNTKCTL_EL1 are the emulator's own."""
        found = [SystemRegister(name, encoding, self.count) for name, encoding in COUNTERS]
        for kind, crm, timer in (("CNTP", 2, self.physical), ("CNTV", 3, self.virtual)):
            found += (
                SystemRegister(f"{kind}_TVAL_EL0", (3, 3, 14, crm, 0), timer.read_tval, timer.write_tval),
                SystemRegister(f"{kind}_CTL_EL0", (3, 3, 14, crm, 1), timer.read_ctl, timer.write_ctl),
                SystemRegister(f"{kind}_CVAL_EL0", (3, 3, 14, crm, 2), timer.read_cval, timer.write_cval),
            )
        return found
