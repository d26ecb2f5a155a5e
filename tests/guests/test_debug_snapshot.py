"""A state that is taken while a guest has breakpoints of its own can be come back to, again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu import Machine, Reason

FOLDER = Path(__file__).parents[2] / "guest_images" / "arch_debug"


@pytest.mark.parametrize("way", ["fast", "portable"])
def test_a_guest_that_debugs_itself_goes_on_from_any_state(way: str) -> None:
    expected = (FOLDER / "expected.console").read_text()
    with Machine.from_toml(FOLDER / "machine.toml", way=way) as machine:
        states = []
        while machine.run(max_instructions=8_000).reason is Reason.INSTRUCTIONS:
            states.append(machine.snapshot())
        assert machine.vm("arch_debug").console.text == expected
        for state in states[::3]:
            state.restore()
            assert machine.run(max_instructions=10_000_000).exit_status == 0
            assert machine.vm("arch_debug").console.text == expected
