"""Z and z: breakpoints and watchpoints in the VM of the thread that Hg chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.debug.gdb.fields import Malformed, Refused, number, split
from gunyah_emu.debug.gdb.packet import OK, Packet, packet
from gunyah_emu.debug.gdb.points import KINDS, LARGEST, LIMIT, Point

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub


class Place(NamedTuple):
    """What Z and z name."""

    kind: int
    address: int
    size: int


def parse(text: bytes) -> Place:
    """`KIND,ADDRESS,SIZE`; conditions and commands are not advertised, and not taken."""
    kind, address, size = (number(field) for field in split(text, b",", 3))
    if kind >= len(KINDS) or (KINDS[kind].access and not size):
        raise Malformed
    return Place(kind, address, size)


def insert(stub: Stub, place: Place) -> bytes:
    """Set it; twice is once."""
    if KINDS[place.kind].access and place.size > LARGEST:
        raise Refused(f"a watchpoint must be of 1 to {LARGEST} bytes, not {place.size}")
    if not stub.points.insert(Point(stub.vm(), *place)):
        raise Refused(f"there are {LIMIT} points already")
    return OK


def remove(stub: Stub, place: Place) -> bytes:
    """Take it away; a VM that has ended took its points with it."""
    vm = stub.vm_if_any()
    if vm is not None:
        stub.points.remove(Point(vm, *place))
    return OK


PACKETS: Final[tuple[Packet, ...]] = (
    packet(b"Z", parse, insert, ("swbreak+", "hwbreak+")),
    packet(b"z", parse, remove),
)
