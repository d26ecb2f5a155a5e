"""Waiting for a text or a pattern: found wherever pieces of output are cut, and never twice."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gunyah_emu.devices.console import Console
from gunyah_emu.testing.awaited import LONGEST_LINE, Awaited


def fed(wanted: str | re.Pattern[str], *pieces: bytes, start: int = 0, before: bytes = b"") -> Awaited:
    """Waits on a console that prints these pieces."""
    console = Console()
    console.write(before)
    awaited = Awaited(console, start, wanted, lambda: None)
    console.watch(awaited)
    for piece in pieces:
        console.write(piece)
    awaited.look_at_open_line()
    return awaited


@given(st.binary(max_size=20), st.lists(st.binary(max_size=6), max_size=8))
def test_a_text_is_found_where_it_first_ends_however_the_output_is_cut(before: bytes, pieces: list[bytes]):
    output = before + b"".join(pieces)
    awaited = fed("aba", *pieces, before=before)
    at = output.find(b"aba")
    assert (awaited.found is not None) == (at >= 0)
    if at >= 0:
        assert awaited.end == at + 3


@given(st.lists(st.binary(max_size=6), max_size=8))
def test_a_pattern_is_found_in_the_first_line_that_has_it(pieces: list[bytes]):
    output = b"".join(pieces)
    awaited = fed(re.compile("[0-9]+"), *pieces)
    if awaited.found is not None:
        assert re.search(rb"[0-9]", output[: awaited.end])
        assert not re.search(rb"[0-9][^\n]*\n", output[: awaited.end])
    else:
        assert not re.search(rb"[0-9]", output)


def test_the_search_begins_behind_what_was_seen():
    assert fed("x", before=b"x", start=1).found is None
    assert fed("x", b"x", before=b"x", start=1).end == 2


def test_what_is_no_utf_8_is_counted_by_its_bytes():
    awaited = fed(re.compile("done"), b"\xff\xe4done!\n")
    assert awaited.end == 6


def test_a_line_without_an_end_does_not_grow_for_ever():
    awaited = fed(re.compile("x"), *[b"a" * 1000] * 500)
    assert len(awaited._held) <= 2 * LONGEST_LINE + 1000


def test_the_listener_is_called_once_and_only_for_new_output():
    calls: list[int] = []
    console = Console()
    awaited = Awaited(console, 0, "ab", lambda: calls.append(1))
    console.watch(awaited)
    for piece in (b"a", b"b", b"ab"):
        console.write(piece)
    assert calls == [1]


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
def test_a_pattern_may_end_with_the_line(ending: bytes):
    assert fed(re.compile("ready$"), b"ready" + ending).found is not None
