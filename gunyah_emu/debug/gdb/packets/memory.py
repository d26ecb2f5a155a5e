"""m, M, X: memory by virtual address, as the thread that Hg chose would see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.debug.gdb.fields import Malformed, Refused, data, number, split
from gunyah_emu.debug.gdb.framing import PACKET_SIZE
from gunyah_emu.debug.gdb.packet import OK, Packet, packet

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub

LONGEST: Final = PACKET_SIZE // 2
"""Bytes that one reply can hold; GDB asks again for the rest."""


class Read(NamedTuple):
    """m."""

    address: int
    size: int


class Write(NamedTuple):
    """M and X."""

    address: int
    data: bytes


def parse_read(text: bytes) -> Read:
    """`ADDRESS,SIZE`."""
    address, size = split(text, b",", 2)
    return Read(number(address), number(size))


def _header(text: bytes) -> tuple[int, int, bytes]:
    where, content = split(text, b":", 2)
    address, size = split(where, b",", 2)
    return number(address), number(size), content


def parse_write(text: bytes) -> Write:
    """`ADDRESS,SIZE:DIGITS`."""
    address, size, digits = _header(text)
    content = data(digits)
    if len(content) != size:
        raise Malformed
    return Write(address, content)


def parse_binary_write(text: bytes) -> Write:
    """`ADDRESS,SIZE:BYTES`."""
    address, size, content = _header(text)
    if len(content) != size:
        raise Malformed
    return Write(address, content)


def read(stub: Stub, asked: Read) -> bytes:
    """As much as is mapped, from the first byte on."""
    size = min(asked.size, LONGEST, (1 << 64) - asked.address)
    content = stub.session.read_memory(stub.thread(), asked.address, size)
    if not content and size:
        raise Refused(f"nothing is mapped at {asked.address:#x}")
    return content.hex().encode()


def write(stub: Stub, asked: Write) -> bytes:
    """All of it, or an error."""
    if not asked.data:
        return OK
    done = stub.session.write_memory(stub.thread(), asked.address, asked.data)
    if done < len(asked.data):
        raise Refused(f"nothing can be written at {asked.address + done:#x}")
    return OK


PACKETS: Final[tuple[Packet, ...]] = (
    packet(b"m", parse_read, read),
    packet(b"M", parse_write, write),
    packet(b"X", parse_binary_write, write),
)
