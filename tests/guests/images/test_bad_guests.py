"""Guests that misbehave end by their budget or with a located message, and take nobody with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu import Machine

GUEST_IMAGES = Path(__file__).parents[3] / "guest_images"
WAYS = ("auto", "portable")

BUDGET_SPENT = 124
GUEST_BROUGHT_TO_A_STOP = 126
EXIT_FATAL_EXCEPTION = 100  # of the firmware


def run(name: str, way: str, max_instructions: int) -> tuple[int, str, str]:
    """Exit status, console and messages."""
    with Machine.from_toml(GUEST_IMAGES / name / "machine.toml", way=way) as machine:
        outcome = machine.run(max_instructions=max_instructions)
        return outcome.exit_status, machine.vm("bad").console.text, "\n".join(outcome.messages)


@pytest.mark.parametrize("way", WAYS)
def test_a_guest_that_loops_for_ever_ends_by_its_budget(way: str):
    status, console, _ = run("bad_loop", way, 1_000_000)
    assert (status, console) == (BUDGET_SPENT, "")


@pytest.mark.parametrize("way", WAYS)
def test_a_guest_that_floods_its_console_ends_by_its_budget(way: str):
    status, console, _ = run("bad_flood", way, 60_000)
    assert status == BUDGET_SPENT
    assert console.startswith("sixty-three characters")


@pytest.mark.parametrize("way", WAYS)
def test_a_jump_to_nowhere_is_an_abort_that_the_guest_can_report(way: str):
    status, console, messages = run("bad_jump", way, 10_000_000)
    assert status == EXIT_FATAL_EXCEPTION, messages
    assert "fatal exception: instruction abort (synchronous, current EL with SP_ELx)" in console
    assert "ELR  0x0000000070000000  FAR 0x0000000070000000" in console


@pytest.mark.parametrize("way", WAYS)
def test_an_exception_without_a_vector_table_is_told_with_its_place(way: str):
    status, console, messages = run("bad_no_vectors", way, 10_000_000)
    assert status == GUEST_BROUGHT_TO_A_STOP
    assert console == ""
    assert "0x20000200" in messages
