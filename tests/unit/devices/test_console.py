"""A console keeps what a test looks for, passes everything on, and never more than its limit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gunyah_emu.devices.console import Console


def test_output_is_kept_counted_and_passed_on_at_once() -> None:
    passed_on: list[bytes] = []
    console = Console(passed_on.append)
    console.write(b"hello, ")
    assert passed_on == [b"hello, "]
    console.write(b"world\n")
    assert console.text == "hello, world\n"
    assert (console.total, console.dropped) == (13, 0)


def test_what_is_not_text_is_shown_and_not_fatal() -> None:
    console = Console()
    console.write(b"caf\xc3")
    assert console.text == "caf\ufffd"
    console.write(b"\xa9")
    assert console.text == "café"
    assert console.data == b"caf\xc3\xa9"


def test_a_guest_that_prints_a_hundred_megabytes_costs_a_fixed_amount() -> None:
    console = Console(limit=1 << 16)
    largest = 0
    for number in range(1600):
        console.write(b"%8d" % number * 8192)
        largest = max(largest, len(console.data))
    assert console.total == 1600 * 65536
    assert console.dropped == 1599 * 65536
    assert largest == 1 << 16
    assert console.text.endswith("    1599")
    # The buffer itself is what memory holds: at most twice what is kept, and what was written last.
    assert len(console._kept) <= 3 << 16


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_the_newest_bytes_are_kept_however_they_come(pieces: list[bytes], limit: int) -> None:
    console = Console(limit=limit)
    for piece in pieces:
        console.write(piece)
    whole = b"".join(pieces)
    assert console.data == whole[-limit:]
    assert console.dropped == len(whole) - len(console.data)


# waiting for a text


def test_a_condition_holds_from_the_byte_that_completes_the_text_and_ever_after() -> None:
    console = Console(limit=4)
    done = console.contains("login:")
    console.write(b"xxlog")
    assert not done()
    console.write(b"in:")
    assert done()
    console.write(b"x" * 100)
    assert done()


def test_text_that_was_printed_before_counts() -> None:
    console = Console()
    console.write(b"ready\n")
    assert console.contains("ready")()


def test_a_text_that_began_before_the_condition_is_found() -> None:
    console = Console()
    console.write(b"rea")
    ready = console.contains(b"ready")
    console.write(b"dy")
    assert ready()


def test_the_machine_is_told_once_at_the_byte_that_completes_the_text() -> None:
    console = Console()
    told: list[int] = []
    condition = console.contains("b")
    condition.on_match = lambda: told.append(console.total)
    for byte in b"aabbb":
        console.write(bytes((byte,)))
    assert told == [3]


def test_an_empty_text_would_always_be_there_and_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the text to wait for must not be empty$"):
        Console().contains("")


def test_a_condition_shows_what_it_waits_for() -> None:
    assert repr(Console().contains("x")) == "<console contains b'x': False>"


@settings(deadline=None)
@given(st.lists(st.text("ab", max_size=5).map(str.encode)), st.text("ab", min_size=1, max_size=4).map(str.encode))
def test_a_text_is_found_however_it_comes(pieces: list[bytes], wanted: bytes) -> None:
    console = Console(limit=100)
    condition = console.contains(wanted)
    whole = b""
    for piece in pieces:
        console.write(piece)
        whole += piece
        assert condition() == (wanted in whole)


# input


def test_what_is_typed_is_read_in_order_and_once() -> None:
    console = Console()
    console.type("ls\n")
    console.type(b"\x03")
    assert console.pending_input == 4
    assert console.take_input(2) == b"ls"
    assert console.take_input(100) == b"\n\x03"
    assert console.take_input(1) == b""
