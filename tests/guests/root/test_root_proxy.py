"""A root VM's guest runs another VM's vCPU by vcpu_run and answers its devices, its waits and its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu import Machine, Outcome, Reason
from gunyah_emu.machine.machine import Way


def run(path: Path, way: Way) -> tuple[str, Outcome]:
    with Machine.from_toml(path, way=way) as machine:
        outcome = machine.run(max_instructions=10_000_000)
        return machine.vm("root").console.text, outcome


def test_every_exit_reaches_the_proxy_scheduler(images: Path, way: Way) -> None:
    text, outcome = run(images / "root_proxy/machine.toml", way)
    assert text == (images / "root_proxy/expected.console").read_text()
    assert (outcome.reason, outcome.exit_status) == (Reason.EXITED, 0)


def test_a_vm_of_a_guest_that_cannot_go_on_is_told_and_takes_nobody_with_it(images: Path) -> None:
    _, outcome = run(images / "root_proxy/machine.toml", "auto")
    assert len(outcome.messages) == 2
    assert outcome.messages[0].startswith("VM 'vmid-41' vCPU 0: fetch of unmapped address 0x10a000200 at ")
    assert outcome.messages[1].startswith("VM 'vmid-41' vCPU 0: exception loop: BRK at ")


def test_both_ways_and_every_run_take_the_same_instructions(images: Path) -> None:
    outcomes = [run(images / "root_proxy/machine.toml", way) for way in ("auto", "auto", "portable")]
    assert outcomes[1:] == outcomes[:-1]


@pytest.mark.parametrize("quantum", [1, 1009, 1_000_000])
@pytest.mark.parametrize("name", ["root_vm", "root_proxy"])
def test_no_length_of_slices_changes_what_a_root_vm_prints(images: Path, name: str, quantum: int) -> None:
    with Machine.from_toml(images / name / "machine.toml") as machine:
        machine.chooser.quantum = quantum
        outcome = machine.run(max_instructions=20_000_000)
        assert machine.vm("root").console.text == (images / name / "expected.console").read_text()
    assert outcome.exit_status == 0
