"""What a packet is: a name, a parser that knows nothing of the machine, a handler that knows nothing of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gunyah_emu.debug.gdb.fields import nothing as nothing

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub

OK = b"OK"
_DELIMITERS = b":;,"

Arguments = TypeVar("Arguments")
Handle = Callable[["Stub", bytes], "bytes | None"]
"""The reply to a packet's text behind its name; None: there is none.  Raises `Malformed` and `Refused`."""


class Packet(NamedTuple):
    """One packet.

    Arguments:
        name: as the manual writes it, without delimiters.
        handle: parses and answers it.
        features: what the reply to qSupported says of it.
    """

    name: bytes
    handle: Handle
    features: tuple[str, ...] = ()


def packet(
    name: bytes,
    parse: Callable[[bytes], Arguments],
    act: Callable[[Stub, Arguments], bytes | None],
    features: tuple[str, ...] = (),
) -> Packet:
    """A packet of a parser and a handler."""
    return Packet(name, lambda stub, text: act(stub, parse(text)), features)


def take_name(payload: bytes) -> tuple[bytes, bytes]:
    """A payload's name, and what stands behind it and its delimiter."""
    if payload[:1] not in (b"q", b"Q", b"v", b"b"):
        return payload[:1], payload[1:]
    end = next((at for at, byte in enumerate(payload) if byte in _DELIMITERS), len(payload))
    return payload[:end], payload[end + 1 :]
