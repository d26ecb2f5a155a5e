"""Packets out of bytes, and bytes out of packets: `$payload#checksum`, acknowledgements, and Ctrl-C between packets.

Nothing that a client sends raises here or is kept without a bound.
"""

from __future__ import annotations

from typing import Final

from gunyah_emu.debug.gdb.fields import ESCAPE, ESCAPE_FLIP, unescape

PACKET_SIZE: Final = 0x4000
"""Bytes of the longest payload either way, escapes included: what is advertised as PacketSize."""

INTERRUPT: Final = 0x03
_START, _END, _ACK, _NACK = ord("$"), ord("#"), ord("+"), ord("-")
_MUST_ESCAPE: Final = frozenset(b"#$}*")


class Interrupt:
    """Ctrl-C was sent."""


class Again:
    """The client did not get the last packet whole: send it again."""


class Damaged:
    """A packet whose checksum is wrong, or that is none."""


class TooLong:
    """A packet of more than PACKET_SIZE bytes."""


Item = bytes | Interrupt | Again | Damaged | TooLong
"""What the stream holds: a packet's payload (bytes, escapes undone) or something else."""


class Framer:
    """Takes bytes as they come and gives what they hold."""

    __slots__ = ("_held", "_skipping")

    def __init__(self) -> None:
        self._held = bytearray()
        #: inside a packet that is too long: its rest is dropped as it comes
        self._skipping = False

    def feed(self, data: bytes) -> list[Item]:
        """Everything that is complete with these further bytes, in order."""
        held = self._held
        held += data
        found: list[Item] = []
        at = 0
        while at < len(held):
            start, at = at, self._next(at, found)
            if at == start:
                break
        del held[:at]
        return found

    def _next(self, at: int, found: list[Item]) -> int:
        """Take one thing at `at`; where the next begins, or `at` again when it is not complete yet."""
        held = self._held
        first = held[at]
        if self._skipping:
            return self._skip(at, found)
        if first == _START:
            return self._packet(at, found)
        if first == INTERRUPT:
            found.append(Interrupt())
        elif first == _NACK:
            found.append(Again())
        return at + 1  # an acknowledgement, or noise between packets

    def _packet(self, at: int, found: list[Item]) -> int:
        held = self._held
        end = held.find(_END, at + 1, at + 2 + PACKET_SIZE)
        if end < 0:
            if len(held) - at <= PACKET_SIZE + 1:
                return at
            self._skipping = True
            return at + 1
        restarted = held.rfind(_START, at + 1, end)
        if restarted > 0:  # the client gave up one packet and began another: '$' stands for nothing else
            found.append(Damaged())
            return restarted
        if len(held) < end + 3:
            return at
        payload = bytes(held[at + 1 : end])
        found.append(unescape(payload) if _checked(payload, held[end + 1 : end + 3]) else Damaged())
        return end + 3

    def _skip(self, at: int, found: list[Item]) -> int:
        held = self._held
        end = held.find(_END, at)
        if end < 0:
            return len(held)
        if len(held) < end + 3:
            return at if end == at else end
        self._skipping = False
        found.append(TooLong())
        return end + 3


def _checked(payload: bytes, digits: bytearray) -> bool:
    try:
        return int(digits.decode("ascii"), 16) == sum(payload) & 0xFF and digits.isalnum()
    except ValueError:
        return False


def frame(payload: bytes) -> bytes:
    """A packet as it is sent; whatever is binary in it must be escaped already (`escape`)."""
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


def escape(data: bytes) -> bytes:
    """Binary data as it stands in a reply."""
    if _MUST_ESCAPE.isdisjoint(data):
        return data
    out = bytearray()
    for byte in data:
        if byte in _MUST_ESCAPE:
            out += bytes((ESCAPE, byte ^ ESCAPE_FLIP))
        else:
            out.append(byte)
    return bytes(out)
