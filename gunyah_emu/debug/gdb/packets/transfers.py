"""qXfer: documents that GDB reads piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import quoteattr

from gunyah_emu.debug.gdb.fields import Malformed, Refused, number, split
from gunyah_emu.debug.gdb.framing import PACKET_SIZE, escape
from gunyah_emu.debug.gdb.packet import Packet, packet
from gunyah_emu.debug.gdb.packets.threads import name_of, state_of
from gunyah_emu.debug.gdb.registers import target_description

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub

Make = Callable[["Stub", bytes], bytes]
"""The document for an annex."""


class Read(NamedTuple):
    """A piece of a document."""

    document: Make
    annex: bytes
    offset: int
    size: int


def features(stub: Stub, annex: bytes) -> bytes:
    """The target description."""
    if annex != b"target.xml":
        raise Refused("there is no such file")
    return target_description().encode()


def threads(stub: Stub, annex: bytes) -> bytes:
    """The threads, each with its name and state."""
    if annex:
        raise Malformed
    rows = [
        f'<thread id="{stub.processes.write(vcpu)}" core="0" name={quoteattr(name_of(vcpu))}>'
        f"{state_of(stub, vcpu)}</thread>"
        for vcpu in stub.processes.threads()
    ]
    return f'<?xml version="1.0"?><threads>{"".join(rows)}</threads>'.encode()


def executable(stub: Stub, annex: bytes) -> bytes:
    """Where the image of a process is, for a GDB on this host to read symbols from."""
    vm = stub.processes.vm(number(annex)) if annex else stub.vm()
    if vm is None:
        raise Refused("there is no such process")
    image = next((image for image in vm.images if image.kind == "elf"), None)
    if image is None:
        raise Refused(f"{vm.name} has no image that a debugger could read")
    return str(Path(image.path).resolve()).encode()


DOCUMENTS: Final[dict[bytes, Make]] = {b"features": features, b"threads": threads, b"exec-file": executable}


def parse(text: bytes) -> Read | None:
    """`OBJECT:read:ANNEX:OFFSET,SIZE`; None for an object that is not here, or cannot be written."""
    name, operation, rest = split(text, b":", 3)
    if name not in DOCUMENTS or operation != b"read":
        return None
    annex, _, piece = rest.rpartition(b":")
    offset, size = split(piece, b",", 2)
    return Read(DOCUMENTS[name], annex, number(offset), number(size))


def read(stub: Stub, asked: Read | None) -> bytes:
    """A piece: `m` while there is more, `l` for the last one."""
    if asked is None:
        return b""
    document = asked.document(stub, asked.annex)
    piece = document[asked.offset : asked.offset + min(asked.size, PACKET_SIZE // 2 - 1)]
    is_last = asked.offset + len(piece) >= len(document)
    return (b"l" if is_last else b"m") + escape(piece)


PACKETS: Final[tuple[Packet, ...]] = (
    packet(b"qXfer", parse, read, tuple(f"qXfer:{name.decode()}:read+" for name in DOCUMENTS)),
)
