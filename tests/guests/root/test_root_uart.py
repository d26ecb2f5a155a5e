"""What is typed at a root VM's console reaches its UART, whose interrupt is a physical one to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu import Machine, Reason
from gunyah_emu.machine.machine import Way


@pytest.mark.parametrize(
    "text", ["Gunyah\n", "a name that does not fit into the FIFO of a UART at once\n"], ids=["short", "long"]
)
def test_a_line_is_read_by_interrupt(images: Path, way: Way, text: str) -> None:
    with Machine.from_toml(images / "root_uart/machine.toml", way=way) as machine:
        console = machine.vm("root").console
        console.script([(b"name? ", text.encode())])
        outcome = machine.run(max_instructions=10_000_000)
        assert console.text == f"name? hello, {text}"
    assert (outcome.reason, outcome.exit_status, outcome.messages) == (Reason.EXITED, 0, ())


def test_nobody_is_waited_for_in_vain(images: Path, way: Way) -> None:
    with Machine.from_toml(images / "root_uart/machine.toml", way=way) as machine:
        assert machine.run(max_instructions=10_000_000).reason is Reason.EXITED
        assert machine.vm("root").console.text == "name? nobody is there\n"
