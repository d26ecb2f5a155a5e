"""A controller with a mistake in it: what a failing test shows."""


def test_the_faulty_controller_starts_the_fan(machine):
    machine.vm("controller").expect("fan on")
    machine.vm("fan").expect("turning")
