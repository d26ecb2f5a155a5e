"""QCatchSyscalls: hypercalls and SMCCC calls, in every VM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.fields import Malformed, number
from gunyah_emu.debug.gdb.packet import OK, Packet, packet

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub

LARGEST: Final = 0x7FFF_FFFF


def parse(text: bytes) -> list[int] | None:
    """`0`, `1` or `1;NUMBER;NUMBER...`; None: all calls."""
    switch, semicolon, rest = text.partition(b";")
    if switch == b"0" and not semicolon:
        return []
    if switch != b"1":
        raise Malformed
    return [number(field, LARGEST) for field in rest.split(b";")] if semicolon else None


def catch(stub: Stub, numbers: list[int] | None) -> bytes:
    """Stop in front of these calls, and behind them."""
    stub.points.catch(None if numbers is None else stub.stops.numbers.keys(numbers))
    return OK


PACKETS: Final[tuple[Packet, ...]] = (packet(b"QCatchSyscalls", parse, catch, ("QCatchSyscalls+",)),)
