"""A run's events, had afterwards: the same run once more, with everything recorded.

Recording an event costs some microseconds, and a guest that makes many hypercalls would run at a fraction of its speed
only because some test might fail.  A run is a function of what was done to its machine, so that is noted instead: what
was run, for how long, and what was typed in between.  Whoever asks for events of a machine that did not record gets
those of the same run, made again; that it is the same is checked, not hoped.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    import re

    from gunyah_emu.testing.under_test import MachineUnderTest


class RunStep(NamedTuple):
    """A call of `run`: its budgets, and how often its condition was asked before it held, or None if it never did."""

    max_instructions: int
    max_virtual_ns: int
    polls: int | None

    def repeat(self, machine: MachineUnderTest) -> None:
        """Run so again."""
        asked = -1

        def until() -> bool:
            nonlocal asked
            asked += 1
            return asked == self.polls

        machine.run(until=until, max_instructions=self.max_instructions, max_virtual_ns=self.max_virtual_ns)


class ExpectStep(NamedTuple):
    """A call of `expect`."""

    vm: str
    wanted: str | re.Pattern[str]
    within: int

    def repeat(self, machine: MachineUnderTest) -> None:
        """Expect it again; if it did not come the first time, it does not now."""
        from gunyah_emu.testing.vm_under_test import ExpectationError

        with suppress(ExpectationError):
            machine.vm(self.vm).expect(self.wanted, within=self.within)


class CallStep(NamedTuple):
    """Anything else that was done to the machine, or to a VM of it: a method and its arguments."""

    vm: str | None
    method: str
    arguments: tuple[object, ...] = ()

    def repeat(self, machine: MachineUnderTest) -> None:
        """Do it again."""
        target = machine if self.vm is None else machine.vm(self.vm)
        getattr(target, self.method)(*self.arguments)


Step = RunStep | ExpectStep | CallStep


def replayed(machine: MachineUnderTest) -> MachineUnderTest:
    """A machine that has come where another is, recording; to be closed by the caller.

    Errors: UserError when it came elsewhere, because something was done to the other that was not noted.
    """
    again = machine.twin()
    try:
        for step in machine.steps:
            step.repeat(again)
        is_same = _state(again) == _state(machine)
    except BaseException:
        again.close()
        raise
    if not is_same:
        again.close()
        raise UserError(
            "the events of a machine that was changed by other means than run, expect and send must be recorded from "
            "its start: @pytest.mark.machine(record=True)"
        )
    return again


def _state(machine: MachineUnderTest) -> tuple[object, ...]:
    """Enough to tell two runs apart."""
    consoles = [(vm.name, vm.console.data, vm.exit_status) for vm in machine.vms]
    registers = [
        (vm.engine.registers(vcpu.index).pc, vcpu.on, vcpu.waiting) for vm in machine.vms for vcpu in vm.vcpus.values()
    ]
    return machine.clock.now(), machine.clock.instructions, consoles, registers
