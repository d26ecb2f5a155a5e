"""The CPU interface of one vCPU: ICC_*_EL1 (IHI 0069, section 12.2).

It holds the candidates that the delivery offers, as keys, and compares the best one with a threshold that folds
priority mask, running priority and group enable into one number.  The IRQ line is `best < threshold`; nothing else
decides it.

Group 0 is not signalled: it would be an FIQ, and system software on a machine without EL3 uses group 1 for
everything.  Its registers are there and behave as with the group disabled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gunyah_emu.gic.state import (
    ENABLE_GROUP1,
    IDLE,
    PRIORITY_MASK,
    PRIORITY_SHIFT,
    SLOT_MASK,
    SPI_BASE,
    SPURIOUS,
)

if TYPE_CHECKING:
    from gunyah_emu.gic.delivery import Delivery
    from gunyah_emu.gic.model import Model

CTLR_FIXED = 0x8C00
"""A3V, 16 INTID bits, five priority bits."""
CTLR_EOIMODE = 2
CTLR_CBPR = 1
SRE_ALL = 7
MINIMUM_BPR0 = 2
MINIMUM_BPR1 = 3
IDLE_PRIORITY = 0xFF
PRIORITY_STEP = 3
"""log2 of the distance between two priorities that a five-bit priority can tell apart."""

RaiseIrq = Callable[[int, bool], None]


class CpuInterface:
    """ICC registers and the IRQ line of one vCPU.

    Arguments:
        vcpu: its index.
        delivery: where candidates come from.
        raise_irq: called as `raise_irq(vcpu, level)` whenever the line changes.
    """

    __slots__ = (
        "_acknowledge",
        "_bpr0",
        "_bpr1",
        "_control",
        "_delivery",
        "_end",
        "_idle_threshold",
        "_interrupts",
        "_intid_limit",
        "_model",
        "_private_base",
        "_spi_shift",
        "active_priorities",
        "best",
        "candidates",
        "group1_enabled",
        "group_mask",
        "line",
        "pmr",
        "raise_irq",
        "threshold",
        "vcpu",
    )

    def __init__(self, vcpu: int, delivery: Delivery, model: Model, raise_irq: RaiseIrq) -> None:
        self.vcpu = vcpu
        self._delivery = delivery
        interrupts = self._interrupts = delivery.interrupts
        self._private_base = 32 * vcpu
        self._spi_shift = interrupts.spi_shift
        self._intid_limit = SPI_BASE + interrupts.spis
        self._acknowledge = delivery.acknowledge
        self._end = delivery.end
        self._model = model
        self.raise_irq = raise_irq
        self.candidates: set[int] = set()
        self.best = IDLE
        self.threshold = 0
        self._idle_threshold = 0
        self.line = False
        self.pmr = 0
        self.active_priorities = 0
        self.group1_enabled = False
        self._bpr0 = MINIMUM_BPR0
        self._bpr1 = MINIMUM_BPR1
        self._control = 0
        self.group_mask = PRIORITY_MASK

    # Candidates.

    def signals(self) -> bool:
        """Whether the IRQ line is up."""
        return self.line

    def offer(self, key: int) -> None:
        """Add a candidate; the line follows at `settle`."""
        self.candidates.add(key)
        if key < self.best:
            self.best = key

    def withdraw(self, key: int) -> None:
        """Remove a candidate; the line follows at `settle`."""
        self.candidates.discard(key)
        if key == self.best:
            self.best = min(self.candidates, default=IDLE)

    def settle(self) -> None:
        """Drive the IRQ line."""
        level = self.best < self.threshold
        if level is not self.line:
            self.line = level
            self.raise_irq(self.vcpu, level)

    def refresh(self) -> None:
        """Recompute the threshold after any of its terms changed, and drive the line."""
        self._idle_threshold = self.pmr << PRIORITY_SHIFT if self.group1_enabled else 0
        self.threshold = self._threshold()
        self.settle()

    def _threshold(self) -> int:
        """The key that a candidate must be below: priority mask and running priority (IHI 0069, section 4.8)."""
        active = self.active_priorities
        if not active:
            return self._idle_threshold
        running = ((active & -active).bit_length() - 1 << PRIORITY_STEP) & self.group_mask
        return min(running << PRIORITY_SHIFT, self._idle_threshold)

    @property
    def running_priority(self) -> int:
        """The group priority of the interrupt being handled, 0xff when idle."""
        active = self.active_priorities
        return (active & -active).bit_length() - 1 << PRIORITY_STEP if active else IDLE_PRIORITY

    def _group1_hidden(self) -> bool:
        """Whether the model makes reads of group 1's registers UNDEFINED now."""
        return self._model.undefined_while_group_off and not self._effective_group1()

    def _effective_group1(self) -> bool:
        return self.group1_enabled and self._delivery.group_enables & ENABLE_GROUP1 != 0

    # Group 1.

    def read_iar1(self) -> int | None:
        """ICC_IAR1_EL1: acknowledge the most urgent signalled interrupt; 1023 when there is none."""
        key = self.best
        if key >= self.threshold:
            return None if self._group1_hidden() else SPURIOUS
        priority = key >> PRIORITY_SHIFT & self.group_mask
        self.active_priorities |= 1 << (priority >> PRIORITY_STEP)
        self.threshold = priority << PRIORITY_SHIFT
        return self._acknowledge(self, key)

    def write_eoir1(self, value: int) -> bool:
        """ICC_EOIR1_EL1: drop the running priority; with EOImode 0 also deactivate the interrupt.

        A special INTID, and a write while no priority is active, are ignored.
        """
        active = self.active_priorities
        intid = value & 0xFF_FFFF
        if intid >= self._intid_limit or not active:
            self._delivery.end_nothing(self, intid, self._control & CTLR_EOIMODE != 0)
            return True
        left = self.active_priorities = active & active - 1
        self.threshold = self._threshold() if left else self._idle_threshold
        if not self._control & CTLR_EOIMODE:
            self._end(self, intid + (self._spi_shift if intid >= SPI_BASE else self._private_base), active)
        level = self.best < self.threshold
        if level is not self.line:
            self.line = level
            self.raise_irq(self.vcpu, level)
        return True

    def read_hppir1(self) -> int | None:
        """ICC_HPPIR1_EL1: the most urgent pending interrupt, whatever the mask and the running priority."""
        if self._group1_hidden():
            return None
        if self.best == IDLE or not self.group1_enabled:
            return SPURIOUS
        return self._interrupts.intids[self.best & SLOT_MASK]

    def read_bpr1(self) -> int | None:
        """ICC_BPR1_EL1; with CBPR set, BPR0 plus one, at most 7."""
        if self._group1_hidden():
            return None
        return min(self._bpr0 + 1, 7) if self._control & CTLR_CBPR else self._bpr1

    def write_bpr1(self, value: int) -> bool:
        """ICC_BPR1_EL1: the least value is 3; ignored while CBPR is set."""
        if not self._control & CTLR_CBPR:
            self._bpr1 = max(value & 7, MINIMUM_BPR1)
            self._update_group_mask()
        return True

    def _update_group_mask(self) -> None:
        point = self._bpr0 + 1 if self._control & CTLR_CBPR else self._bpr1
        self.group_mask = 0xFF << point & PRIORITY_MASK
        self.refresh()

    def read_ap1r0(self) -> int | None:
        """ICC_AP1R0_EL1: a bit per active group priority."""
        return None if self._group1_hidden() else self.active_priorities

    def write_ap1r0(self, value: int) -> bool:
        """ICC_AP1R0_EL1."""
        self.active_priorities = value & 0xFFFF_FFFF
        self.refresh()
        return True

    def read_igrpen1(self) -> int:
        """ICC_IGRPEN1_EL1."""
        return int(self._effective_group1() if self._model.effective_group_enable else self.group1_enabled)

    def write_igrpen1(self, value: int) -> bool:
        """ICC_IGRPEN1_EL1."""
        self.group1_enabled = value & 1 != 0
        self._delivery.group_enable_changed(self)
        self.refresh()
        self._delivery.settle()
        return True

    # Both groups.

    def read_pmr(self) -> int:
        """ICC_PMR_EL1: five bits."""
        return self.pmr

    def write_pmr(self, value: int) -> bool:
        """ICC_PMR_EL1: interrupts of a priority below this number are signalled."""
        self.pmr = value & PRIORITY_MASK
        self.refresh()
        return True

    def read_rpr(self) -> int:
        """ICC_RPR_EL1."""
        return self.running_priority

    def write_dir(self, value: int) -> bool:
        """ICC_DIR_EL1: deactivate an interrupt."""
        self._delivery.write_dir(self, value & 0xFF_FFFF, self._control & CTLR_EOIMODE != 0)
        return True

    def read_ctlr(self) -> int:
        """ICC_CTLR_EL1."""
        return CTLR_FIXED | self._control

    def write_ctlr(self, value: int) -> bool:
        """ICC_CTLR_EL1: EOImode and CBPR are writable."""
        self._control = value & (CTLR_EOIMODE | CTLR_CBPR)
        self._update_group_mask()
        return True

    def read_sre(self) -> int:
        """ICC_SRE_EL1: system registers only, no bypass."""
        return SRE_ALL

    def write_sre(self, _value: int) -> bool:
        """ICC_SRE_EL1: fixed."""
        return True

    def write_sgi1r(self, value: int) -> bool:
        """ICC_SGI1R_EL1."""
        self._delivery.generate_sgi(self, value, group1=True)
        return True

    # Group 0, which is never signalled.

    def write_sgi0r(self, value: int) -> bool:
        """ICC_SGI0R_EL1, ICC_ASGI1R_EL1: SGIs of group 0."""
        self._delivery.generate_sgi(self, value, group1=False)
        return True

    def read_iar0(self) -> int | None:
        """ICC_IAR0_EL1: nothing is ever signalled in group 0."""
        return None if self._model.undefined_while_group_off else SPURIOUS

    read_hppir0 = read_iar0

    def write_eoir0(self, _value: int) -> bool:
        """ICC_EOIR0_EL1: no interrupt of group 0 is ever active."""
        return True

    def read_bpr0(self) -> int | None:
        """ICC_BPR0_EL1."""
        return None if self._model.undefined_while_group_off else self._bpr0

    def write_bpr0(self, value: int) -> bool:
        """ICC_BPR0_EL1: the least value is 2."""
        self._bpr0 = max(value & 7, MINIMUM_BPR0)
        self._update_group_mask()
        return True

    def read_ap0r0(self) -> int | None:
        """ICC_AP0R0_EL1."""
        return None if self._model.undefined_while_group_off else 0

    def write_ap0r0(self, _value: int) -> bool:
        """ICC_AP0R0_EL1."""
        return True

    def read_igrpen0(self) -> int:
        """ICC_IGRPEN0_EL1: reads as disabled."""
        return 0

    def write_igrpen0(self, _value: int) -> bool:
        """ICC_IGRPEN0_EL1: ignored."""
        return True
