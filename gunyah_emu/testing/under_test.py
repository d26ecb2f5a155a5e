"""A machine as a test sees it: run it until something is printed, type to it, look at what it left behind.

Everything that waits, waits for a number of instructions, never for a time: a test that passes, passes on a loaded
machine too.  A `MachineUnderTest` is a `Machine`, so all that a machine can do, it can do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from gunyah_emu.machine.scheduler import Reason
from gunyah_emu.testing.pending import pending_in
from gunyah_emu.testing.recorded import Limits, RecordedMachine
from gunyah_emu.testing.replay import CallStep
from gunyah_emu.testing.vm_under_test import ExpectationError, VmUnderTest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Unpack

    from gunyah_emu.machine.config import MachineConfig
    from gunyah_emu.machine.machine import Way
    from gunyah_emu.machine.outcome import Outcome
    from gunyah_emu.machine.vm import VirtualMachine

__all__ = ["ExpectationError", "Limits", "MachineUnderTest", "VmUnderTest"]


class Options(TypedDict, total=False):
    """How a `RecordedMachine` is made."""

    seed: int | None
    quantum: int | None
    way: Way | None
    limits: Limits | None
    record: bool
    prepare: Callable[[MachineUnderTest], None] | None


class MachineUnderTest(RecordedMachine):
    """A machine that a test runs.

    Arguments: as of `RecordedMachine`.

    Attributes:
        origin: what it was made from, for people.
        golden_folder: where relative paths of golden traces begin; a test's is the folder of its file.
        updates_golden: `assert_golden` writes, keeps in `golden_writes` what, and tells `golden_notes` so.
    """

    vm_type = VmUnderTest

    def __init__(self, config: MachineConfig, **options: Unpack[Options]) -> None:
        super().__init__(config, **options)
        self.origin = str(config.path or "a machine made in code")
        self.golden_folder = Path()
        self.updates_golden = False
        self.golden_writes: dict[Path, tuple[str, ...]] = {}
        self.golden_notes: Callable[[str], None] = self.notes.append

    def vm(self, name: str) -> VmUnderTest:
        """The VM of that name; KeyError when there is none."""
        return cast("VmUnderTest", super().vm(name))

    def stop_slice(self) -> None:
        """Let the slice that runs end with its block: somebody wants to look at the machine."""
        if self.scheduler.current is not None:
            self.scheduler.current.vm.engine.request_stop()

    def leave_consoles(self) -> None:
        """Nobody sits at the consoles but the machine file's own script, as in a plain run."""
        with self.noted(CallStep(None, "leave_consoles")):
            for vm in self.vms:
                vm.console.expects_input = False

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
