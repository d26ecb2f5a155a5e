"""A whole GIC: what a VM's machine and Gunyah's VIC see of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gunyah_emu.gic.cpu_interface import CpuInterface
from gunyah_emu.gic.direct import DirectDelivery
from gunyah_emu.gic.distributor import Distributor
from gunyah_emu.gic.model import ARCHITECTURAL, Model
from gunyah_emu.gic.redistributor import Redistributor, Redistributors
from gunyah_emu.gic.state import AFFINITY_MASK, EDGE_TRIGGERED, SPI_BASE, InterruptTable

if TYPE_CHECKING:
    from gunyah_emu.gic.delivery import Delivery
    from gunyah_emu.gic.observer import GicObserver
    from gunyah_emu.gic.why import InterruptState, Reason

MAXIMUM_VCPUS = 8
MAXIMUM_SPIS = 988


class Gic:
    """An emulated GICv3 without LPIs.

    Arguments:
        vcpus: 1..8.
        spis: SPIs from INTID 32, 0..988.
        raise_irq: called as `raise_irq(vcpu, level)` whenever a vCPU's IRQ line changes.
        model: ARCHITECTURAL or GUNYAH.
        affinities: MPIDR affinity fields (Aff3 in 39:32, Aff2..Aff0 in 23:0) per vCPU; default Aff0 = index.
        capacity: vCPUs the VIC was configured for; only the last of these has GICR_TYPER.Last.
    """

    def __init__(
        self,
        vcpus: int = 1,
        spis: int = 64,
        raise_irq: Callable[[int, bool], None] = lambda _vcpu, _level: None,
        model: Model = ARCHITECTURAL,
        affinities: Sequence[int] | None = None,
        capacity: int | None = None,
    ) -> None:
        assert 1 <= vcpus <= MAXIMUM_VCPUS
        assert 0 <= spis <= MAXIMUM_SPIS
        self.model = model
        self.interrupts = InterruptTable(vcpus, MAXIMUM_SPIS if model.implements_all_spis else spis)
        places = [affinity & AFFINITY_MASK for affinity in (range(vcpus) if affinities is None else affinities)]
        delivery = self._delivery = self._open_delivery(places)
        self.cpu_interfaces = [CpuInterface(vcpu, delivery, model, raise_irq) for vcpu in range(vcpus)]
        for cpu in self.cpu_interfaces:
            delivery.attach(cpu)
        self.distributor = Distributor(delivery, model)
        last = (capacity or model.redistributor_capacity or vcpus) - 1
        self.redistributors = Redistributors(
            [
                Redistributor(delivery, model, vcpu, place & 0xFF_FFFF | place >> 8 & 0xFF00_0000, last=vcpu == last)
                for vcpu, place in enumerate(places)
            ]
        )
        # The hot path has no forwarding methods: these are the delivery's own.
        self.assert_edge = delivery.assert_edge
        self.assert_level = delivery.assert_level
        self.clear = delivery.clear

    def _open_delivery(self, places: list[int]) -> Delivery:
        if self.model.list_registers:
            # Most runs never need it, and imports count on the way to the first instruction.
            from gunyah_emu.gic.virtual import VirtualDelivery

            return VirtualDelivery(self.interrupts, places, self.model.list_registers)
        return DirectDelivery(self.interrupts, places)

    def connect(self, intid: int, level_check: Callable[[], bool]) -> None:
        """Attach the object that drives an SPI; `level_check` says whether its level still stands."""
        self.interrupts.checks[self._spi_slot(intid)] = level_check

    def disconnect(self, intid: int) -> None:
        """Detach it: its level falls, an edge that was seen stays."""
        self._delivery.disconnect(intid)
        self.interrupts.checks.pop(self._spi_slot(intid), None)

    def set_private_level(self, vcpu: int, intid: int, level: bool) -> None:
        """Drive a PPI's input: a timer's, for one."""
        assert 16 <= intid < SPI_BASE
        self._delivery.set_wire(32 * vcpu + intid, level=level)

    def set_spi_level(self, intid: int, level: bool) -> None:
        """Drive an SPI's input: a wired device's."""
        self._delivery.set_wire(self._spi_slot(intid), level=level)

    def _spi_slot(self, intid: int) -> int:
        slot = self.interrupts.slot(0, intid)
        assert intid >= SPI_BASE
        assert slot >= 0
        return slot

    def why_not(self, vcpu: int, intid: int) -> list[Reason]:
        """What keeps an interrupt from being signalled to a vCPU now; empty when it is signalled."""
        from gunyah_emu.gic.why import reasons

        return reasons(self._delivery, self.cpu_interfaces[vcpu], intid)

    def explain(self, vcpu: int, intid: int) -> dict[str, str]:
        """The same as `why_not`, in words, with the figures that make each reason true."""
        from gunyah_emu.gic.why import explain

        return explain(self._delivery, self.cpu_interfaces[vcpu], intid)

    def route_of(self, intid: int) -> int:
        """The vCPU that an SPI goes to, or -1."""
        return self._delivery.route_of(self._spi_slot(intid))

    def pending(self) -> list[tuple[int, int]]:
        """Every pending interrupt: (vCPU that it is routed to or -1, INTID)."""
        delivery, intids = self._delivery, self.interrupts.intids
        return [(delivery.route_of(slot), intid) for slot, intid in enumerate(intids) if delivery.is_pending(slot)]

    def is_level_triggered(self, intid: int) -> bool:
        """Whether an SPI is level-sensitive now."""
        return not self.interrupts.states[self._spi_slot(intid)] & EDGE_TRIGGERED

    def describe(self, vcpu: int, intid: int) -> InterruptState | None:
        """An interrupt as a vCPU sees it; None when there is none of that INTID."""
        from gunyah_emu.gic.why import describe

        return describe(self._delivery, self.cpu_interfaces[vcpu], intid)

    @property
    def on_fatal(self) -> Callable[[int, str], None] | None:
        """Called as `on_fatal(vcpu, what)` when a guest does what stops the real hypervisor; None: ignore it."""
        return self._delivery.on_fatal

    @on_fatal.setter
    def on_fatal(self, callback: Callable[[int, str], None] | None) -> None:
        self._delivery.on_fatal = callback

    @property
    def observer(self) -> GicObserver | None:
        """Who is told what happens to interrupts."""
        return self._delivery.observer

    @observer.setter
    def observer(self, observer: GicObserver | None) -> None:
        self._delivery.observer = observer
        self.distributor.observer = observer
        self.redistributors.observe(observer)
