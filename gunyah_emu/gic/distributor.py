"""The distributor's frame (IHI 0069, section 12.8): global enables, SPIs and their routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.banks import InterruptBank
from gunyah_emu.gic.frame import STATUS_READ_RESERVED
from gunyah_emu.gic.registers import DISTRIBUTOR_REGISTERS
from gunyah_emu.gic.state import AFFINITY_MASK, INTERRUPT_ROUTING_MODE, LEVEL_MESSAGE, SPI_BASE

if TYPE_CHECKING:
    from gunyah_emu.gic.delivery import Delivery
    from gunyah_emu.gic.model import Model

DISABLE_SECURITY = 1 << 6
AFFINITY_ROUTING = 1 << 4
ENABLES = 3

TYPER_NO_1_OF_N = 1 << 25
TYPER_AFFINITY3_VALID = 1 << 24
TYPER_TEN_INTID_BITS = 9 << 19
TYPER_MESSAGE_SPIS = 1 << 16


class Distributor(InterruptBank):
    """GICD.  One security state and affinity routing are fixed (CTLR.DS, CTLR.ARE read as one)."""

    def __init__(self, delivery: Delivery, model: Model) -> None:
        super().__init__("GICD", DISTRIBUTOR_REGISTERS, model.distributor_end, model, delivery)
        self.current_vcpu = 0
        """Whose SGIs and PPIs word 0 of the banked registers shows, in a model that shows them."""

    def _readable(self, index: int, per_element: int) -> range:
        if index * per_element < SPI_BASE:
            if not self._model.private_words_in_distributor:
                return range(0)
            first = 32 * self.current_vcpu + index * per_element
            return range(first, first + per_element)
        return self._writable(index, per_element)

    def _writable(self, index: int, per_element: int) -> range:
        interrupts = self._interrupts
        first = index * per_element
        if first < SPI_BASE:
            return range(0)
        last = min(first + per_element, SPI_BASE + interrupts.spis)
        return range(first + interrupts.spi_shift, last + interrupts.spi_shift)

    def read_control(self, _index: int) -> int:
        """GICD_CTLR: RWP is 0, writes take effect at once."""
        return DISABLE_SECURITY | AFFINITY_ROUTING | self._delivery.group_enables

    def write_control(self, _index: int, value: int, mask: int) -> None:
        """GICD_CTLR: EnableGrp0 and EnableGrp1 are writable."""
        if mask & ENABLES:
            self._delivery.set_group_enables(value & ENABLES)
            self._delivery.settle()

    def read_type(self, _index: int) -> int:
        """GICD_TYPER: ITLinesNumber from the number of SPIs, message-based SPIs, no LPIs."""
        value = TYPER_AFFINITY3_VALID | TYPER_TEN_INTID_BITS | TYPER_MESSAGE_SPIS
        if not self._model.one_of_n:
            value |= TYPER_NO_1_OF_N
        return value | (self._interrupts.spis + 31) // 32

    def _spi(self, value: int) -> int:
        intid = value & 0x1FFF
        return self._interrupts.slot(0, intid) if intid >= SPI_BASE else -1

    def write_set_spi(self, _index: int, value: int, _mask: int) -> None:
        """GICD_SETSPI_NSR: a message makes an SPI pending; a level-sensitive one until CLRSPI_NSR."""
        slot = self._spi(value)
        if slot >= 0:
            self._delivery.set_pending(slot, LEVEL_MESSAGE)
            self._delivery.settle()

    def write_clear_spi(self, _index: int, value: int, _mask: int) -> None:
        """GICD_CLRSPI_NSR."""
        slot = self._spi(value)
        if slot >= 0:
            self._delivery.clear_pending(slot, LEVEL_MESSAGE)
            self._delivery.settle()

    def read_route(self, index: int) -> int:
        """GICD_IROUTER: the affinity, and IRM where 1-of-N is implemented."""
        if self._model.irouter_reads_as_zero:
            self.status |= STATUS_READ_RESERVED
            return 0
        if index >= self._interrupts.spis:
            return 0
        return self._interrupts.routes[index + SPI_BASE + self._interrupts.spi_shift]

    def write_route(self, index: int, value: int, mask: int) -> None:
        """GICD_IROUTER."""
        interrupts = self._interrupts
        if index >= interrupts.spis:
            return
        slot = index + SPI_BASE + interrupts.spi_shift
        implemented = AFFINITY_MASK | INTERRUPT_ROUTING_MODE if self._model.one_of_n else AFFINITY_MASK
        if self._model.irouter_reads_as_zero:
            value = value >> 32 if mask == 0xFFFF_FFFF << 32 else value
        else:
            value |= interrupts.routes[slot] & ~mask
        self._delivery.set_route(slot, value & implemented)
        self._delivery.settle()
