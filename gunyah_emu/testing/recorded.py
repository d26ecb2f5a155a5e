"""A machine whose run can be looked into afterwards: its events, whether they were recorded or not.

What is done to it is noted in `steps`, so that `replay` can do it again to a machine that records.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, cast

from gunyah_emu.events import MemorySink
from gunyah_emu.machine.machine import Machine
from gunyah_emu.machine.scheduler import Reason
from gunyah_emu.testing.encoding import encoding_at
from gunyah_emu.testing.replay import RunStep, replayed
from gunyah_emu.testing.words import field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Self

    from gunyah_emu.events import Event
    from gunyah_emu.machine.config import MachineConfig
    from gunyah_emu.machine.machine import Way
    from gunyah_emu.machine.outcome import Outcome
    from gunyah_emu.testing.replay import Step
    from gunyah_emu.testing.under_test import MachineUnderTest
    from gunyah_emu.testing.variants import Variant


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


class RecordedMachine(Machine):
    """A machine that notes what is done to it.

    Arguments:
        config, seed, quantum, way: as of `Machine`.
        limits: what it may spend.
        record: keep its events as it runs; otherwise they are had by running it again.
        prepare: what to do to the machine, and to every twin of it, before it runs.

    Attributes:
        max_instructions, max_virtual_ns: the limits of a run that names no others.
        steps: what was done to it.
        notes: every message of every run so far.
        variant: with what it is run; None outside a test.
        built_for_encoding: VMs whose image was chosen, or assembled, for the variant's encoding.
    """

    def __init__(
        self,
        config: MachineConfig,
        *,
        seed: int | None = None,
        quantum: int | None = None,
        way: Way | None = None,
        limits: Limits | None = None,
        record: bool = False,
        prepare: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__(config, seed=seed, quantum=quantum, way=way)
        self.limits = limits or Limits()
        self.max_instructions, self.max_virtual_ns, _ = self.limits
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.last_outcome: Outcome | None = None
        self.variant: Variant | None = None
        self.built_for_encoding: frozenset[str] = frozenset()
        self._depth = 0
        self._kept: MemorySink | None = None
        self._had: tuple[tuple[int, int], Sequence[Event]] | None = None
        self._prepare = prepare
        if record:
            self._kept = MemorySink(self.limits.events)
            self.record(self._kept)
        if prepare is not None:
            prepare(self)

    def __repr__(self) -> str:
        return f"<machine of {', '.join(vm.name for vm in self.vms)}>"

    def twin(self) -> Self:
        """The machine as it was made, recording."""
        made = type(self)(
            self.config,
            seed=self.chooser.seed,
            quantum=self.chooser.quantum,
            way=self.way,
            limits=self.limits,
            record=True,
            prepare=self._prepare,
        )
        made.max_instructions, made.max_virtual_ns = self.max_instructions, self.max_virtual_ns
        return made

    @contextmanager
    def noted(self, step: Step) -> Iterator[None]:
        """Do something to the machine that a twin must do as well; what it does inside is part of it."""
        if not self._depth:
            self.steps.append(step)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def run(
        self,
        *,
        until: Callable[[], bool] | None = None,
        max_instructions: int | None = None,
        max_virtual_ns: int | None = None,
        timeout: float | None = None,
    ) -> Outcome:
        """As `Machine.run`, with the machine's budgets when no others are given."""
        polls = 0

        def counted() -> bool:
            nonlocal polls
            if until is not None and until():
                return True
            polls += 1
            return False

        budgets = max_instructions or self.max_instructions, max_virtual_ns or self.max_virtual_ns
        is_outermost = not self._depth
        outcome = super().run(until=counted, max_instructions=budgets[0], max_virtual_ns=budgets[1], timeout=timeout)
        if is_outermost:
            # At a wall-clock budget's end the condition had been asked, in vain, in that turn too.
            asked = {Reason.UNTIL: polls, Reason.TIMEOUT: polls - 1}.get(outcome.reason)
            self.steps.append(RunStep(*budgets, asked))
        self.notes += outcome.messages
        self.last_outcome = outcome
        return outcome

    @property
    def events(self) -> Sequence[Event]:
        """The newest events of the run so far, oldest first.

        Errors: UserError where they were not recorded and cannot be had any more.
        """
        if self._kept is not None:
            return self._kept.events
        now = len(self.steps), self.clock.now()
        if self._had is None or self._had[0] != now:
            again = replayed(cast("MachineUnderTest", self))
            try:
                assert again._kept is not None  # noqa: SLF001 - another of this class
                self._had = now, tuple(again._kept.events)  # noqa: SLF001
            finally:
                again.close()
        return self._had[1]

    def hypercalls(self, vm: str | None = None, call: str | None = None) -> list[Event]:
        """The hypercalls that were made, oldest first, of a VM and of a name if given."""
        return [
            event
            for event in self.events
            if event.kind == "hypercall" and vm in (None, event.vm) and call in (None, event.fields[0])
        ]

    def hypercall_errors(self, vm: str, call: str) -> Iterator[int]:
        """The error that each of the VM's calls of a name returned, oldest first."""
        for event in self.events:
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
        events = self.events
        return events[0].seq - 1 if events else 0
