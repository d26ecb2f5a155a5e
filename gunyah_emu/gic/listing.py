"""How interrupts get into list registers and out of them again: the hypervisor's part of a virtual GIC.

A hypervisor does not see its guest acknowledge or end an interrupt.  It writes the interrupt into a list register and
learns the rest when it must look: the register's maintenance interrupt, a trapped write, an assertion of the same
interrupt.  Until then the guest sees what was listed, with the priority it had:

- being listed clears the latch; pending and active are then in the register;
- an edge-triggered interrupt that ended stays listed (invalid) until its register is needed;
- a level is sampled only when the register is synchronised, in general at end of interrupt;
- what finds no register is noted per priority and range of INTIDs, and searched for when no register is pending.

The steps and their order are those of the recorded hypervisor, because guests can observe them.  Messages between
processors are not modelled: another vCPU's registers are changed at once, as when it does not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.delivery import Delivery
from gunyah_emu.gic.list_registers import (
    ACTIVE_ONLY,
    INVALID,
    LOWEST_PRIORITY,
    NOBODY,
    PENDING,
    PENDING_ACTIVE,
    PRIORITY_LEVELS,
    RANGE_SHIFT,
    ListRegisters,
)
from gunyah_emu.gic.state import (
    ACTIVE,
    DETACHED,
    EDGE_TRIGGERED,
    ENABLED,
    GROUP1,
    LATCHED,
    LEVEL_MESSAGE,
    LEVEL_SOFTWARE,
    LEVEL_SOURCE,
    LISTED,
    NEEDS_SYNC,
    SPECIAL_BASE,
    WIRE,
    InterruptTable,
)

if TYPE_CHECKING:
    from gunyah_emu.gic.cpu_interface import CpuInterface

HELD_LEVELS = LEVEL_SOURCE | LEVEL_SOFTWARE | LEVEL_MESSAGE
NOT_LATCHED = ~LATCHED
OUT_OF_SYNC = NEEDS_SYNC | DETACHED
SYNCHRONISED = ~OUT_OF_SYNC


def pending(state: int) -> bool:
    """Whether an interrupt is pending outside its list register."""
    return state & (LATCHED if state & EDGE_TRIGGERED else HELD_LEVELS) != 0


def level_asserted(state: int) -> bool:
    """Whether a level-sensitive interrupt has a reason to be pending, so that its end must be noticed."""
    return not state & EDGE_TRIGGERED and state & HELD_LEVELS != 0


class ListingDelivery(Delivery):
    """See the module.

    `registers` is the number of list registers of each vCPU.
    """

    __slots__ = ("_count", "_states", "_vcpus", "lists")

    def __init__(self, interrupts: InterruptTable, affinities: list[int], registers: int) -> None:
        super().__init__(interrupts, affinities)
        self._states = interrupts.states
        self._count = registers
        private = 32 * interrupts.vcpus
        self._vcpus = [slot >> 5 for slot in range(private)]
        self._vcpus += [self._affinities.get(0, NOBODY)] * (len(self._states) - private)
        self.lists: list[ListRegisters] = []

    def attach(self, cpu: CpuInterface) -> None:
        """Add a vCPU."""
        super().attach(cpu)
        self.lists.append(ListRegisters(cpu, self._count))

    def route_of(self, slot: int) -> int:
        """The vCPU that the interrupt is routed to, or NOBODY."""
        return self._vcpus[slot]

    def _follow_route(self, slot: int) -> None:
        """Remember where an interrupt goes after its route, or who takes 1-of-N interrupts, changed."""
        self._vcpus[slot] = super().route_of(slot)

    # Delivering and taking back.

    def _deliver(self, slot: int, vcpu: int, asserted: int) -> None:
        """Add causes to an interrupt and list it if it can be listed; `vcpu` is its route or NOBODY."""
        old = self._states[slot]
        new = old | asserted
        lists = self.lists[vcpu] if vcpu >= 0 else None
        if old & LISTED:
            if lists is not None and new & ENABLED and pending(new):
                at = lists.find(slot)
                if at != NOBODY:
                    self._redeliver(lists, at, new)
                    return
            self._states[slot] = new | NEEDS_SYNC
            if pending(new) and lists is not None:
                self._synchronise_where_listed(slot)
            return
        if not pending(new) or not new & ENABLED or lists is None:
            self._states[slot] = new
            return
        priority = self.interrupts.priorities[slot]
        if not self._allowed(lists, slot, new):
            self._states[slot] = new
            self._reroute(slot)
        elif new & ACTIVE:
            self._states[slot] = new
            lists.note_for_maintenance(self.interrupts.intids[slot], priority)
        else:
            at, beaten = lists.select(priority)
            if at != NOBODY and priority < beaten:
                self._list(lists, at, slot, new)
            else:
                self._states[slot] = new
                lists.note_for_maintenance(self.interrupts.intids[slot], priority)

    def _redeliver(self, lists: ListRegisters, at: int, state: int) -> None:
        """Assert an interrupt that is listed: its register keeps the priority it has."""
        self._states[lists.slots[at]] = state & NOT_LATCHED
        was = lists.states[at]
        lists.traps_eoi[at] = level_asserted(state)
        if was == INVALID:
            lists.set_state(at, PENDING)
        elif was == ACTIVE_ONLY:
            lists.set_state(at, PENDING_ACTIVE)

    def _list(self, lists: ListRegisters, at: int, slot: int, state: int) -> None:
        """Put an interrupt into a register, whose occupant makes room."""
        self._states[slot] = state = (state | LISTED) & NOT_LATCHED
        if lists.slots[at] != NOBODY:
            self._reclaim(lists, at)
        lists.fill(at, slot, self.interrupts.priorities[slot], trap_eoi=level_asserted(state))

    def _reclaim(self, lists: ListRegisters, at: int) -> None:
        """Take an interrupt out of a register that is needed; what it was goes back into its state."""
        slot = lists.slots[at]
        was = lists.states[at]
        old = self._states[slot]
        new = old & ~(LISTED | NEEDS_SYNC | DETACHED | ACTIVE)
        if was & ACTIVE_ONLY:
            lists.active_unlisted[lists.active_unlisted_count % PRIORITY_LEVELS] = slot
            lists.active_unlisted_count += 1
            new |= ACTIVE
        if was & PENDING:
            new |= LATCHED
        if old & LEVEL_SOURCE and not self._still_asserted(slot, was & PENDING | old & LATCHED):
            new &= ~LEVEL_SOURCE
        self._states[slot] = new
        lists.empty(at)
        if new & ENABLED and pending(new) and not new & ACTIVE:
            if old & NEEDS_SYNC:
                self._reroute(slot)
            else:
                lists.note_for_maintenance(self.interrupts.intids[slot], self.interrupts.priorities[slot])

    def _reroute(self, slot: int) -> None:
        """Leave a pending interrupt for the vCPU that it is routed to, if there is one."""
        vcpu = self._vcpus[slot]
        if vcpu >= 0 and self.lists[vcpu].note(self.interrupts.intids[slot], self.interrupts.priorities[slot]):
            self.lists[vcpu].deliver_requested = True

    def _undeliver(self, slot: int, vcpu: int, cleared: int, *, detach: bool) -> bool:
        """Remove causes or the enable of an interrupt; returns whether it is not listed afterwards.

        Without its vCPU (NOBODY) a listed interrupt is only marked for the next synchronisation.
        """
        old = self._states[slot]
        new = old & ~cleared
        if not old & LISTED:
            if old & LEVEL_SOURCE and not cleared & LEVEL_SOURCE and not self._still_asserted(slot, old & LATCHED):
                new &= ~LEVEL_SOURCE
            self._states[slot] = new
            return True
        if vcpu >= 0:
            at = self.lists[vcpu].find(slot)
            if at != NOBODY:
                return self._synchronise(self.lists[vcpu], at, cleared)
        if not new & ENABLED or not (new & EDGE_TRIGGERED or level_asserted(new)):
            new |= NEEDS_SYNC
        self._states[slot] = new | DETACHED if detach else new
        return False

    # Synchronisation.

    def _allowed(self, lists: ListRegisters, slot: int, state: int) -> bool:
        """Whether an interrupt may be listed for a vCPU: its group is on there and it is routed there."""
        return state & GROUP1 != 0 and lists.group1_enabled and self._vcpus[slot] == lists.vcpu

    def _synchronise(self, lists: ListRegisters, at: int, cleared: int = 0) -> bool:
        """Bring a register and its interrupt's state together; returns whether the interrupt left it."""
        slot = lists.slots[at]
        was = lists.states[at]
        old = self._states[slot]
        new = old & SYNCHRONISED & ~cleared
        allowed = new & ENABLED != 0 and self._allowed(lists, slot, new)
        if was & PENDING and not cleared & LATCHED:
            new |= LATCHED
        if (
            old & LEVEL_SOURCE
            and not cleared & LEVEL_SOURCE
            and not self._still_asserted(slot, was & PENDING | old & LATCHED)
        ):
            new &= ~LEVEL_SOURCE
        wanted = new & ENABLED != 0 and pending(new)
        if not was & ACTIVE_ONLY and not (wanted and allowed):
            self._states[slot] = new & ~(LISTED | ACTIVE)
            lists.empty(at)
            if wanted:
                self._reroute(slot)
            return True
        if wanted and allowed:
            self._states[slot] = new & NOT_LATCHED
            lists.traps_eoi[at] = not new & EDGE_TRIGGERED
            lists.set_state(at, was & ACTIVE_ONLY | PENDING)
        else:
            self._states[slot] = new
            if not allowed:
                lists.traps_eoi[at] = wanted or lists.traps_eoi[at]
                lists.set_state(at, ACTIVE_ONLY)
        return False

    def _synchronise_vcpu(self, lists: ListRegisters) -> None:
        for at, slot in enumerate(lists.slots):
            if slot != NOBODY and self._states[slot] & OUT_OF_SYNC:
                self._synchronise(lists, at)

    def _synchronise_all(self) -> None:
        for lists in self.lists:
            self._synchronise_vcpu(lists)

    def _synchronise_where_listed(self, slot: int) -> None:
        """Only its own vCPU can list a private interrupt; an SPI may be anywhere."""
        owner = self.interrupts.owner(slot)
        if owner >= 0:
            self._synchronise_vcpu(self.lists[owner])
        else:
            self._synchronise_all()

    # Searching for what found no register.

    def _list_if_pending(self, lists: ListRegisters, at: int, intid: int, limit: int) -> bool | None:
        """List an interrupt if it waits for this vCPU at `limit` or a higher priority.

        Returns True: listed; None: it waits, but not at this priority or not with its group off; False: it does not.
        """
        slot = self.interrupts.slot(lists.vcpu, intid)
        state = self._states[slot] if slot >= 0 else 0
        if not state & ENABLED or not pending(state) or state & (LISTED | ACTIVE):
            return False
        if self.interrupts.priorities[slot] > limit or not (state & GROUP1 and lists.group1_enabled):
            return None
        if self._vcpus[slot] != lists.vcpu:
            return False
        self._list(lists, at, slot, state)
        return True

    def _search_priority(self, lists: ListRegisters, at: int, level: int) -> bool | None:
        """List one waiting interrupt that was noted at a priority, and drop notes that lead nowhere.

        Returns as `_list_if_pending`.
        """
        result: bool | None = False
        noted = lists.search_ranges[level]
        while noted:
            bit = noted & -noted
            noted ^= bit
            lists.search_ranges[level] &= ~bit
            first = bit.bit_length() - 1 << RANGE_SHIFT
            for intid in range(first, min(first + (1 << RANGE_SHIFT), SPECIAL_BASE)):
                found = self._list_if_pending(lists, at, intid, level << 3)
                if found is not False:
                    result = found
                    lists.search_ranges[level] |= bit
                if found:
                    return True
        return result

    def _search(self, lists: ListRegisters, at: int, below: int) -> bool:
        """List the first waiting interrupt of a priority higher than `below`."""
        noted = lists.search_priorities & (1 << (below >> 3)) - 1
        while noted:
            bit = noted & -noted
            noted ^= bit
            lists.search_priorities &= ~bit
            found = self._search_priority(lists, at, bit.bit_length() - 1)
            if found is not False:
                lists.search_priorities |= bit
            if found:
                return True
        return False

    def _check_delivery(self, lists: ListRegisters) -> None:
        """Fill the registers with what waits, the most urgent first."""
        lists.deliver_requested = False
        if self.sleeping >> lists.vcpu & 1 or not lists.group1_enabled:
            lists.traps_none_pending = False
            return
        cutoff = PRIORITY_LEVELS
        while lists.search_priorities & (1 << cutoff) - 1:
            at, lowest = lists.select_for_search()
            if at == NOBODY or not self._search(lists, at, lowest):
                break
            cutoff = lowest >> 3
        lists.traps_none_pending = lists.search_priorities != 0

    # Maintenance.

    def settle(self) -> None:
        """Do what the hypervisor does before its guest runs on, then drive the IRQ lines."""
        for lists in self.lists:
            while lists.needs_attention() and self._attend(lists):
                pass
            lists.cpu.settle()

    def _attend(self, lists: ListRegisters) -> bool:
        """Look for interrupts if somebody asked, or handle a maintenance interrupt; returns whether it did anything."""
        if lists.deliver_requested:
            self._check_delivery(lists)
            return True
        starving = not lists.ended and not lists.unlisted_ends
        while lists.ended:
            self._synchronise(lists, (lists.ended & -lists.ended).bit_length() - 1)
        while lists.unlisted_ends:
            lists.unlisted_ends -= 1
            lists.active_unlisted_count -= 1
            slot = lists.active_unlisted[lists.active_unlisted_count % PRIORITY_LEVELS]
            if not self._states[slot] & LISTED:
                self._deactivate_unlisted(slot)
        if lists.traps_none_pending:
            return self._fill(lists) or not starving
        return True

    def _fill(self, lists: ListRegisters) -> bool:
        """Use every register that is free, or an active one; returns whether anything was done."""
        free = [at for at in range(self._count) if lists.unused(at)]
        if not free:
            at, _ = lists.select(LOWEST_PRIORITY)
            free = [at] if at != NOBODY else []
        for at in free:
            if not self._search(lists, at, LOWEST_PRIORITY):
                lists.traps_none_pending = False
                break
        return bool(free)

    def _deactivate_unlisted(self, slot: int) -> None:
        if self._states[slot] & ACTIVE:
            self._resample(slot, self._states[slot] & ~ACTIVE)

    def _resample(self, slot: int, state: int) -> None:
        """Look at the source of an interrupt that was just deactivated, and deliver it again if it stands."""
        if state & LEVEL_SOURCE and not self._still_asserted(slot, state & LATCHED):
            state &= ~LEVEL_SOURCE
        self._states[slot] = state
        if pending(state) and state & ENABLED:
            vcpu = self._vcpus[slot]
            if vcpu >= 0:
                self._deliver(slot, vcpu, 0)

    def _still_asserted(self, slot: int, reasserted: int) -> bool:
        """Ask the source; one that was asserted again since it was listed is not asked."""
        if slot in self.interrupts.checks:
            return reasserted != 0 or self.interrupts.still_asserted(slot)
        return self._states[slot] & WIRE != 0
