"""The list registers of one vCPU: where a hypervisor keeps the few interrupts that its guest may see.

IHI 0069, chapter 6.  The hardware's part: which register signals, what acknowledging and ending do to it, when it
asks for maintenance.  What goes into the registers is the hypervisor's business (`listing.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.state import PRIORITY_SHIFT, TIE_SHIFT

if TYPE_CHECKING:
    from gunyah_emu.gic.cpu_interface import CpuInterface

INVALID = 0
PENDING = 1
ACTIVE_ONLY = 2
PENDING_ACTIVE = 3
NOBODY = -1
LOWEST_PRIORITY = 0xFF

PRIORITY_LEVELS = 32
RANGE_SHIFT = 4
"""log2 of the interrupts that one bit of a search bitmap stands for."""


class ListRegisters:
    """The list registers of a vCPU and the notes about interrupts that found no room in them.

    Attributes:
        slots: the interrupt in each register, or NOBODY.
        states: INVALID, PENDING, ACTIVE_ONLY or PENDING_ACTIVE.
        priorities: as they were when the interrupt was listed.
        traps_eoi: whether the register asks for maintenance when it becomes invalid.
        ended: bit n: register n asks for maintenance because its interrupt ended (ICH_EISR_EL2).
        traps_none_pending: whether the vCPU asks for maintenance when no register is pending (ICH_HCR_EL2.NPIE).
        unlisted_ends: interrupts ended that no register held (ICH_HCR_EL2.EOIcount).
        group1_enabled: at the vCPU and at the distributor.
        search_priorities: bit n: interrupts of priority 8n may wait for a register.
        search_ranges: per priority, bit n: such interrupts are among INTIDs 16n..16n+15.
        active_unlisted: interrupts that lost their register while active, and how many, the last to end first.
        deliver_requested: somebody left an interrupt for this vCPU; look before the guest runs on.
    """

    __slots__ = (
        "_keys",
        "active_unlisted",
        "active_unlisted_count",
        "cpu",
        "deliver_requested",
        "ended",
        "group1_enabled",
        "priorities",
        "search_priorities",
        "search_ranges",
        "slots",
        "states",
        "traps_eoi",
        "traps_none_pending",
        "unlisted_ends",
        "vcpu",
    )

    def __init__(self, cpu: CpuInterface, count: int) -> None:
        self.cpu = cpu
        self._keys = [0] * count
        self.vcpu = cpu.vcpu
        self.slots = [NOBODY] * count
        self.states = [INVALID] * count
        self.priorities = [0] * count
        self.traps_eoi = [False] * count
        self.ended = 0
        self.traps_none_pending = False
        self.unlisted_ends = 0
        self.group1_enabled = False
        self.search_priorities = 0
        self.search_ranges = [0] * PRIORITY_LEVELS
        self.active_unlisted = [0] * PRIORITY_LEVELS
        self.active_unlisted_count = 0
        self.deliver_requested = False

    def set_state(self, at: int, state: int) -> None:
        """Change a register's state; a pending one is a candidate of the CPU interface, the lower register first."""
        self.states[at] = state
        if key := self._keys[at]:
            self._keys[at] = 0
            self.cpu.withdraw(key)
        self.ended &= ~(1 << at)
        if state == PENDING:
            key = self._keys[at] = self.priorities[at] << PRIORITY_SHIFT | at << TIE_SHIFT | self.slots[at]
            self.cpu.offer(key)
        elif state == INVALID and self.traps_eoi[at]:
            self.ended |= 1 << at

    def fill(self, at: int, slot: int, priority: int, *, trap_eoi: bool) -> None:
        """List an interrupt as pending."""
        self.slots[at] = slot
        self.priorities[at] = priority
        self.traps_eoi[at] = trap_eoi
        self.set_state(at, PENDING)

    def empty(self, at: int) -> None:
        """Forget what the register held."""
        self.traps_eoi[at] = False
        self.set_state(at, INVALID)
        self.slots[at] = NOBODY
        self.priorities[at] = 0

    def find(self, slot: int) -> int:
        """The register that holds an interrupt, or NOBODY."""
        return self.slots.index(slot) if slot in self.slots else NOBODY

    def unused(self, at: int) -> bool:
        """Whether the register is invalid and owes no maintenance (ICH_ELRSR_EL2)."""
        return self.states[at] == INVALID and not self.traps_eoi[at]

    def needs_attention(self) -> bool:
        """Whether there is a maintenance interrupt (IHI 0069, chapter 6) or a request to look for interrupts."""
        return (
            self.ended != 0
            or self.deliver_requested
            or self.unlisted_ends != 0
            or (self.traps_none_pending and not self.cpu.candidates)
        )

    def select(self, priority: int) -> tuple[int, int]:
        """Choose a register for an interrupt of `priority`.

        In this order: one without interrupt, one whose interrupt is over, the active one of the lowest priority, the
        pending one of the lowest priority if that is below `priority`.

        Returns the register, or NOBODY, and the priority of the pending interrupt in it, LOWEST_PRIORITY if none.
        """
        if NOBODY in self.slots:
            return self.slots.index(NOBODY), LOWEST_PRIORITY
        for at in range(len(self.slots)):
            if self.unused(at):
                return at, LOWEST_PRIORITY
        active = pending = NOBODY
        active_priority = pending_priority = 0
        for at, state in enumerate(self.states):
            this = self.priorities[at]
            if state == PENDING:
                if this >= pending_priority and this > priority:
                    pending, pending_priority = at, this
            elif state != INVALID and this >= active_priority:
                active, active_priority = at, this
        # An active interrupt of priority 0 keeps its register, as the real selection does not see it.
        if active_priority:
            return active, LOWEST_PRIORITY
        return pending, pending_priority

    def select_for_search(self) -> tuple[int, int]:
        """The register that a search for waiting interrupts may use, and the priority a found one must beat."""
        chosen, lowest = 0, 0
        for at, state in enumerate(self.states):
            if self.slots[at] == NOBODY or self.unused(at):
                return at, LOWEST_PRIORITY
            if state != INVALID and self.priorities[at] >= lowest:
                chosen, lowest = at, self.priorities[at]
        return (chosen, lowest) if lowest else (NOBODY, 0)

    def note(self, intid: int, priority: int) -> bool:
        """Note that an interrupt waits; returns whether nothing of its priority was noted before."""
        level = priority >> 3
        bit = 1 << (intid >> RANGE_SHIFT)
        if self.search_ranges[level] & bit:
            return False
        fresh = not self.search_priorities >> level & 1
        self.search_ranges[level] |= bit
        self.search_priorities |= 1 << level
        return fresh

    def note_for_maintenance(self, intid: int, priority: int) -> None:
        """Note that an interrupt waits, to be looked for as soon as no register is pending."""
        level = priority >> 3
        self.search_ranges[level] |= 1 << (intid >> RANGE_SHIFT)
        self.search_priorities |= 1 << level
        if self.group1_enabled:
            self.traps_none_pending = True
