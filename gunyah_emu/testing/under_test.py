"""A machine as a test sees it: run it until something is printed, type to it, look at what it left behind.

Everything that waits, waits for a number of instructions, never for a time: a test that passes, passes on a loaded
machine too.  A `MachineUnderTest` is a `Machine`, so all that a machine can do, it can do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast, overload

from gunyah_emu.events import MemorySink
from gunyah_emu.machine.machine import Machine
from gunyah_emu.machine.scheduler import Reason
from gunyah_emu.machine.vm import VirtualMachine
from gunyah_emu.testing.awaited import Awaited
from gunyah_emu.testing.encoding import encoding_at
from gunyah_emu.testing.pending import pending_in
from gunyah_emu.testing.words import field

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from gunyah_emu.devices.console import Console
    from gunyah_emu.events import Event
    from gunyah_emu.machine.config import MachineConfig
    from gunyah_emu.machine.machine import Way
    from gunyah_emu.machine.outcome import Outcome
    from gunyah_emu.testing.variants import Variant

CONSOLE_TAIL = 12
"""Lines of a console that a failure shows."""


class Limits(NamedTuple):
    """What a machine under test may spend.

    Arguments:
        max_instructions: what an expectation waits for when it does not say: seconds of real computing, and more than
            a small guest's whole life.
        max_virtual_ns: virtual time that it waits for: a guest that only ticks hardly spends instructions.
        events: how many of the newest events are kept for reports, golden traces and `hypercalls`.
    """

    max_instructions: int = 100_000_000
    max_virtual_ns: int = 60_000_000_000
    events: int = 100_000


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
        awaited = self._await(wanted)
        if awaited.found is None:
            self.console.watch(awaited)
            try:
                outcome = self.machine.run(
                    until=awaited.look_at_open_line, max_instructions=within or self.machine.max_instructions
                )
            finally:
                self.console.unwatch(awaited)
            if not awaited.look_at_open_line():
                shown = repr(wanted) if isinstance(wanted, str) else f"a line with {wanted.pattern!r}"
                raise ExpectationError(f"VM '{self.name}' did not print {shown}: {self.machine.ending(outcome, self)}")
        self.seen = awaited.end
        assert awaited.found is not None
        return awaited.found

    def find(self, wanted: str | re.Pattern[str]) -> str | re.Match[str] | None:
        """As `expect`, in what was printed so far: the machine does not run, and None says that it is not there."""
        awaited = self._await(wanted)
        if awaited.found is not None:
            self.seen = awaited.end
        return awaited.found

    def _await(self, wanted: str | re.Pattern[str]) -> Awaited:
        if wanted == "":
            raise ValueError("the text to wait for must not be empty")
        return Awaited(self.console, self.seen, wanted, self.machine.stop_slice)

    def send(self, text: str | bytes) -> None:
        """Type at its console; it reads that from its UART, or by semihosting, when it runs on."""
        self.console.type(text)

    def end_input(self) -> None:
        """Nothing more will be typed: a guest that reads finds the end behind what waits for it."""
        self.console.end_input()

    def tail(self, lines: int = CONSOLE_TAIL) -> str:
        """The last lines that it printed, as a failure shows them."""
        kept = self.console.text.splitlines()[-lines:]
        return "\n".join(f"    | {line}" for line in kept) if kept else "    | (nothing)"


class MachineUnderTest(Machine):
    """A machine that a test runs.

    Arguments:
        config, seed, quantum, way: as of `Machine`.
        limits: what it may spend.

    Attributes:
        max_instructions, max_virtual_ns: the limits of a run that names no others.
        kept: the events.
        notes: every message of every run so far.
        origin: what it was made from, for people.
        variant: with what it is run; None outside a test.
        built_for_encoding: VMs whose image was chosen, or assembled, for the variant's encoding.
        golden_folder: where relative paths of golden traces begin; a test's is the folder of its file.
        updates_golden: `assert_golden` writes, keeps in `golden_writes` what, and tells `golden_notes` so.
    """

    vm_type = VmUnderTest

    def __init__(
        self,
        config: MachineConfig,
        *,
        seed: int | None = None,
        quantum: int | None = None,
        way: Way | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(config, seed=seed, quantum=quantum, way=way)
        self.max_instructions, self.max_virtual_ns, events = limits or Limits()
        self.kept = MemorySink(events)
        self.record(self.kept)
        self.notes: list[str] = []
        self.last_outcome: Outcome | None = None
        self.variant: Variant | None = None
        self.built_for_encoding: frozenset[str] = frozenset()
        self.golden_folder = Path()
        self.updates_golden = False
        self.golden_writes: dict[Path, tuple[str, ...]] = {}
        self.golden_notes: Callable[[str], None] = self.notes.append
        self.origin = str(config.path or "a machine made in code")

    def vm(self, name: str) -> VmUnderTest:
        """The VM of that name; KeyError when there is none."""
        return cast("VmUnderTest", super().vm(name))

    def run(
        self,
        *,
        until: Callable[[], bool] | None = None,
        max_instructions: int | None = None,
        max_virtual_ns: int | None = None,
        timeout: float | None = None,
    ) -> Outcome:
        """As `Machine.run`, with the machine's budgets when no others are given."""
        outcome = super().run(
            until=until,
            max_instructions=max_instructions or self.max_instructions,
            max_virtual_ns=max_virtual_ns or self.max_virtual_ns,
            timeout=timeout,
        )
        self.notes += outcome.messages
        self.last_outcome = outcome
        return outcome

    def stop_slice(self) -> None:
        """Let the slice that runs end with its block: somebody wants to look at the machine."""
        if self.scheduler.current is not None:
            self.scheduler.current.vm.engine.request_stop()

    # what a test asserts

    def expect_exit(self, status: int = 0, *, within: int | None = None) -> Outcome:
        """Run until every VM has ended, with this exit status of the run: 125 where every vCPU is to wait for ever.

        Errors: ExpectationError when it ends otherwise or the budget is spent.
        """
        __tracebackhide__ = True
        outcome = self.run(max_instructions=within)
        if outcome.exit_status != status:
            statuses = ", ".join(f"'{vm.name}' {vm.exit_status}" for vm in self.vms if vm.exit_status)
            found = f"it is {outcome.exit_status}" + (f" (VM {statuses})" if statuses else "")
            raise ExpectationError(f"the exit status must be {status}; {found}: {self.ending(outcome)}")
        return outcome

    def assert_doorbell(self, label: int, flags: int | None = None) -> None:
        """A doorbell has been rung and not been answered.

        Arguments:
            label: its label in the machine file.
            flags: exactly these flags are set; any by default.

        Errors: ExpectationError; KeyError when there is no such doorbell.
        """
        __tracebackhide__ = True
        found = self.doorbell(label).flags
        if found != flags if flags is not None else not found:
            must = "have flags set" if flags is None else f"have the flags {flags:#x}"
            raise ExpectationError(f"doorbell {label} must {must}; it has {found:#x}\n{self._tails()}")

    def assert_no_pending(self) -> None:
        """Nothing is left to do.

        No doorbell has flags, no queue messages, no vCPU an interrupt that it would take or has not ended.

        Errors: ExpectationError, which names all that is left.
        """
        __tracebackhide__ = True
        left = [
            f"doorbell {config.label} has the flags {self.doorbell(config.label).flags:#x}"
            for config in self.config.doorbells
            if self.doorbell(config.label).flags
        ]
        left += [
            f"message queue {config.label} holds {len(self.message_queue(config.label).messages)} message(s)"
            for config in self.config.message_queues
            if self.message_queue(config.label).messages
        ]
        left += [line for vm in self.vms for line in pending_in(vm)]
        if left:
            raise ExpectationError("nothing must be pending; " + "; ".join(left) + f"\n{self._tails()}")

    def hypercalls(self, vm: str | None = None, call: str | None = None) -> list[Event]:
        """The hypercalls that were made, oldest first, of a VM and of a name if given."""
        return [
            event
            for event in self.kept.events
            if event.kind == "hypercall" and vm in (None, event.vm) and call in (None, event.fields[0])
        ]

    def hypercall_errors(self, vm: str, call: str) -> Iterator[int]:
        """The error that each of the VM's calls of a name returned, oldest first."""
        for event in self.kept.events:
            if event.kind == "hypercall_return" and event.vm == vm and event.fields[0] == call:
                results = event.fields[1]
                if isinstance(results, list) and results:
                    yield results[0]

    def encodings(self) -> set[tuple[str, str]]:
        """(VM, "native" or "smccc") of every hypercall that was made: what the guest really executed."""
        calls = {(event.vm, event.vcpu, field(event, "pc")) for event in self.hypercalls()}
        return {(vm, encoding_at(self.vm(vm), vcpu, cast("int", pc))) for vm, vcpu, pc in calls if pc is not None}

    def wrong_encoding(self) -> str | None:
        """What is wrong where a guest that was built for the variant's encoding used another; None: nothing."""
        wanted = None if self.variant is None else self.variant.encoding
        for name, encoding in sorted(self.encodings()) if wanted is not None else ():
            if name in self.built_for_encoding and encoding != wanted:
                image = self.vm(name).images[0].path
                return f"VM '{name}' must make its hypercalls in the {wanted} encoding; {image} made {encoding} ones"
        return None

    @property
    def lost_events(self) -> int:
        """How many of the oldest events are no longer kept."""
        return self.kept.events[0].seq - 1 if self.kept.events else 0

    def assert_golden(self, path: str | os.PathLike[str]) -> None:
        """The run so far had the hypercalls and interrupts of a golden trace; `pytest --gunyah-update` writes it.

        Arguments:
            path: the golden trace, from `golden_folder`.

        Errors: ExpectationError with the difference; UserError when the file is no golden trace or cannot be written.
        """
        __tracebackhide__ = True
        from gunyah_emu.testing.golden_check import unlike_golden

        unlike = unlike_golden(self, self.golden_folder / path)
        if unlike is not None:
            raise ExpectationError(unlike)

    # what a failure shows

    def ending(self, outcome: Outcome, vm: VmUnderTest | None = None) -> str:
        """Why a run ended, what the guests were told of, and the end of one console, or of all."""
        reason = outcome.reason.value
        if outcome.reason is Reason.EXITED and vm is not None:
            reason = f"{reason} ({', '.join(f'{each.name}: {each.exit_status}' for each in self.vms)})"
        elif outcome.reason is Reason.IDLE:
            reason += "".join(f"; VM '{each.name}' reads and nothing was sent" for each in self.vms if _reads(each))
        lines = [f"{reason} after {outcome.instructions:,} instructions"]
        lines += [f"  {message}" for message in outcome.messages]
        lines.append(self._tails() if vm is None else f"  its console ends:\n{vm.tail()}")
        return "\n".join(lines)

    def _tails(self) -> str:
        return "\n".join(
            f"  the console of '{vm.name}' ends:\n{cast('VmUnderTest', vm).tail()}"
            for vm in self.vms
            if vm.console.total
        )


def _reads(vm: VirtualMachine) -> bool:
    return vm.exit_status is None and vm.console.is_awaited
