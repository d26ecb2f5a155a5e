"""How a load or store of a GIC frame finds its register.

The rules of IHI 0069, section 12.1: 32-bit accesses everywhere, bytes where the register says so, 64-bit registers
in one or two halves, reserved offsets RAZ/WI.  What the architecture leaves to the implementation (other sizes,
reserved writes) follows the model: recombined for software, or the external abort that was recorded.  A dictionary of
all offsets was rejected: 3,500 entries per VM cost more to build than a boot's worth of look-ups.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.gic.model import Model
    from gunyah_emu.gic.observer import GicObserver
    from gunyah_emu.gic.registers import FrameRegister

Reader = Callable[[int], int]
Writer = Callable[[int, int, int], None]

STATUS_READ_RESERVED = 1
STATUS_WRITE_RESERVED = 2
STATUS_READ_OF_WRITE_ONLY = 4
STATUS_WRITE_OF_READ_ONLY = 8


class Frame:
    """Registers at offsets, backed by a subclass that has the methods which the table names.

    Arguments:
        name: GICD or GICR, for reports.
        table: the frame's registers, by ascending offset.
        end: first offset that is an external abort.
        model: the GIC's open choices.
    """

    observer: GicObserver | None = None

    def __init__(self, name: str, table: tuple[FrameRegister, ...], end: int, model: Model) -> None:
        self.name = name
        self.status = 0
        self._table = table
        self._offsets = [row.offset for row in table]
        self._readers: list[Reader | None] = [getattr(self, row.reader) if row.reader else None for row in table]
        self._writers: list[Writer | None] = [getattr(self, row.writer) if row.writer else None for row in table]
        self._end = end
        self._model = model
        self._reported: set[tuple[int, bool]] = set()

    def read(self, offset: int, size: int) -> int | None:
        """The value of `size` bytes at `offset`; None is an external abort."""
        if offset & (size - 1) or offset >= self._end:
            return None
        at = bisect_right(self._offsets, offset) - 1
        row = self._table[at]
        if offset >= row.end:
            return self._read_reserved(offset, size)
        if size not in row.sizes and self._model.strict_access_sizes:
            return None
        if size > row.width:
            return self._read_halves(offset)
        if row.access == "WO":
            self.status |= STATUS_READ_OF_WRITE_ONLY
        reader = self._readers[at]
        if reader is None:
            return 0
        index, byte = divmod(offset - row.offset, row.width)
        return reader(index) >> 8 * byte & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> bool:
        """Store the low `size` bytes of `value` at `offset`; False is an external abort."""
        if offset & (size - 1) or offset >= self._end:
            return False
        at = bisect_right(self._offsets, offset) - 1
        row = self._table[at]
        if offset >= row.end:
            return self._write_reserved(offset, size, value)
        if size not in row.sizes and self._model.strict_access_sizes:
            return False
        if size > row.width:
            return self._write_halves(offset, value)
        if row.access == "RO":
            self.status |= STATUS_WRITE_OF_READ_ONLY
        writer = self._writers[at]
        if writer is None:
            return True
        index, byte = divmod(offset - row.offset, row.width)
        mask = (1 << 8 * size) - 1 << 8 * byte
        writer(index, value << 8 * byte & mask, mask)
        return True

    def _read_halves(self, offset: int) -> int | None:
        low = self.read(offset, 4)
        high = self.read(offset + 4, 4)
        return None if low is None or high is None else low | high << 32

    def _write_halves(self, offset: int, value: int) -> bool:
        return self.write(offset, 4, value & 0xFFFF_FFFF) and self.write(offset + 4, 4, value >> 32)

    def _read_reserved(self, offset: int, size: int) -> int | None:
        if size == 8 and not self._model.strict_access_sizes:
            return self._read_halves(offset)
        if size != 4 and self._model.strict_access_sizes:
            return None
        self.status |= STATUS_READ_RESERVED
        self._report(offset, write=False)
        return 0

    def _write_reserved(self, offset: int, size: int, value: int) -> bool:
        if size == 8 and not self._model.strict_access_sizes:
            return self._write_halves(offset, value)
        if size != 4 and self._model.strict_access_sizes:
            return False
        self.status |= STATUS_WRITE_RESERVED
        self._report(offset, write=True)
        return not self._model.unknown_writes_abort

    def _report(self, offset: int, *, write: bool) -> None:
        if self.observer is not None and (offset, write) not in self._reported:
            self._reported.add((offset, write))
            self.observer.unknown_register(self.name, offset, write)

    def read_status(self, _index: int) -> int:
        """GICD_STATUSR, GICR_STATUSR: which kinds of wrong access there were."""
        return self.status

    def write_status(self, _index: int, value: int, _mask: int) -> None:
        """Write one to clear."""
        self.status &= ~value

    def read_identification(self, _index: int) -> int:
        """GICD_IIDR, GICR_IIDR."""
        return self._model.identification

    def read_identity(self, index: int) -> int:
        """PIDR4..7, PIDR0..3, CIDR0..3 (IHI 0069, section 12.1), of which only PIDR2 is architected: GICv3."""
        return self._model.identity[index]
