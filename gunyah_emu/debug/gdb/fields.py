"""The parts that packets are made of.  Parsers raise `Malformed` and nothing else."""

from __future__ import annotations

from typing import Final, NamedTuple

ESCAPE: Final = ord("}")
ESCAPE_FLIP: Final = 0x20
MASK64: Final = (1 << 64) - 1
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class Malformed(Exception):  # noqa: N818 - an answer to the client, not an error of ours
    """A packet that does not say what packets of its kind say."""


class Refused(Exception):  # noqa: N818 - as above
    """A packet that says what cannot be done; the text is for the person at the client."""


def number(text: bytes, limit: int = MASK64) -> int:
    """An unsigned hexadecimal number without sign or prefix."""
    if not text or len(text) > 32 or not _HEX.issuperset(text):
        raise Malformed
    value = int(text, 16)
    if value > limit:
        raise Malformed
    return value


def data(text: bytes) -> bytes:
    """Bytes, two digits each."""
    if len(text) % 2 or not _HEX.issuperset(text):
        raise Malformed
    return bytes.fromhex(text.decode("ascii"))


def split(text: bytes, separator: bytes, count: int) -> list[bytes]:
    """Exactly `count` fields; the last one keeps any further separators."""
    parts = text.split(separator, count - 1)
    if len(parts) != count:
        raise Malformed
    return parts


def nothing(text: bytes) -> None:
    """A packet without arguments."""
    if text:
        raise Malformed


def unescape(payload: bytes) -> bytes:
    """A payload with its escapes undone; an escape at the very end stands for nothing."""
    if ESCAPE not in payload:
        return payload
    out = bytearray()
    escaped = False
    for byte in payload:
        if escaped:
            out.append(byte ^ ESCAPE_FLIP)
            escaped = False
        elif byte == ESCAPE:
            escaped = True
        else:
            out.append(byte)
    return bytes(out)


ANY, ALL = 0, -1
"""Thread and process numbers that are none: whichever one, and every one."""


class ThreadId(NamedTuple):
    """A thread as a packet names it: `pPID.TID`, `pPID`, or `TID`.

    Arguments:
        pid: process, ANY or ALL; None when the packet names none.
        tid: thread, ANY or ALL.
    """

    pid: int | None
    tid: int


def thread_id(text: bytes) -> ThreadId:
    """`pPID.TID`, `pPID` (all of its threads) or `TID`."""
    if not text.startswith(b"p"):
        return ThreadId(None, _signed(text))
    pid, dot, tid = text[1:].partition(b".")
    return ThreadId(_signed(pid), _signed(tid) if dot else ALL)


def _signed(text: bytes) -> int:
    return ALL if text == b"-1" else number(text, 1 << 31)
