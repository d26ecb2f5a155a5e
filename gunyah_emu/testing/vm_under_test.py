"""A VM as a test sees it: wait for what it prints, type to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, overload

from gunyah_emu.machine.vm import VirtualMachine
from gunyah_emu.testing.awaited import Awaited
from gunyah_emu.testing.replay import CallStep, ExpectStep

if TYPE_CHECKING:
    from gunyah_emu.devices.console import Console
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.testing.under_test import MachineUnderTest

CONSOLE_TAIL = 12
"""Lines of a console that a failure shows."""


class ExpectationError(AssertionError):
    """The machine did not do what a test expects of it; the message is the report."""


# A failure names the class as a test imports it.
ExpectationError.__module__ = "gunyah_emu.testing"


class VmUnderTest(VirtualMachine):
    """A VM that a test talks to."""

    machine: MachineUnderTest

    def __init__(self, machine: Machine, name: str, console: Console, *, configured: bool) -> None:
        super().__init__(machine, name, console, configured=configured)
        #: bytes of its output that `expect` is past
        self.seen = 0
        # What a test has not typed yet is still to come: a guest that reads waits for it.
        console.expects_input = True

    @overload
    def expect(self, wanted: str, *, within: int | None = None) -> str: ...
    @overload
    def expect(self, wanted: re.Pattern[str], *, within: int | None = None) -> re.Match[str]: ...

    def expect(self, wanted: str | re.Pattern[str], *, within: int | None = None) -> str | re.Match[str]:
        """Run the machine until this VM prints something; the next `expect` looks behind it.

        Arguments:
            wanted: a text, or a compiled pattern, which is looked for in each line.
            within: instructions of all vCPUs together, from now on; the machine's budget by default.

        Returns: the text, or the match.

        Errors: ExpectationError when the run ends, or the budget is spent, before it appears.
        """
        __tracebackhide__ = True
        machine = self.machine
        budget = within or machine.max_instructions
        awaited = self._await(wanted)
        with machine.noted(ExpectStep(self.name, wanted, budget)):
            if awaited.found is None:
                self.console.watch(awaited)
                try:
                    outcome = machine.run(until=awaited.look_at_open_line, max_instructions=budget)
                finally:
                    self.console.unwatch(awaited)
                if not awaited.look_at_open_line():
                    shown = repr(wanted) if isinstance(wanted, str) else f"a line with {wanted.pattern!r}"
                    raise ExpectationError(f"VM '{self.name}' did not print {shown}: {machine.ending(outcome, self)}")
        self.seen = awaited.end
        assert awaited.found is not None
        return awaited.found

    def find(self, wanted: str | re.Pattern[str]) -> str | re.Match[str] | None:
        """As `expect`, in what was printed so far: the machine does not run, and None says that it is not there."""
        awaited = self._await(wanted)
        if awaited.found is not None:
            self.skip_to(awaited.end)
        return awaited.found

    def skip_to(self, position: int) -> None:
        """The next `expect` looks behind this many bytes of the output."""
        with self.machine.noted(CallStep(self.name, "skip_to", (position,))):
            self.seen = position

    def _await(self, wanted: str | re.Pattern[str]) -> Awaited:
        if wanted == "":
            raise ValueError("the text to wait for must not be empty")
        return Awaited(self.console, self.seen, wanted, self.machine.stop_slice)

    def send(self, text: str | bytes) -> None:
        """Type at its console; it reads that from its UART, or by semihosting, when it runs on."""
        with self.machine.noted(CallStep(self.name, "send", (text,))):
            self.console.type(text)

    def end_input(self) -> None:
        """Nothing more will be typed: a guest that reads finds the end behind what waits for it."""
        with self.machine.noted(CallStep(self.name, "end_input")):
            self.console.end_input()

    def tail(self, lines: int = CONSOLE_TAIL) -> str:
        """The last lines that it printed, as a failure shows them."""
        kept = self.console.text.splitlines()[-lines:]
        return "\n".join(f"    | {line}" for line in kept) if kept else "    | (nothing)"
