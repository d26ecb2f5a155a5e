"""Who is told what guests ask and what objects do about it; and how that costs nothing while nobody asks.

With an observer the table of calls holds wrappers, and bound vIRQ sources speak through a `ReportingController`.
Without one neither exists, so that no call and no assertion ever tests whether it is observed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from gunyah_emu.abi.decode import Entry
from gunyah_emu.hypervisor.fatal import HypervisorFatal

if TYPE_CHECKING:
    from gunyah_emu.abi.declare import Declaration
    from gunyah_emu.abi.types import Results
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.virq import InterruptController, VirqSource


CallWrapper = Callable[[Entry, "Declaration", str], Entry]
"""(entry, declaration, "native" | "smccc") -> what stands in the table instead; the entry itself costs nothing."""

SourceWrapper = Callable[["VirqSource", "InterruptController"], "InterruptController"]


class HypervisorObserver(Protocol):
    """Receives what happens, in order."""

    def called(self, caller: Thread, declaration: Declaration, arguments: tuple[int, ...]) -> None:
        """A hypercall begins; the arguments are registers as they came, without the reserved one."""

    def returned(self, caller: Thread, declaration: Declaration, results: tuple[int, ...] | None) -> None:
        """It ends with x0, x1, ... as far as they are outputs; `None`: the caller is blocked."""

    def service(self, caller: Thread, name: str, arguments: tuple[int, ...]) -> None:
        """A function behind `hvc #0` or `smc #0` that is no hypercall: PSCI, TRNG, SMCCC."""

    def asserted(self, source: VirqSource, level: bool) -> None:
        """A bound source asserts its vIRQ: a level, or only an edge."""

    def settled(self, source: VirqSource, level: bool) -> None:
        """The controller has done what that assertion asks for."""

    def cleared(self, source: VirqSource) -> None:
        """A bound source's level falls."""


class ReportingController:
    """An interrupt controller that tells an observer what one source does.

    Arguments:
        controller: what does it.
        source: who.
        observer: who is told.

    """

    __slots__ = ("controller", "observer", "source")

    def __init__(self, controller: InterruptController, source: VirqSource, observer: HypervisorObserver) -> None:
        self.controller = controller
        self.source = source
        self.observer = observer

    def connect(self, intid: int, level_check: Callable[[], bool]) -> None:
        """As the controller."""
        self.controller.connect(intid, level_check)

    def disconnect(self, intid: int) -> None:
        """As the controller."""
        self.controller.disconnect(intid)

    def assert_level(self, intid: int) -> None:
        """Told, then done: what the assertion causes comes after it."""
        self.observer.asserted(self.source, True)
        self.controller.assert_level(intid)
        self.observer.settled(self.source, True)

    def assert_edge(self, intid: int) -> None:
        """Told, then done."""
        self.observer.asserted(self.source, False)
        self.controller.assert_edge(intid)
        self.observer.settled(self.source, False)

    def clear(self, intid: int) -> None:
        """Told, then done."""
        self.observer.cleared(self.source)
        self.controller.clear(intid)


def observed(entry: Entry, declaration: Declaration, observer: HypervisorObserver) -> Entry:
    """An entry that tells the observer before and after."""
    count = len(declaration.argument_names)

    def call(caller: Thread, *registers: int) -> Results:
        observer.called(caller, declaration, registers[:count])
        results = entry(caller, *registers)
        observer.returned(caller, declaration, (results,) if isinstance(results, int) else results)
        return results

    return call


def survivable(entry: Entry, failure: Results) -> Entry:
    """An entry that answers `failure` where the real hypervisor would go down: a policy of the user's."""

    def call(caller: Thread, *registers: int) -> Results:
        try:
            return entry(caller, *registers)
        except HypervisorFatal:
            return failure

    return call
