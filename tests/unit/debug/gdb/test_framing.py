"""Bytes to packets: whole ones, cut ones, damaged ones, and what stands between them."""

from __future__ import annotations

import random

import pytest

from gunyah_emu.debug.gdb.fields import unescape
from gunyah_emu.debug.gdb.framing import PACKET_SIZE, Again, Damaged, Framer, Interrupt, TooLong, escape, frame


def items(*pieces: bytes) -> list[object]:
    framer = Framer()
    found = [item for piece in pieces for item in framer.feed(piece)]
    return [item if isinstance(item, bytes) else type(item) for item in found]


def test_a_packet_is_its_payload() -> None:
    assert items(b"+$g#67") == [b"g"]


def test_a_packet_may_come_byte_by_byte() -> None:
    assert items(*(bytes([byte]) for byte in b"+$m8000,4#95$g#67")) == [b"m8000,4", b"g"]


@pytest.mark.parametrize("digits", [b"68", b"6x", b"0x", b"+7", b" 7", b"6_"])
def test_a_wrong_checksum_is_told(digits: bytes) -> None:
    assert items(b"$g#" + digits) == [Damaged]


def test_a_checksum_may_be_in_capitals() -> None:
    assert items(b"$?k#AA") == [b"?k"]


def test_escapes_are_undone_after_the_checksum() -> None:
    payload = b"X0,4:}\x03}\x04}]"
    assert items(frame(payload)) == [b"X0,4:#$}"]


def test_ctrl_c_counts_between_packets_and_is_data_inside_one() -> None:
    assert items(b"\x03" + frame(b"X0,1:\x03") + b"\x03") == [Interrupt, b"X0,1:\x03", Interrupt]


def test_a_packet_begun_anew_replaces_the_first() -> None:
    assert items(b"$m800$g#67") == [Damaged, b"g"]


def test_a_negative_acknowledgement_asks_for_the_last_packet_again() -> None:
    assert items(b"+-+") == [Again]


@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20])
def test_a_packet_too_long_is_dropped_and_the_next_one_understood(piece: int) -> None:
    stream = frame(b"X" * (PACKET_SIZE * 3)) + frame(b"g")
    assert items(*(stream[at : at + piece] for at in range(0, len(stream), piece))) == [TooLong, b"g"]


def test_the_longest_packet_is_taken() -> None:
    assert items(frame(b"X" * PACKET_SIZE)) == [b"X" * PACKET_SIZE]


def test_what_is_never_ended_is_not_kept() -> None:
    framer = Framer()
    for _ in range(100):
        assert framer.feed(b"$" + b"y" * 10_000) is not None
    assert len(framer._held) <= PACKET_SIZE + 10_002


def test_what_is_escaped_comes_back() -> None:
    data = bytes(range(256))
    escaped = escape(data)
    assert b"#" not in escaped
    assert b"*" not in escaped
    assert unescape(escaped) == data


def test_random_bytes_raise_nothing_and_are_not_kept() -> None:
    choose = random.Random(7)
    framer = Framer()
    for _ in range(20_000):
        framer.feed(choose.randbytes(choose.randrange(64)))
        assert len(framer._held) <= PACKET_SIZE + 66
