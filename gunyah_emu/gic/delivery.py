"""What happens between an interrupt's state and a CPU interface: the part in which the models differ.

Two ways share this interface: `DirectDelivery` offers every eligible interrupt to its CPU interface at once, as
hardware does; `VirtualDelivery` does what a hypervisor does with a handful of list registers.  Everything above
(register tables, frames, CPU interface) and below (the interrupt tables) is the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gunyah_emu.gic.state import (
    ENABLE_GROUP1,
    ENABLED,
    GROUP1,
    INTERRUPT_ROUTING_MODE,
    PRIORITY_SHIFT,
    InterruptTable,
)

if TYPE_CHECKING:
    from gunyah_emu.gic.cpu_interface import CpuInterface
    from gunyah_emu.gic.observer import GicObserver


class Delivery:
    """State common to both ways of delivery, and the operations that registers and sources need.

    Arguments:
        interrupts: the state of every interrupt.
        affinities: Aff3.Aff2.Aff1.Aff0 of every vCPU in the layout of GICD_IROUTER.
    """

    __slots__ = ("_affinities", "cpus", "declined", "group_enables", "interrupts", "observer", "on_fatal", "sleeping")

    def __init__(self, interrupts: InterruptTable, affinities: list[int]) -> None:
        self.interrupts = interrupts
        self.cpus: list[CpuInterface] = []
        self.group_enables = 0
        self.sleeping = 0
        self.observer: GicObserver | None = None
        self.on_fatal: Callable[[int, str], None] | None = None
        self._affinities = {affinity: vcpu for vcpu, affinity in enumerate(affinities)}
        self.declined = 0

    def attach(self, cpu: CpuInterface) -> None:
        """Add a vCPU, in the order of their indices."""
        self.cpus.append(cpu)

    def route_of(self, slot: int) -> int:
        """The vCPU that the interrupt is routed to, or -1.  A 1-of-N SPI goes to the lowest vCPU that participates."""
        owner = self.interrupts.owner(slot)
        if owner >= 0:
            return owner
        route = self.interrupts.routes[slot]
        if route & INTERRUPT_ROUTING_MODE:
            return next((cpu.vcpu for cpu in self.cpus if self.participates(cpu)), -1)
        return self._affinities.get(route, -1)

    def participates(self, cpu: CpuInterface) -> bool:
        """Whether a vCPU takes 1-of-N interrupts of group 1 (IHI 0069, GICR_CTLR.DPG1NS)."""
        return cpu.group1_enabled and not self.declined >> cpu.vcpu & 1

    def declines_one_of_n(self, vcpu: int) -> bool:
        """GICR_CTLR.DPG1NS."""
        return self.declined >> vcpu & 1 != 0

    def decline_one_of_n(self, vcpu: int, *, decline: bool) -> None:
        """Set GICR_CTLR.DPG1NS."""
        self.declined = self.declined & ~(1 << vcpu) | decline << vcpu
        self.participation_changed()

    def _tell_pended(self, slot: int) -> None:
        if self.observer is not None and not self.is_pending(slot):
            self.observer.pended(self.route_of(slot), self.interrupts.intids[slot])

    def _tell_dropped(self, slot: int) -> None:
        if self.observer is not None and not self.is_pending(slot):
            self.observer.dropped(self.route_of(slot), self.interrupts.intids[slot])

    def settle(self) -> None:
        """Drive every vCPU's IRQ line from what it is offered now; called once after each register write."""
        for cpu in self.cpus:
            cpu.settle()

    # Sources, by INTID of an SPI.

    def assert_edge(self, intid: int) -> None:
        """An edge of a connected object: seen by an edge-triggered interrupt only."""
        raise NotImplementedError

    def assert_level(self, intid: int) -> None:
        """A connected object's level rises, which is also an edge."""
        raise NotImplementedError

    def clear(self, intid: int) -> None:
        """A connected object's level falls.  An edge that was seen stays pending."""
        raise NotImplementedError

    def disconnect(self, intid: int) -> None:
        """A connected object goes away, and its level with it."""
        self.clear(intid)

    # Operations by slot.

    def set_wire(self, slot: int, *, level: bool) -> None:
        """Drive the input of a wired interrupt."""
        raise NotImplementedError

    def set_group(self, slot: int, group1: bool) -> None:
        """IGROUPR."""
        raise NotImplementedError

    def enable(self, slot: int) -> None:
        """ISENABLER."""
        raise NotImplementedError

    def disable(self, slot: int) -> None:
        """ICENABLER."""
        raise NotImplementedError

    def set_pending(self, slot: int, cause: int) -> None:
        """ISPENDR (cause LEVEL_SOFTWARE), SETSPI (LEVEL_MESSAGE), or an SGI (0)."""
        raise NotImplementedError

    def clear_pending(self, slot: int, cause: int) -> None:
        """ICPENDR (cause LEVEL_SOFTWARE) or CLRSPI (LEVEL_MESSAGE)."""
        raise NotImplementedError

    def activate(self, slot: int) -> None:
        """ISACTIVER."""
        raise NotImplementedError

    def deactivate(self, slot: int) -> None:
        """ICACTIVER or ICC_DIR."""
        raise NotImplementedError

    def set_priority(self, slot: int, priority: int) -> None:
        """IPRIORITYR, already masked to the implemented bits."""
        raise NotImplementedError

    def set_trigger(self, slot: int, *, edge: bool) -> None:
        """ICFGR."""
        raise NotImplementedError

    def set_route(self, slot: int, route: int) -> None:
        """IROUTER."""
        raise NotImplementedError

    def set_group_enables(self, enables: int) -> None:
        """GICD_CTLR bits 1:0."""
        raise NotImplementedError

    def group_enable_changed(self, cpu: CpuInterface) -> None:
        """ICC_IGRPEN1 of a vCPU was written."""
        raise NotImplementedError

    def participation_changed(self) -> None:
        """Some vCPU joined or left those that take 1-of-N interrupts."""

    def is_pending(self, slot: int) -> bool:
        """ISPENDR."""
        raise NotImplementedError

    def is_active(self, slot: int) -> bool:
        """ISACTIVER."""
        raise NotImplementedError

    def can_sleep(self, vcpu: int) -> bool:
        """GICR_WAKER.ChildrenAsleep once ProcessorSleep is set."""
        return True

    # The CPU interface's side.

    def acknowledge(self, cpu: CpuInterface, key: int) -> int:
        """The CPU interface takes its best candidate; returns the INTID."""
        raise NotImplementedError

    def end(self, cpu: CpuInterface, slot: int, active_priorities: int) -> None:
        """The CPU interface ends an interrupt with EOImode 0; `active_priorities` as before the priority drop."""
        raise NotImplementedError

    def end_nothing(self, cpu: CpuInterface, intid: int, split: bool) -> None:
        """ICC_EOIR1 with a special INTID or while no priority is active; `split` is EOImode."""

    def write_dir(self, cpu: CpuInterface, intid: int, split: bool) -> None:
        """ICC_DIR: without EOImode 1 it is CONSTRAINED UNPREDICTABLE, and ignored as on QEMU."""
        slot = self.interrupts.slot(cpu.vcpu, intid)
        if split and slot >= 0:
            self.deactivate(slot)
            self.settle()

    def can_generate(self, slot: int, *, group1: bool) -> bool:
        """Whether an SGI register of a group reaches an SGI: only one of that group."""
        return group1 == (self.interrupts.states[slot] & GROUP1 != 0)

    def generate_sgi(self, sender: CpuInterface, value: int, *, group1: bool) -> None:
        """ICC_SGI1R_EL1, ICC_SGI0R_EL1: make an SGI pending on the listed vCPUs, or on all others.

        IHI 0069, section 4.4; the fields are TargetList, Aff1, INTID, Aff2, IRM, RS, Aff3.
        """
        intid = value >> 24 & 0xF
        if value >> 40 & 1:
            targets = [cpu.vcpu for cpu in self.cpus if cpu is not sender]
        else:
            cluster = (value >> 48 & 0xFF) << 32 | (value >> 32 & 0xFF) << 16 | (value >> 16 & 0xFF) << 8
            first = 16 * (value >> 44 & 0xF)
            listed = (self._affinities.get(cluster | first + bit, -1) for bit in range(16) if value >> bit & 1)
            targets = [vcpu for vcpu in listed if vcpu >= 0]
        for vcpu in targets:
            if self.can_generate(32 * vcpu + intid, group1=group1):
                self.set_pending(32 * vcpu + intid, 0)
        self.settle()

    def key(self, slot: int) -> int:
        """The interrupt as a candidate: more urgent is smaller."""
        return self.interrupts.priorities[slot] << PRIORITY_SHIFT | slot

    def forwardable(self, slot: int) -> bool:
        """Whether the distributor would forward the interrupt if it were pending (IHI 0069, section 4.7)."""
        state = self.interrupts.states[slot]
        return state & (ENABLED | GROUP1) == ENABLED | GROUP1 and self.group_enables & ENABLE_GROUP1 != 0
