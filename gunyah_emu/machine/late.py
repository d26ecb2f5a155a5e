"""Interrupts that come late: what stands between an interrupt source and its GIC while a fault means that SPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.machine.hits import Hits

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.hypervisor.virq import InterruptController, VirqSource
    from gunyah_emu.machine.fault_keys import FaultConfig
    from gunyah_emu.machine.machine import Machine


class Waiting(NamedTuple):
    """An assertion that is late: when it comes, of which source, whether of a level, and the event that says so."""

    due: int
    source: VirqSource
    level: bool
    cause: int


class LateInterrupts(Hits):
    """The interrupts of one SPI that are late.

    Arguments:
        config: the fault.
        machine: whose time counts.
    """

    __slots__ = ("machine", "waiting")

    def __init__(self, config: FaultConfig, machine: Machine) -> None:
        super().__init__(config)
        self.machine = machine
        #: in the order in which they come
        self.waiting: list[Waiting] = []

    def means(self, source: VirqSource) -> bool:
        """Whether a source raises that SPI."""
        vic, config = source.vic, self.config
        return vic is not None and vic.label == config.vm and source.virq - 32 == config.spi

    def deadline(self) -> int | None:
        """When the first of them comes."""
        return self.waiting[0].due if self.waiting else None

    def come(self) -> None:
        """Let those come whose time it is, unless their source is bound elsewhere by now."""
        now = self.machine.clock.now()
        while self.waiting and self.waiting[0].due <= now:
            _, source, level, cause = self.waiting.pop(0)
            if source.vic is None or source.vic.controller is None or not self.means(source):
                continue
            controller = source.vic.controller
            with self.machine.because(cause):
                (controller.assert_level if level else controller.assert_edge)(source.virq)


class LateSource:
    """An interrupt controller that does some of what one source asks later.

    Arguments:
        controller: what does it.
        source: who asks.
        late: the fault.
        tell: records that the fault strikes: tell(None, what, vm) -> event.
    """

    __slots__ = ("_controller", "_late", "_source", "_tell")

    def __init__(
        self,
        controller: InterruptController,
        source: VirqSource,
        late: LateInterrupts,
        tell: Callable[[None, str, str], int],
    ) -> None:
        self._controller = controller
        self._source = source
        self._late = late
        self._tell = tell

    def connect(self, intid: int, level_check: Callable[[], bool]) -> None:
        """As the controller."""
        self._controller.connect(intid, level_check)

    def disconnect(self, intid: int) -> None:
        """As the controller; what is late never comes."""
        self._late.waiting.clear()
        self._controller.disconnect(intid)

    def assert_level(self, intid: int) -> None:
        """Now, or later."""
        if not self._is_late(level=True):
            self._controller.assert_level(intid)

    def assert_edge(self, intid: int) -> None:
        """Now, or later."""
        if not self._is_late(level=False):
            self._controller.assert_edge(intid)

    def clear(self, intid: int) -> None:
        """A level that is late falls before it rises."""
        self._late.waiting[:] = [waiting for waiting in self._late.waiting if not waiting.level]
        self._controller.clear(intid)

    def _is_late(self, *, level: bool) -> bool:
        late = self._late
        if not late.strikes():
            return False
        machine, config = late.machine, late.config
        assert config.delay is not None
        assert config.vm is not None
        cause = self._tell(None, f"SPI {config.spi} comes {config.delay} ns late", config.vm)
        late.waiting.append(Waiting(machine.clock.now() + config.delay, self._source, level, cause))
        machine.scheduler.deadlines_changed()
        return True
