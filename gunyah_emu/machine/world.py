"""The world outside, let into a run that people watch: what they type, and time as it passes on the wall.

Only a run that was given a `World` looks at the host at all.  Input comes between slices; while every vCPU waits, the
machine sleeps until input or until the next deadline is due.  Threads were rejected: input would still be seen between
slices only, and a signal would have to find the right thread to interrupt.
"""

from __future__ import annotations

from select import select
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gunyah_emu.machine.clock import Clock

POLL_INTERVAL = 5_000_000
"""Wall-clock nanoseconds between two looks at the host while vCPUs run: shorter than anybody notices."""

ASK_AGAIN = 0.02
"""Seconds until a port that took no input is asked again."""

NEVER = 1 << 63
LONG = 1 << 62
"""Nanoseconds that are for ever, too."""


class Port(Protocol):
    """A place outside that input comes from, and perhaps output goes to."""

    def fileno(self) -> int:
        """The descriptor to wait for."""

    @property
    def is_open(self) -> bool:
        """Whether a VM may be brought on by what comes here."""

    @property
    def wants_input(self) -> bool:
        """Whether it takes input now; one that is open and does not will be asked again soon."""

    @property
    def wants_output(self) -> bool:
        """Whether something waits to be written."""

    def take_input(self) -> None:
        """The descriptor can be read."""

    def put_output(self) -> None:
        """The descriptor can be written, or this is the time to flush."""


class World:
    """What a run sees of the host.

    Arguments:
        clock: the machine's.
        realtime: idle time is slept, however far busy time was behind the wall's or ahead: `sleep 1` in a guest is a
            second for whoever watches.  Otherwise it is skipped.
    """

    def __init__(self, clock: Clock, *, realtime: bool) -> None:
        self.ports: list[Port] = []
        self._clock = clock
        self._realtime = realtime
        self._next_poll = 0

    def poll(self) -> None:
        """Between two slices: take what was typed, unless that was done a moment ago."""
        now = monotonic_ns()
        if now >= self._next_poll:
            self._next_poll = now + POLL_INTERVAL
            self._serve(0)

    def idle(self, deadline: int, limit: float | None) -> bool:
        """Every vCPU waits: let time pass, until something was typed or the deadline has come.

        Arguments:
            deadline: virtual nanoseconds; NEVER when no timer runs.
            limit: do not sleep past this time of `time.monotonic`.

        Returns False when nothing can come any more: no timer and no input.
        """
        if deadline >= NEVER and not any(port.is_open for port in self.ports):
            return False
        sleeps = self._realtime or deadline >= NEVER
        began, now = monotonic_ns(), self._clock.now()
        came = self._serve(self._sleep(deadline - now, limit) if sleeps else 0)
        if self._realtime:
            self._clock.skip_to(min(deadline, now + monotonic_ns() - began))
        elif not came and deadline < NEVER:
            self._clock.skip_to(deadline)
        return True

    def _sleep(self, nanoseconds: int, limit: float | None) -> float | None:
        """Seconds until there is something to do without input; None: for ever."""
        times = []
        if nanoseconds < LONG:
            times.append(nanoseconds / 1e9)
        if limit is not None:
            times.append(limit - monotonic())
        if any(port.is_open and not port.wants_input for port in self.ports):
            times.append(ASK_AGAIN)
        return max(0.0, min(times)) if times else None

    def _serve(self, seconds: float | None) -> bool:
        """Wait for the ports that long, and serve those that are ready; whether input came."""
        for port in self.ports:
            if port.wants_output:
                port.put_output()
        inputs = [port for port in self.ports if port.wants_input]
        outputs = [port for port in self.ports if port.wants_output]
        readable, writable, _ = select(inputs, outputs, (), seconds)
        for port in writable:
            port.put_output()
        for port in readable:
            port.take_input()
        return bool(readable)
