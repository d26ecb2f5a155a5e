"""qRcmd: `monitor COMMAND`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.fields import data
from gunyah_emu.debug.gdb.monitor import run
from gunyah_emu.debug.gdb.packet import OK, Packet, packet

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub


def command(stub: Stub, text: bytes) -> bytes:
    """Run it; what it prints goes to the client line by line."""
    for line in run(stub, text.decode("utf-8", "replace")):
        stub.say(line)
    return OK


PACKETS: Final[tuple[Packet, ...]] = (packet(b"qRcmd", data, command),)
