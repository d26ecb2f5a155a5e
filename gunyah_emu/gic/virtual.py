"""Delivery through list registers, as Gunyah's virtual GIC does it: what sources and registers ask for.

Where a rule looks odd it was recorded; `listing.py` says why it comes about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.list_registers import ACTIVE_ONLY, NOBODY, PENDING, PENDING_ACTIVE
from gunyah_emu.gic.listing import ListingDelivery, pending
from gunyah_emu.gic.state import (
    ACTIVE,
    DETACHED,
    EDGE_TRIGGERED,
    ENABLE_GROUP1,
    ENABLED,
    GROUP1,
    INTERRUPT_ROUTING_MODE,
    LATCHED,
    LEVEL_MESSAGE,
    LEVEL_SOFTWARE,
    LEVEL_SOURCE,
    LISTED,
    NEEDS_SYNC,
    SPECIAL_BASE,
    TIE_SHIFT,
    WIRE,
)

if TYPE_CHECKING:
    from gunyah_emu.gic.cpu_interface import CpuInterface


class VirtualDelivery(ListingDelivery):
    """See the module."""

    __slots__ = ()

    # Sources.

    def assert_edge(self, intid: int) -> None:
        """An edge."""
        slot = intid + self.interrupts.spi_shift
        if self.observer is not None and self._states[slot] & EDGE_TRIGGERED:
            self._tell_pended(slot)
        self._deliver(slot, self._vcpus[slot], LATCHED)
        self.settle()

    def assert_level(self, intid: int) -> None:
        """A level rises, which is also an edge."""
        slot = intid + self.interrupts.spi_shift
        if self.observer is not None:
            self._tell_pended(slot)
        self._deliver(slot, self._vcpus[slot], LATCHED | LEVEL_SOURCE)
        self.settle()

    def clear(self, intid: int) -> None:
        """A level falls: taken out of the list register at once, unless it is an edge there."""
        self._lower(intid, gone=False)

    def disconnect(self, intid: int) -> None:
        """A source goes away: as `clear`, and if the interrupt stays listed, whatever needs it is synchronised."""
        self._lower(intid, gone=True)

    def _lower(self, intid: int, *, gone: bool) -> None:
        slot = intid + self.interrupts.spi_shift
        was_pending = self.observer is not None and self.is_pending(slot)
        if not self._undeliver(slot, self._vcpus[slot], LEVEL_SOURCE, detach=True) and gone:
            self._synchronise_all()
        self.settle()
        if was_pending:
            self._tell_dropped(slot)

    def set_wire(self, slot: int, *, level: bool) -> None:
        """A wired device's line: sampled like any other source."""
        if level == (self._states[slot] & WIRE != 0):
            return
        if level:
            self._states[slot] |= WIRE
            self._tell_pended(slot)
            self._deliver(slot, self._vcpus[slot], LATCHED | LEVEL_SOURCE)
        else:
            self._states[slot] &= ~WIRE
            if not self._states[slot] & LISTED:
                self._states[slot] &= ~LEVEL_SOURCE
                self._tell_dropped(slot)
        self.settle()

    # The CPU interface's side.

    def acknowledge(self, cpu: CpuInterface, key: int) -> int:
        """The register becomes active; nobody but the guest notices."""
        lists = self.lists[cpu.vcpu]
        at = key >> TIE_SHIFT & 0xF
        lists.set_state(at, ACTIVE_ONLY)
        intid = self.interrupts.intids[lists.slots[at]]
        if self.observer is not None:
            self.observer.acknowledged(cpu.vcpu, intid)
        if lists.needs_attention():
            self.settle()
        else:
            cpu.settle()
        return intid

    def end(self, cpu: CpuInterface, slot: int, active_priorities: int) -> None:
        """The register loses its active state if its priority is the one that was dropped."""
        lists = self.lists[cpu.vcpu]
        if self.observer is not None:
            self.observer.ended(cpu.vcpu, self.interrupts.intids[slot])
        if not lists.group1_enabled:
            self._deactivate_register(cpu, slot)
            return
        at = lists.find(slot)
        if at == NOBODY or not lists.states[at] & ACTIVE_ONLY:
            lists.unlisted_ends += 1
        elif active_priorities & -active_priorities == 1 << ((lists.priorities[at] & cpu.group_mask) >> 3):
            lists.set_state(at, lists.states[at] & ~ACTIVE_ONLY)
        if lists.needs_attention():
            self.settle()

    def end_nothing(self, cpu: CpuInterface, intid: int, split: bool) -> None:
        """ICC_EOIR1: trapped while the group is off, and then no different from an ordinary one."""
        if not self.lists[cpu.vcpu].group1_enabled and not split:
            cpu.write_ap1r0(cpu.active_priorities & cpu.active_priorities - 1 if cpu.active_priorities else 0)
            self._deactivate_trapped(cpu, intid, "ICC_EOIR1_EL1")

    def write_dir(self, cpu: CpuInterface, intid: int, split: bool) -> None:
        """ICC_DIR: always trapped, whatever EOImode says."""
        self._deactivate_trapped(cpu, intid, "ICC_DIR_EL1")

    def _deactivate_trapped(self, cpu: CpuInterface, intid: int, register: str) -> None:
        if intid >= SPECIAL_BASE:
            if self.on_fatal is not None:
                self.on_fatal(cpu.vcpu, f"{register} was written with INTID {intid}, which is no interrupt")
            return
        self._deactivate_register(cpu, self.interrupts.slot(cpu.vcpu, intid))

    def _deactivate_register(self, cpu: CpuInterface, slot: int) -> None:
        """ICC_DIR, or ICC_EOIR1 while the group is off: the hypervisor does what the guest asked for."""
        lists = self.lists[cpu.vcpu]
        at = lists.find(slot)
        if not self._states[slot] & LISTED:
            self._deactivate_unlisted(slot)
        elif at != NOBODY and lists.states[at] & ACTIVE_ONLY:
            state = self._states[slot] & ~(LISTED | NEEDS_SYNC | DETACHED)
            if lists.states[at] == PENDING_ACTIVE:
                state |= LATCHED
            lists.empty(at)
            self._resample(slot, state)
        self.settle()

    # Registers.

    def _target_of_trap(self, slot: int) -> int:
        """The vCPU whose registers a trapped write may touch directly: only a private interrupt's."""
        return self.interrupts.owner(slot)

    def set_group(self, slot: int, group1: bool) -> None:
        """IGROUPR: a listed interrupt that is now in group 1 is synchronised, changed or not."""
        state = self._states[slot] | GROUP1 if group1 else self._states[slot] & ~GROUP1
        if state & LISTED:
            self._states[slot] = state | NEEDS_SYNC if group1 else state & ~NEEDS_SYNC
            self._synchronise_all()
        else:
            self._states[slot] = state
            vcpu = self._vcpus[slot]
            if vcpu >= 0:
                self._deliver(slot, vcpu, 0)

    def enable(self, slot: int) -> None:
        """ISENABLER."""
        self._deliver(slot, self._vcpus[slot], ENABLED)

    def disable(self, slot: int) -> None:
        """ICENABLER."""
        if not self._undeliver(slot, self._target_of_trap(slot), ENABLED, detach=False):
            self._synchronise_all()

    def set_pending(self, slot: int, cause: int) -> None:
        """ISPENDR, SETSPI: a level stays until the same register's counterpart takes it back."""
        self._tell_pended(slot)
        self._deliver(slot, self._vcpus[slot], LATCHED | cause)

    def clear_pending(self, slot: int, cause: int) -> None:
        """ICPENDR, CLRSPI: cannot reach an edge that is listed."""
        was_pending = self.observer is not None and self.is_pending(slot)
        self._undeliver(slot, self._target_of_trap(slot), LATCHED | cause, detach=True)
        if was_pending:
            self._tell_dropped(slot)

    def activate(self, slot: int) -> None:
        """ISACTIVER: ignored for a listed interrupt."""
        if not self._states[slot] & LISTED:
            self._states[slot] |= ACTIVE

    def deactivate(self, slot: int) -> None:
        """ICACTIVER: ignored for a listed interrupt."""
        if not self._states[slot] & LISTED:
            self._deactivate_unlisted(slot)

    def set_priority(self, slot: int, priority: int) -> None:
        """IPRIORITYR: raising it synchronises a listed interrupt and lists a waiting one; lowering it does nothing."""
        raised = priority < self.interrupts.priorities[slot]
        self.interrupts.priorities[slot] = priority
        state = self._states[slot]
        if raised and state & LISTED:
            self._states[slot] = state | NEEDS_SYNC
            self._synchronise_all()
        elif raised and state & ENABLED and pending(state):
            self._deliver(slot, self._vcpus[slot], 0)

    def set_trigger(self, slot: int, *, edge: bool) -> None:
        """ICFGR: a level-sensitive interrupt forgets what software made pending; nothing is synchronised."""
        if edge:
            self._states[slot] |= EDGE_TRIGGERED
        else:
            self._states[slot] &= ~(EDGE_TRIGGERED | LEVEL_SOFTWARE | LEVEL_MESSAGE)

    def set_route(self, slot: int, route: int) -> None:
        """IROUTER."""
        self.interrupts.routes[slot] = route
        self._move(slot)

    def participation_changed(self) -> None:
        """Move 1-of-N interrupts."""
        for slot, route in enumerate(self.interrupts.routes):
            if route & INTERRUPT_ROUTING_MODE:
                self._move(slot)

    def _move(self, slot: int) -> None:
        """Follow a change of route: a listed interrupt is synchronised, a waiting one delivered."""
        self._follow_route(slot)
        state = self._states[slot]
        if state & LISTED:
            self._states[slot] = state | NEEDS_SYNC
            self._synchronise_all()
        elif state & ENABLED and pending(state):
            self._deliver(slot, self._vcpus[slot], 0)

    def set_group_enables(self, enables: int) -> None:
        """GICD_CTLR: a change of either group makes the hypervisor look at every vCPU."""
        if enables != self.group_enables:
            self.group_enables = enables
            for cpu in self.cpus:
                self._update_group(cpu)

    def group_enable_changed(self, cpu: CpuInterface) -> None:
        """ICC_IGRPEN1: not noticed when it turns on what is on."""
        if not (cpu.group1_enabled and self.lists[cpu.vcpu].group1_enabled):
            self._update_group(cpu)

    def _update_group(self, cpu: CpuInterface) -> None:
        """A group that goes off takes all but active interrupts out of the registers; one that is on, lists more."""
        lists = self.lists[cpu.vcpu]
        before = lists.group1_enabled
        lists.group1_enabled = cpu.group1_enabled and self.group_enables & ENABLE_GROUP1 != 0
        if before and not lists.group1_enabled:
            for at in range(self._count):
                if lists.slots[at] != NOBODY:
                    self._synchronise(lists, at)
        if lists.group1_enabled:
            self._check_delivery(lists)
        self.participation_changed()
        self.settle()

    def is_pending(self, slot: int) -> bool:
        """ISPENDR: the register's word where there is one."""
        listed = self._listed_state(slot)
        return pending(self._states[slot]) if listed is None else listed & PENDING != 0

    def is_active(self, slot: int) -> bool:
        """ISACTIVER."""
        listed = self._listed_state(slot)
        return self._states[slot] & ACTIVE != 0 if listed is None else listed & ACTIVE_ONLY != 0

    def _listed_state(self, slot: int) -> int | None:
        if self._states[slot] & LISTED:
            for lists in self.lists:
                at = lists.find(slot)
                if at != NOBODY:
                    return lists.states[at]
        return None

    def can_sleep(self, vcpu: int) -> bool:
        """A vCPU with a group on is not quiescent."""
        return not self.lists[vcpu].group1_enabled

    def can_generate(self, slot: int, *, group1: bool) -> bool:
        """ICC_SGI1R reaches SGIs of either group; ICC_SGI0R only those of group 0."""
        return group1 or not self._states[slot] & GROUP1
