"""The thermostat turns its fan on when it is hot, and off again."""

import re

import pytest


@pytest.mark.machine(quanta=[100, 30_000], encodings=["native", "smccc"])
def test_the_fan_turns_while_it_is_hot(machine):
    controller, fan = machine.vm("controller"), machine.vm("fan")
    fan.expect("ready")
    hot = controller.expect(re.compile(r"(\d+) degrees: fan on"))
    assert int(hot[1]) > 60
    fan.expect("turning")
    controller.expect("fan off")
    fan.expect("stopped")
    machine.expect_exit(0)
    machine.assert_no_pending()


def test_hypercalls_and_interrupts_are_those_of_the_golden_trace(machine):
    machine.expect_exit(0)
    machine.assert_golden("golden/thermostat.golden")
