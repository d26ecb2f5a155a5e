"""Every packet that is answered, by name.  What is not in here is not supported, and is not advertised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.packets import calls, memory, monitor, points, registers, resume, session, threads, transfers

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.packet import Packet

FAMILIES: Final = (session, threads, registers, memory, points, calls, resume, transfers, monitor)
TABLE: Final[dict[bytes, Packet]] = {packet.name: packet for family in FAMILIES for packet in family.PACKETS}
