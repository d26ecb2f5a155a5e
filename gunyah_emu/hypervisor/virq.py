"""The seam between objects and an interrupt controller.

A `VirqSource` belongs to one object and is bound to (VIC, vIRQ).  Its object says `assert_level`, `assert_edge` or
`clear`; the controller asks back through the level check whether the level still stands when it looks at the
interrupt again, at end of interrupt.  All verbs are silent while the source is unbound or its VIC has no controller
yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from gunyah_emu.abi.errors import ARGUMENT_INVALID, BUSY, OK, VIRQ_BOUND
from gunyah_emu.hypervisor.observer import ReportingController

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.object import HypervisorObject
    from gunyah_emu.hypervisor.vic import Vic

FIRST_SPI: Final = 32
LAST_SPI: Final = 1019


class InterruptController(Protocol):
    """What a virtual interrupt is to an interrupt controller: SPIs by INTID, 32..1019."""

    def connect(self, intid: int, level_check: Callable[[], bool]) -> None:
        """A source is bound to this SPI; `level_check` says whether its level stands now."""

    def disconnect(self, intid: int) -> None:
        """The source is gone; a level that it asserted falls."""

    def assert_level(self, intid: int) -> None:
        """The level rises."""

    def assert_edge(self, intid: int) -> None:
        """An edge without a level: it signals only where the SPI is edge-triggered."""

    def clear(self, intid: int) -> None:
        """The level falls."""


class VirqSource:
    """One interrupt source of an object.

    Arguments:
        owner: the object it belongs to.
        name: which of the object's sources it is, for people.
        level_check: whether the level stands now.

    """

    __slots__ = ("controller", "level_check", "name", "owner", "vic", "virq")

    def __init__(self, owner: HypervisorObject, name: str, level_check: Callable[[], bool]) -> None:
        self.owner = owner
        self.name = name
        self.level_check = level_check
        self.vic: Vic | None = None
        self.virq = 0
        self.controller: InterruptController | None = None

    @property
    def title(self) -> str:
        """What to call it: its object, and which of its sources where it has several."""
        owner = self.owner
        return owner.title if self.name == owner.type_name() else f"{owner.title} {self.name}"

    def bind(self, vic: Vic, virq: int) -> int:
        """Bind to a vIRQ; nothing is asserted by it (recorded).

        Errors: VIRQ_BOUND: bound already.  ARGUMENT_INVALID: not an SPI, or beyond the VIC's number of vIRQs.  BUSY:
        another source has it.
        """
        if self.vic is not None:
            return VIRQ_BOUND
        if not FIRST_SPI <= virq <= LAST_SPI or virq - FIRST_SPI >= vic.max_virqs:
            return ARGUMENT_INVALID
        if virq in vic.sources:
            return BUSY
        self.vic = vic
        self.virq = virq
        vic.sources[virq] = self
        self.attach(vic.controller)
        return OK

    def attach(self, controller: InterruptController | None) -> None:
        """The VIC has a controller from now on (or none); called by the VIC and at binding."""
        self.controller = controller
        if controller is not None:
            controller.connect(self.virq, self.level_check)
            self.report()

    def report(self) -> None:
        """Speak through what the hypervisor puts between, an observer for example, or no longer."""
        vic = self.vic
        assert vic is not None
        assert vic.partition is not None
        hypervisor = vic.partition.hypervisor
        controller, observer = vic.controller, hypervisor.observer
        if controller is not None:
            controller = hypervisor.wrapped(self, controller)
            if observer is not None:
                controller = ReportingController(controller, self, observer)
        self.controller = controller

    def unbind(self) -> None:
        """Unbind; a level that stands falls at once, also while the interrupt is active (recorded).  Idempotent."""
        vic = self.vic
        if vic is None:
            return
        if self.controller is not None:
            self.controller.disconnect(self.virq)
        del vic.sources[self.virq]
        self.vic = None
        self.controller = None

    def assert_level(self) -> None:
        """The level rises."""
        if self.controller is not None:
            self.controller.assert_level(self.virq)

    def assert_edge(self) -> None:
        """An edge without a level."""
        if self.controller is not None:
            self.controller.assert_edge(self.virq)

    def clear(self) -> None:
        """The level falls."""
        if self.controller is not None:
            self.controller.clear(self.virq)
