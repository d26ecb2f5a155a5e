"""The redistributors' frames: a vCPU's SGIs and PPIs, its wake-up handshake and its place.

IHI 0069, sections 12.10 and 12.11.

All frames form one region, 0x20000 bytes a vCPU in the order of the vCPUs; GICR_TYPER.Last ends the chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.banks import InterruptBank
from gunyah_emu.gic.registers import REDISTRIBUTOR_REGISTERS

if TYPE_CHECKING:
    from gunyah_emu.gic.delivery import Delivery
    from gunyah_emu.gic.model import Model
    from gunyah_emu.gic.observer import GicObserver

STRIDE_SHIFT = 17
STRIDE = 1 << STRIDE_SHIFT

WAKER_PROCESSOR_SLEEP = 2
WAKER_CHILDREN_ASLEEP = 4
TYPER_LAST = 1 << 4
TYPER_DPGS = 1 << 5
CTLR_DPG1NS = 1 << 25
CTLR_DPG0 = 1 << 24


class Redistributor(InterruptBank):
    """GICR of one vCPU.

    Arguments:
        vcpu: its index.
        affinity: Aff3.Aff2.Aff1.Aff0 as a 32-bit number.
        last: whether the chain ends here.
    """

    def __init__(self, delivery: Delivery, model: Model, vcpu: int, affinity: int, *, last: bool) -> None:
        super().__init__("GICR", REDISTRIBUTOR_REGISTERS, STRIDE, model, delivery)
        self.vcpu = vcpu
        if model.asleep_at_reset:
            delivery.sleeping |= 1 << vcpu
        self._type = affinity << 32 | vcpu << 8 | (TYPER_LAST if last else 0) | (TYPER_DPGS if model.one_of_n else 0)

    def end_chain(self, last: bool) -> None:
        """Whether the chain of frames ends here, where a machine places them one by one: GICR_TYPER.Last."""
        self._type = self._type & ~TYPER_LAST | (TYPER_LAST if last else 0)

    def _readable(self, index: int, per_element: int) -> range:
        first = 32 * self.vcpu + index * per_element
        return range(first, first + per_element)

    _writable = _readable

    def read_control(self, _index: int) -> int:
        """GICR_CTLR: only the 1-of-N opt-outs; there are no LPIs."""
        return CTLR_DPG1NS if self._delivery.declines_one_of_n(self.vcpu) else 0

    def write_control(self, _index: int, value: int, mask: int) -> None:
        """GICR_CTLR: DPG1NS keeps 1-of-N group 1 SPIs away from this vCPU."""
        if mask & CTLR_DPG1NS and self._model.one_of_n:
            self._delivery.decline_one_of_n(self.vcpu, decline=value & CTLR_DPG1NS != 0)
            self._delivery.settle()

    def read_type(self, _index: int) -> int:
        """GICR_TYPER: affinity, processor number, Last."""
        return self._type

    def read_waker(self, _index: int) -> int:
        """GICR_WAKER: ChildrenAsleep follows ProcessorSleep at once."""
        if not self._delivery.sleeping >> self.vcpu & 1:
            return 0
        quiescent = self._delivery.can_sleep(self.vcpu)
        return WAKER_PROCESSOR_SLEEP | (WAKER_CHILDREN_ASLEEP if quiescent else 0)

    def write_waker(self, _index: int, value: int, mask: int) -> None:
        """GICR_WAKER.  Interrupts are delivered to a vCPU that is marked asleep, as on QEMU."""
        if mask & WAKER_PROCESSOR_SLEEP:
            others = self._delivery.sleeping & ~(1 << self.vcpu)
            self._delivery.sleeping = others | (value & WAKER_PROCESSOR_SLEEP and 1 << self.vcpu)


class Redistributors:
    """The region of all redistributor frames."""

    def __init__(self, frames: list[Redistributor]) -> None:
        self.frames = frames

    def frame(self, vcpu: int) -> Redistributor:
        """One vCPU's frame, for a machine that places the frames one by one."""
        return self.frames[vcpu]

    def read(self, offset: int, size: int) -> int | None:
        """As `Frame.read`, for the whole region."""
        vcpu = offset >> STRIDE_SHIFT
        return self.frames[vcpu].read(offset & STRIDE - 1, size) if vcpu < len(self.frames) else None

    def write(self, offset: int, size: int, value: int) -> bool:
        """As `Frame.write`, for the whole region."""
        vcpu = offset >> STRIDE_SHIFT
        return self.frames[vcpu].write(offset & STRIDE - 1, size, value) if vcpu < len(self.frames) else False

    def observe(self, observer: GicObserver | None) -> None:
        """Tell every frame who watches."""
        for frame in self.frames:
            frame.observer = observer
