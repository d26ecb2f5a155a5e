"""The registers that hold a bit or a field per interrupt, the same in the distributor and the redistributors.

A bank knows which slots an element of such a register covers; what a write means is the delivery's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.frame import Frame
from gunyah_emu.gic.state import EDGE_TRIGGERED, ENABLED, GROUP1, LEVEL_SOFTWARE

if TYPE_CHECKING:
    from gunyah_emu.gic.delivery import Delivery
    from gunyah_emu.gic.model import Model
    from gunyah_emu.gic.registers import FrameRegister


class InterruptBank(Frame):
    """A frame with per-interrupt registers.  Subclasses say which slots an element covers."""

    def __init__(self, name: str, table: tuple[FrameRegister, ...], end: int, model: Model, delivery: Delivery) -> None:
        super().__init__(name, table, end, model)
        self._delivery = delivery
        self._interrupts = delivery.interrupts

    def _readable(self, index: int, per_element: int) -> range:
        """The slots that element `index` shows, in bit order."""
        raise NotImplementedError

    def _writable(self, index: int, per_element: int) -> range:
        """The slots that element `index` changes, in bit order."""
        raise NotImplementedError

    def _flag(self, index: int, flag: int) -> int:
        slots = self._readable(index, 32)
        bits = 0
        for bit, state in enumerate(self._interrupts.states[slots.start : slots.stop]):
            if state & flag:
                bits |= 1 << bit
        return bits

    def _chosen(self, index: int, value: int) -> list[int]:
        """The slots whose bits are set in a write to element `index`, in ascending order."""
        slots = self._writable(index, 32)
        value &= (1 << len(slots)) - 1
        chosen = []
        while value:
            bit = value & -value
            value ^= bit
            chosen.append(slots.start + bit.bit_length() - 1)
        return chosen

    def read_groups(self, index: int) -> int:
        """IGROUPR: 1 is group 1."""
        return self._flag(index, GROUP1)

    def write_groups(self, index: int, value: int, mask: int) -> None:
        """IGROUPR."""
        delivery = self._delivery
        for bit, slot in enumerate(self._writable(index, 32)):
            if mask >> bit & 1:
                delivery.set_group(slot, value >> bit & 1 != 0)
        delivery.settle()

    def read_enables(self, index: int) -> int:
        """ISENABLER and ICENABLER."""
        return self._flag(index, ENABLED)

    def write_enable_set(self, index: int, value: int, _mask: int) -> None:
        """ISENABLER."""
        delivery = self._delivery
        for slot in self._chosen(index, value):
            delivery.enable(slot)
        delivery.settle()

    def write_enable_clear(self, index: int, value: int, _mask: int) -> None:
        """ICENABLER."""
        delivery = self._delivery
        for slot in self._chosen(index, value):
            delivery.disable(slot)
        delivery.settle()

    def read_pending(self, index: int) -> int:
        """ISPENDR and ICPENDR: pending from any cause, enabled or not."""
        pending = self._delivery.is_pending
        bits = 0
        for bit, slot in enumerate(self._readable(index, 32)):
            if pending(slot):
                bits |= 1 << bit
        return bits

    def write_pending_set(self, index: int, value: int, _mask: int) -> None:
        """ISPENDR."""
        delivery = self._delivery
        for slot in self._chosen(index, value):
            delivery.set_pending(slot, LEVEL_SOFTWARE)
        delivery.settle()

    def write_pending_clear(self, index: int, value: int, _mask: int) -> None:
        """ICPENDR: what software or an edge made pending; a level that stands keeps the interrupt pending."""
        delivery = self._delivery
        for slot in self._chosen(index, value):
            delivery.clear_pending(slot, LEVEL_SOFTWARE)
        delivery.settle()

    def read_active(self, index: int) -> int:
        """ISACTIVER and ICACTIVER."""
        active = self._delivery.is_active
        bits = 0
        for bit, slot in enumerate(self._readable(index, 32)):
            if active(slot):
                bits |= 1 << bit
        return bits

    def write_active_set(self, index: int, value: int, _mask: int) -> None:
        """ISACTIVER."""
        delivery = self._delivery
        for slot in self._chosen(index, value):
            delivery.activate(slot)
        delivery.settle()

    def write_active_clear(self, index: int, value: int, _mask: int) -> None:
        """ICACTIVER."""
        delivery = self._delivery
        for slot in self._chosen(index, value):
            delivery.deactivate(slot)
        delivery.settle()

    def read_priorities(self, index: int) -> int:
        """IPRIORITYR: four interrupts, a byte each."""
        priorities = self._interrupts.priorities
        value = 0
        for byte, slot in enumerate(self._readable(index, 4)):
            value |= priorities[slot] << 8 * byte
        return value

    def write_priorities(self, index: int, value: int, mask: int) -> None:
        """IPRIORITYR: bits 7:3 of each byte that the access covers."""
        delivery = self._delivery
        for byte, slot in enumerate(self._writable(index, 4)):
            if mask >> 8 * byte & 0xFF:
                delivery.set_priority(slot, value >> 8 * byte & 0xF8)
        delivery.settle()

    def read_configuration(self, index: int) -> int:
        """ICFGR: bit 1 of each field is 1 for an edge."""
        states = self._interrupts.states
        value = 0
        for field, slot in enumerate(self._readable(index, 16)):
            if states[slot] & EDGE_TRIGGERED:
                value |= 2 << 2 * field
        return value

    def write_configuration(self, index: int, value: int, mask: int) -> None:
        """ICFGR: SGIs are always edge-triggered."""
        delivery = self._delivery
        for field, slot in enumerate(self._writable(index, 16)):
            if mask >> 2 * field & 2 and self._interrupts.intids[slot] >= 16:
                delivery.set_trigger(slot, edge=value >> 2 * field & 2 != 0)
        delivery.settle()
