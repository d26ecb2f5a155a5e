"""Delivery as the architecture describes it (IHI 0069, chapter 4).

What is eligible is offered to its CPU interface at once.

For each interrupt the vCPU it would go to and its key are kept ready, so that an assertion is a test of its state and
an insertion into a set.  Configuration changes are rare: they take the interrupt out, change it, and put it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.delivery import Delivery
from gunyah_emu.gic.state import (
    ACTIVE,
    EDGE_TRIGGERED,
    ENABLED,
    GROUP1,
    IDLE,
    INTERRUPT_ROUTING_MODE,
    LATCHED,
    LEVEL_MESSAGE,
    LEVEL_SOURCE,
    LEVELS,
    OFFERED,
    SLOT_MASK,
    WIRE,
    InterruptTable,
)

if TYPE_CHECKING:
    from gunyah_emu.gic.cpu_interface import CpuInterface

# The interpreter does not fold these by itself, and the hot path would compute them for every interrupt.
TAKEN = ~(LATCHED | OFFERED)
LATCHED_AND_OFFERED = LATCHED | OFFERED
NOT_NOW = ACTIVE | OFFERED
ANY_CAUSE = LATCHED | LEVELS


class DirectDelivery(Delivery):
    """See the module."""

    __slots__ = ("_intids", "_keys", "_shift", "_states", "_targets")

    def __init__(self, interrupts: InterruptTable, affinities: list[int]) -> None:
        super().__init__(interrupts, affinities)
        self._states = interrupts.states
        self._intids = interrupts.intids
        self._shift = interrupts.spi_shift
        self._keys = list(range(len(self._states)))
        self._targets: list[CpuInterface | None] = [None] * len(self._states)

    # The hot path.

    def assert_edge(self, intid: int) -> None:
        """An edge: latched by an edge-triggered interrupt."""
        slot = intid + self._shift
        state = self._states[slot]
        if not state & EDGE_TRIGGERED:
            return
        cpu = self._targets[slot]
        if self.observer is not None:
            self._tell_pended(slot)
        if cpu is None or state & NOT_NOW:
            self._states[slot] = state | LATCHED
            return
        self._states[slot] = state | LATCHED_AND_OFFERED
        key = self._keys[slot]
        cpu.candidates.add(key)
        if key < cpu.best:
            cpu.best = key
            if key < cpu.threshold and not cpu.line:
                cpu.line = True
                cpu.raise_irq(cpu.vcpu, True)

    def assert_level(self, intid: int) -> None:
        """A level rises: latched by an edge-triggered interrupt, pending while it stands otherwise."""
        slot = intid + self._shift
        state = self._states[slot]
        cpu = self._targets[slot]
        if self.observer is not None:
            self._tell_pended(slot)
        state |= LATCHED | LEVEL_SOURCE if state & EDGE_TRIGGERED else LEVEL_SOURCE
        if cpu is None or state & NOT_NOW:
            self._states[slot] = state
            return
        self._states[slot] = state | OFFERED
        key = self._keys[slot]
        cpu.candidates.add(key)
        if key < cpu.best:
            cpu.best = key
            if key < cpu.threshold and not cpu.line:
                cpu.line = True
                cpu.raise_irq(cpu.vcpu, True)

    def acknowledge(self, cpu: CpuInterface, key: int) -> int:
        """Pending becomes active; a level that stands is pending again once the interrupt ends."""
        slot = key & SLOT_MASK
        self._states[slot] = self._states[slot] & TAKEN | ACTIVE
        candidates = cpu.candidates
        candidates.discard(key)
        cpu.best = min(candidates) if candidates else IDLE
        # What is left is not more urgent than what was taken, so the line falls.
        cpu.line = False
        cpu.raise_irq(cpu.vcpu, False)
        intid = self._intids[slot]
        if self.observer is not None:
            self.observer.acknowledged(cpu.vcpu, intid)
        return intid

    def end(self, cpu: CpuInterface, slot: int, active_priorities: int) -> None:
        """Deactivate; a level is looked at again."""
        state = self._states[slot] & ~ACTIVE
        if self.observer is not None:
            self.observer.ended(cpu.vcpu, self._intids[slot])
        if not state & ANY_CAUSE:
            self._states[slot] = state
            return
        if state & LEVEL_SOURCE and not state & EDGE_TRIGGERED and not self.interrupts.still_asserted(slot):
            state &= ~LEVEL_SOURCE
        if state & LATCHED or (state & LEVELS and not state & EDGE_TRIGGERED):
            target = self._targets[slot]
            if target is not None and not state & OFFERED:
                state |= OFFERED
                target.offer(self._keys[slot])
                if target is not cpu:
                    target.settle()
        self._states[slot] = state

    # Everything else goes through one function.

    def _change(self, slot: int, state: int) -> None:
        """Give an interrupt a new state, and its target and key what its configuration says now."""
        self._withdraw(slot)
        state &= ~OFFERED
        if state & LEVEL_SOURCE and not self.interrupts.still_asserted(slot):
            state &= ~LEVEL_SOURCE
        self._place(slot, state)

    def _withdraw(self, slot: int) -> None:
        """Take an interrupt back, by the target and key that it was offered with."""
        if self._states[slot] & OFFERED:
            target = self._targets[slot]
            assert target is not None
            target.withdraw(self._keys[slot])
            self._states[slot] &= ~OFFERED

    def _place(self, slot: int, state: int) -> None:
        """Offer an interrupt that is not offered, if its state and configuration say so."""
        self._states[slot] = state
        self._keys[slot] = self.key(slot)
        vcpu = self.route_of(slot) if self.forwardable(slot) else -1
        target = self._targets[slot] = self.cpus[vcpu] if vcpu >= 0 else None
        if target is not None and not state & ACTIVE and self.is_pending(slot):
            self._states[slot] = state | OFFERED
            target.offer(self._keys[slot])

    def clear(self, intid: int) -> None:
        """The object's level falls."""
        slot = intid + self._shift
        state = self._states[slot]
        if state & LEVEL_SOURCE:
            self._change(slot, state & ~LEVEL_SOURCE)
            self.settle()
            self._tell_dropped(slot)

    def set_wire(self, slot: int, *, level: bool) -> None:
        """A live level line; its rise latches an edge-triggered interrupt."""
        state = self._states[slot]
        if level == (state & WIRE != 0):
            return
        if level:
            self._tell_pended(slot)
            self._change(slot, state | (WIRE | LATCHED if state & EDGE_TRIGGERED else WIRE))
        else:
            self._change(slot, state & ~WIRE)
            self._tell_dropped(slot)
        self.settle()

    def set_group(self, slot: int, group1: bool) -> None:
        """IGROUPR."""
        state = self._states[slot]
        if group1 != (state & GROUP1 != 0):
            self._change(slot, state ^ GROUP1)

    def enable(self, slot: int) -> None:
        """ISENABLER."""
        self._change(slot, self._states[slot] | ENABLED)

    def disable(self, slot: int) -> None:
        """ICENABLER: a pending interrupt stays pending."""
        self._change(slot, self._states[slot] & ~ENABLED)

    def set_pending(self, slot: int, cause: int) -> None:
        """Latch; a message keeps a level-sensitive SPI pending until it is taken back."""
        state = self._states[slot]
        held = cause == LEVEL_MESSAGE and not state & EDGE_TRIGGERED
        self._tell_pended(slot)
        self._change(slot, state | (LEVEL_MESSAGE if held else LATCHED))

    def clear_pending(self, slot: int, cause: int) -> None:
        """Drop the latch, or the message."""
        state = self._states[slot]
        was_pending = self.is_pending(slot)
        held = cause == LEVEL_MESSAGE and not state & EDGE_TRIGGERED
        self._change(slot, state & ~(LEVEL_MESSAGE if held else LATCHED))
        if was_pending:
            self._tell_dropped(slot)

    def activate(self, slot: int) -> None:
        """ISACTIVER."""
        self._change(slot, self._states[slot] | ACTIVE)

    def deactivate(self, slot: int) -> None:
        """ICACTIVER, ICC_DIR: a level is looked at again."""
        self._change(slot, self._states[slot] & ~ACTIVE)

    def set_priority(self, slot: int, priority: int) -> None:
        """IPRIORITYR: takes effect at once, also for a pending interrupt."""
        if self.interrupts.priorities[slot] != priority:
            self._withdraw(slot)
            self.interrupts.priorities[slot] = priority
            self._change(slot, self._states[slot])

    def set_trigger(self, slot: int, *, edge: bool) -> None:
        """ICFGR."""
        state = self._states[slot]
        self._change(slot, state | EDGE_TRIGGERED if edge else state & ~EDGE_TRIGGERED)

    def set_route(self, slot: int, route: int) -> None:
        """IROUTER: a pending interrupt moves; an active one ends where it was taken."""
        self.interrupts.routes[slot] = route
        self._change(slot, self._states[slot])

    def set_group_enables(self, enables: int) -> None:
        """GICD_CTLR."""
        if enables != self.group_enables:
            self.group_enables = enables
            self._change_all()

    def _change_all(self) -> None:
        for slot, state in enumerate(self._states):
            if state & ENABLED:
                self._change(slot, state)

    def group_enable_changed(self, cpu: CpuInterface) -> None:
        """ICC_IGRPEN1 decides who takes part in 1-of-N."""
        self.participation_changed()

    def participation_changed(self) -> None:
        """Move 1-of-N interrupts."""
        for slot, route in enumerate(self.interrupts.routes):
            if route & INTERRUPT_ROUTING_MODE:
                self._change(slot, self._states[slot])

    def is_pending(self, slot: int) -> bool:
        """The latch, or the level of a level-sensitive interrupt."""
        state = self._states[slot]
        return state & LATCHED != 0 or (state & LEVELS != 0 and not state & EDGE_TRIGGERED)

    def is_active(self, slot: int) -> bool:
        """ISACTIVER."""
        return self._states[slot] & ACTIVE != 0
