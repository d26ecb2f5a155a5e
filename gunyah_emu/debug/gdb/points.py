"""Breakpoints and watchpoints of a client: none of them changes the guest's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from gunyah_emu.debug.points import AccessKind, CallCatch
    from gunyah_emu.debug.points import Point as SessionPoint
    from gunyah_emu.debug.session import Session
    from gunyah_emu.machine.vm import VirtualMachine


class Kind(NamedTuple):
    """What Zn inserts.

    Arguments:
        reason: what a stop reply calls it.
        access: what a watchpoint waits for; None for a breakpoint.
    """

    reason: str
    access: AccessKind | None = None


KINDS: Final = (
    Kind("swbreak"),
    Kind("hwbreak"),
    Kind("watch", "write"),
    Kind("rwatch", "read"),
    Kind("awatch", "access"),
)
"""By n.  Software and hardware breakpoints are alike here."""

LIMIT: Final = 1000
"""Points of one client."""

LARGEST: Final = 1 << 16
"""Bytes of one watchpoint: each of its pages is looked up whenever the machine moves."""


class Point(NamedTuple):
    """What a client inserted: the same again is the same point."""

    vm: VirtualMachine
    kind: int
    address: int
    size: int


class Points:
    """The points of the client, in the session.

    Arguments:
        session: where they are.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._set: dict[Point, SessionPoint] = {}
        self._catch: CallCatch | None = None

    def insert(self, point: Point) -> bool:
        """Set a point; False when there are too many."""
        if point in self._set:
            return True
        if len(self._set) >= LIMIT:
            return False
        access = KINDS[point.kind].access
        if access:
            self._set[point] = self._session.add_watchpoint(point.vm, point.address, point.size, access)
        else:
            self._set[point] = self._session.add_breakpoint(point.vm, point.address)
        return True

    def remove(self, point: Point) -> None:
        """Take a point away; that it is not there is no error."""
        made = self._set.pop(point, None)
        if made is not None:
            self._session.remove(made)

    def kind_of(self, made: object) -> Kind | None:
        """What the client knows a point of the session as; None when it is none of the client's."""
        return next((KINDS[point.kind] for point, mine in self._set.items() if mine is made), None)

    def catch(self, keys: list[int] | None) -> None:
        """Catch calls: these, or all; an empty list catches none."""
        if self._catch is not None:
            self._session.remove(self._catch)
            self._catch = None
        if keys is None or keys:
            self._catch = self._session.catch_calls(None, numbers=keys, returns=True)

    def clear(self) -> None:
        """Take everything away."""
        for point in list(self._set):
            self.remove(point)
        self.catch([])
