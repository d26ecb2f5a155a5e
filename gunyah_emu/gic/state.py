"""What every interrupt remembers, in flat tables of plain integers.

All SGIs, PPIs and SPIs of all vCPUs live in one set of lists, so that the hot path indexes once and never asks which
bank an interrupt belongs to.  The index is a *slot*: vCPU n's SGIs and PPIs are slots 32n..32n+31, SPIs follow in
INTID order.  With one vCPU a slot is an INTID; with several, slot order still puts every private interrupt before
every SPI and equal priorities resolve to the lower INTID, which is what QEMU does and what IHI 0069 leaves open
(section 4.8).

An interrupt that a CPU interface may be told of is a *key*: priority, tie-breaker and slot in one integer, so that
`smaller is more urgent` is an integer comparison.  One object per interrupt was rejected: it costs an attribute
look-up per flag and ten times the memory per VM.
"""

from __future__ import annotations

from collections.abc import Callable

ENABLED = 0x001
GROUP1 = 0x002
EDGE_TRIGGERED = 0x004
"""GICx_ICFGR: the trigger is a rising edge."""
ACTIVE = 0x008
LATCHED = 0x010
"""Pending by an edge, an SGI or a write; in the list-register model: asserted since it was last listed."""
LEVEL_SOURCE = 0x020
"""The connected object asserted its level and neither cleared it nor denied it since."""
LEVEL_SOFTWARE = 0x040
"""GICx_ISPENDR on a level-sensitive interrupt (list-register model only; otherwise such a write latches)."""
LEVEL_MESSAGE = 0x080
"""GICD_SETSPI_NSR on a level-sensitive SPI, until GICD_CLRSPI_NSR."""
WIRE = 0x100
"""A wired device drives the input high now."""
OFFERED = 0x200
"""Its target's CPU interface holds it as a candidate."""
LISTED = 0x400
"""It is in a list register, which holds its pending and active state."""
NEEDS_SYNC = 0x800
"""Its list register disagrees with its configuration."""
DETACHED = 0x1000
"""Its source was withdrawn while its list register could not be reached."""

LEVELS = LEVEL_SOURCE | LEVEL_SOFTWARE | LEVEL_MESSAGE | WIRE

ENABLE_GROUP1 = 2
"""GICD_CTLR.EnableGrp1."""

PRIORITY_SHIFT = 16
TIE_SHIFT = 12
SLOT_MASK = 0xFFF
IDLE = 1 << 24
"""A key less urgent than every interrupt."""

SPI_BASE = 32
SPECIAL_BASE = 1020
"""INTIDs 1020..1023 are not interrupts."""
SPURIOUS = 1023
PRIORITY_MASK = 0xF8
"""Five priority bits are implemented; the others are RAZ/WI (IHI 0069, section 4.8)."""
INTERRUPT_ROUTING_MODE = 1 << 31
AFFINITY_MASK = 0xFF_00FF_FFFF

LevelCheck = Callable[[], bool]


class InterruptTable:
    """The state of every interrupt of one GIC.

    Arguments:
        vcpus: number of CPU interfaces.
        spis: number of SPIs, from INTID 32.
    """

    __slots__ = ("checks", "intids", "priorities", "routes", "spi_shift", "spis", "states", "vcpus")

    def __init__(self, vcpus: int, spis: int) -> None:
        self.vcpus = vcpus
        self.spis = spis
        self.spi_shift = 32 * (vcpus - 1)
        private = ([EDGE_TRIGGERED] * 16 + [0] * 16) * vcpus
        self.states = private + [0] * spis
        self.intids = list(range(32)) * vcpus + list(range(SPI_BASE, SPI_BASE + spis))
        self.priorities = [0] * len(self.states)
        self.routes = [0] * len(self.states)
        self.checks: dict[int, LevelCheck] = {}

    def slot(self, vcpu: int, intid: int) -> int:
        """The slot of an INTID as `vcpu` sees it, or -1 when there is no such interrupt."""
        if intid < SPI_BASE:
            return 32 * vcpu + intid
        return intid + self.spi_shift if intid < SPI_BASE + self.spis else -1

    def owner(self, slot: int) -> int:
        """The vCPU that a private interrupt belongs to, or -1 for an SPI."""
        return slot >> 5 if slot < 32 * self.vcpus else -1

    def still_asserted(self, slot: int) -> bool:
        """Whether the source of a level still stands: the connected object's word, or the wire."""
        check = self.checks.get(slot)
        return check() if check is not None else self.states[slot] & WIRE != 0
