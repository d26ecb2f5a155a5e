"""Events that were not recorded are had by the same run again, and never those of another run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.machine.config import MachineConfig
from gunyah_emu.testing import ExpectationError, MachineUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable

GUESTS = Path(__file__).parents[3] / "guest_images"


def made(name: str, *, record: bool = False, **options: int) -> MachineUnderTest:
    return MachineUnderTest(MachineConfig.from_toml(GUESTS / name / "machine.toml"), record=record, **options)  # type: ignore[arg-type]


def expect_in_turn(machine: MachineUnderTest) -> None:
    machine.vm("receiver").expect(re.compile("taken, (edge)"))
    machine.run(max_instructions=1000)
    machine.vm("sender").expect("flags before 0x1")
    machine.expect_exit()


def fail(machine: MachineUnderTest) -> None:
    with pytest.raises(ExpectationError):
        machine.vm("sender").expect("nothing like this", within=50_000)


def stop_on_a_condition(machine: MachineUnderTest) -> None:
    machine.run(until=lambda: machine.clock.now() > 1_020_000)


def stop_by_the_clock(machine: MachineUnderTest) -> None:
    machine.run(timeout=1e-9)


def find(machine: MachineUnderTest) -> None:
    machine.run(max_instructions=100_000)
    assert machine.vm("receiver").find("taken")
    machine.vm("receiver").expect("taken")


@pytest.mark.parametrize("quantum", [50, 30_000])
@pytest.mark.parametrize("act", [expect_in_turn, fail, stop_on_a_condition, stop_by_the_clock, find])
def test_the_events_are_those_of_a_recorded_run(act: Callable[[MachineUnderTest], None], quantum: int):
    with made("doorbell_irq", quantum=quantum) as plain, made("doorbell_irq", quantum=quantum, record=True) as recorded:
        act(plain)
        act(recorded)
        assert plain.clock.now() == recorded.clock.now()
        assert list(plain.events) == list(recorded.events)
        assert len(plain.events) >= 3


def test_what_was_typed_is_typed_again():
    with made("echo") as plain, made("echo", record=True) as recorded:
        for machine in (plain, recorded):
            vm = machine.vm("semihosting")
            vm.expect("> ")
            vm.send("again\n")
            vm.expect("you typed: again")
            vm.end_input()
            machine.run()
        assert list(plain.events) == list(recorded.events)


def test_a_machine_that_goes_on_has_new_events():
    with made("doorbell_irq") as machine:
        machine.vm("receiver").expect("edge")
        some = len(machine.events)
        assert machine.events is machine.events
        machine.expect_exit()
        assert len(machine.events) > some


@pytest.mark.parametrize("record", [False, True])
def test_a_machine_that_is_brought_back_forgets_what_it_did_since(record: bool):
    with made("doorbell_irq", record=record) as machine, made("doorbell_irq", record=True) as straight:
        machine.vm("receiver").expect("edge")
        saved = machine.snapshot()
        machine.vm("receiver").expect("level")
        machine.restore(saved)
        for each in (machine, straight):
            if each is straight:
                each.vm("receiver").expect("edge")
            each.vm("receiver").expect("edge")
            each.expect_exit()
        assert machine.vm("receiver").console.text == straight.vm("receiver").console.text
        assert list(machine.events) == list(straight.events)


def test_what_was_changed_by_other_means_is_refused():
    with made("doorbell_irq") as machine:
        machine.chooser.quantum = 50
        machine.vm("receiver").expect("edge")
        machine.chooser.quantum = 30_000
        with pytest.raises(UserError, match=r"@pytest.mark.machine\(record=True\)"):
            machine.hypercalls()
