"""The PL031 real-time clock, which counts the machine's virtual seconds: the host's clock never reaches a guest.

Source: Arm PrimeCell Real Time Clock (PL031) Technical Reference Manual r1p3 (DDI 0224C), section 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gunyah_emu.devices.registers import Register, RegisterBlock

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000_000
EPOCH = 1_704_067_200
"""When every machine starts, in seconds since 1970: 2024-01-01 00:00:00 UTC."""

MR, LR, IMSC = 0x004, 0x008, 0x010
WORD = 0xFFFF_FFFF


class Pl031(RegisterBlock):
    """A PL031 that was set when the machine was made.

    Arguments:
        now: virtual time in nanoseconds.
        set_irq: takes the level of RTCINTR, when it changes.
        deadline_changed: called when `deadline` may give another answer than before.
        epoch: what the clock reads at virtual time 0, in seconds since 1970.
    """

    REGISTERS: ClassVar = (
        Register(0x000, "RTCDR", "data: seconds", reader="seconds"),
        Register(MR, "RTCMR", "match: when to interrupt", writer="set_match"),
        Register(LR, "RTCLR", "load: sets the clock", writer="set_seconds"),
        Register(0x00C, "RTCCR", "control: always started", reset=1, writer="start"),
        Register(IMSC, "RTCIMSC", "interrupt mask", writer="mask_interrupt"),
        Register(0x014, "RTCRIS", "raw interrupt status", reader="raw_status"),
        Register(0x018, "RTCMIS", "masked interrupt status", reader="masked_status"),
        Register(0x01C, "RTCICR", "interrupt clear", writer="clear_interrupt"),
    )
    IDENTIFICATION: ClassVar = bytes((0x31, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1))

    def __init__(
        self,
        now: Callable[[], int],
        set_irq: Callable[[bool], None],
        deadline_changed: Callable[[], None],
        epoch: int = EPOCH,
    ) -> None:
        super().__init__()
        self._now = now
        self._set_irq = set_irq
        self._deadline_changed = deadline_changed
        self._offset = epoch
        self._deadline: int | None = None
        self._status = 0
        self._level = False

    # the side of the machine

    def deadline(self) -> int | None:
        """The virtual time, in nanoseconds, of the next match; None when none is set."""
        return self._deadline

    def expire(self) -> None:
        """Raises the interrupt if the time of the match has come."""
        if self._deadline is not None and self._now() >= self._deadline:
            self._deadline = None
            self._status = 1
            self._update()
            self._deadline_changed()

    # the side of the guest

    def seconds(self) -> int:
        """RTCDR: 32 bits, which wrap."""
        return (self._offset + self._now() // SECOND) & WORD

    def set_seconds(self, value: int) -> None:
        """RTCLR: from now on, the clock counts from here."""
        self.kept[LR] = value
        self._offset = value - self._now() // SECOND
        self._set_alarm()

    def set_match(self, value: int) -> None:
        """RTCMR: the interrupt comes when the clock reads this, at once if it does so now."""
        self.kept[MR] = value
        self._set_alarm()

    def start(self, value: int) -> None:
        """RTCCR: cannot be stopped once started, and it starts started."""

    def mask_interrupt(self, value: int) -> None:
        """RTCIMSC: 1 lets the interrupt through."""
        self.kept[IMSC] = value & 1
        self._update()

    def raw_status(self) -> int:
        """RTCRIS."""
        return self._status

    def masked_status(self) -> int:
        """RTCMIS."""
        return self._status & self.kept[IMSC]

    def clear_interrupt(self, value: int) -> None:
        """RTCICR: 1 clears the interrupt."""
        self._status &= ~value
        self._update()

    def _set_alarm(self) -> None:
        ticks = (self.kept[MR] - self.seconds()) & WORD
        self._deadline = (self._now() // SECOND + ticks) * SECOND
        self._deadline_changed()
        self.expire()

    def _update(self) -> None:
        level = bool(self._status & self.kept[IMSC])
        if level != self._level:
            self._level = level
            self._set_irq(level)
