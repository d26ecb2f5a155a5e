"""A scripted dialogue answers each prompt once, in order, however the guest's output is cut into pieces."""

from __future__ import annotations

import pytest

from gunyah_emu.devices.console import Console
from gunyah_emu.devices.script import Script


def take_all(console: Console) -> bytes:
    return console.take_input(console.pending_input)


def test_an_answer_is_typed_when_its_prompt_comes_and_not_before() -> None:
    console = Console()
    script = Script(console, [(b"login: ", b"root\n"), (b"# ", b"ls\n")])
    console.write(b"# not yet\nlogin:")
    assert take_all(console) == b""
    assert script.waits_for == b"login: "
    console.write(b" ")
    assert take_all(console) == b"root\n"
    assert script.waits_for == b"# "
    console.write(b"welcome\n# ")
    assert take_all(console) == b"ls\n"
    assert script.waits_for is None


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_pieces_of_any_size_give_the_same_dialogue(piece: int) -> None:
    console = Console()
    Script(console, [(b"aab", b"1"), (b"b", b"2"), (b"aa", b"3")])
    output = b"aaabxbaabaa"
    for at in range(0, len(output), piece):
        console.write(output[at : at + piece])
    assert take_all(console) == b"123"


def test_a_prompt_is_looked_for_only_behind_the_one_before_it() -> None:
    console = Console()
    script = Script(console, [(b"> ", b"first\n"), (b"> ", b"second\n")])
    console.write(b"> ")
    assert take_all(console) == b"first\n"
    assert script.waits_for == b"> "


def test_an_empty_prompt_is_there_at_once_so_that_input_can_wait_for_the_guest() -> None:
    console = Console()
    script = Script(console, [(b"", b"early\n"), (b"?", b"late\n")])
    assert take_all(console) == b"early\n"
    assert script.waits_for == b"?"


def test_a_dialogue_that_is_over_costs_no_more_searches() -> None:
    console = Console()
    script = Script(console, [(b"x", b"y")])
    console.write(b"xx")
    console.write(b"x")
    assert take_all(console) == b"y"
    assert script.waits_for is None
