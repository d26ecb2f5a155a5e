"""NOR flash with the Intel command set, as on QEMU's `virt`: a 32-bit bank of two 16-bit chips.

While it shows its array, its contents are memory of the guest's, which loads and runs them as fast as RAM; stores come
here and are commands.  A command that makes loads mean something else (status, identification) hides the array, and
loads come here too, until the command that shows it again.

Commands work at once, so that the status is always ready.  As on a real chip programming only clears bits, and erasing
a block sets them.

Source: JEDEC JESD68.01 (CFI); Intel P30 data sheet (commands); QEMU 7.2 hw/arm/virt.c, as observed (geometry).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

BLOCK = 256 << 10
"""Bytes that are erased together: 128 KiB of each chip."""

READY = 0x80
SEQUENCE_ERROR = 0x30  # program and erase failed, both: the command sequence was none

_MANUFACTURER, _DEVICE = 0x89, 0x18
_CLEAR_STATUS = 0x50
_CHIPS = 0x0001_0001  # what one chip says, both say
_BUFFER_LOG2 = 11  # bytes that one chip programs at a time


def query_table(chip_bytes: int) -> dict[int, int]:
    """What a chip answers to a CFI query, by word.

    Arguments:
        chip_bytes: of one chip; a power of two.
    """
    blocks, block = chip_bytes * 2 // BLOCK - 1, BLOCK // 2 // 256
    table = {
        0x13: 0x01, 0x15: 0x31,  # Intel's extended command set, and where its own table is
        0x1B: 0x45, 0x1C: 0x55, 0x1F: 0x07, 0x20: 0x07, 0x21: 0x0A, 0x23: 0x04, 0x24: 0x04, 0x25: 0x04,  # volts, times
        0x27: chip_bytes.bit_length() - 1, 0x28: 0x02, 0x2A: _BUFFER_LOG2,
        0x2C: 0x01, 0x2D: blocks & 0xFF, 0x2E: blocks >> 8, 0x2F: block & 0xFF, 0x30: block >> 8,
        0x34: ord("1"), 0x35: ord("0"),
    }  # fmt: skip
    table |= {0x10 + at: ord(letter) for at, letter in enumerate("QRY")}
    return table | {0x31 + at: ord(letter) for at, letter in enumerate("PRI")}


class Flash:
    """One bank.

    Arguments:
        array: its contents, which the guest sees as read-only memory.
        show: lets loads be the memory's (True) or this device's (False); it shows the array at first.
        changed: called with offset and bytes of what is other code now, once it is shown again.
    """

    TAKES_PAIRS: ClassVar = True
    """Stores of two registers are two stores, as to any memory."""

    _STEPS: ClassVar[dict[int, str]] = {
        0x10: "_program", 0x40: "_program", 0x20: "_erase", 0x60: "_lock", 0xE8: "_count",
    }  # fmt: skip
    _LOADS: ClassVar[dict[int, str]] = {0x70: "_read_status", 0x90: "_read_identity", 0x98: "_read_query"}

    def __init__(
        self, array: memoryview, show: Callable[[bool], object], changed: Callable[[int, int], object]
    ) -> None:
        self._array = array
        self._show = show
        self._changed = changed
        self._changed_blocks: set[int] = set()
        self._query = query_table(len(array) // 2)
        self._loads: Callable[[int], int] | None = None
        self._next: Callable[[int, int, int], None] = self._command
        self._status = READY
        self._left = 0
        self._buffer: list[tuple[int, int, int]] = []

    def read(self, offset: int, size: int) -> int | None:
        """A load while the array is hidden."""
        if self._loads is None or size == 8:
            return int.from_bytes(self._array[offset : offset + size], "little")
        return self._loads(offset >> 2) * _CHIPS >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> bool:
        """A store: the next step of a command."""
        self._next(offset, size, value)
        return True

    def _command(self, _offset: int, _size: int, value: int) -> None:
        command = value & 0xFF
        if (steps := self._STEPS.get(command)) is not None:
            self._hide(self._read_status)
            self._next = getattr(self, steps)
        elif (loads := self._LOADS.get(command)) is not None:
            self._hide(getattr(self, loads))
        elif command == _CLEAR_STATUS:
            self._status = READY
        elif self._loads is not None:  # 0xff, and every value that is no command
            self._loads = None
            self._show(True)
            for block in sorted(self._changed_blocks):
                self._changed(block, BLOCK)
            self._changed_blocks.clear()

    def _end(self) -> None:
        self._next = self._command

    def _hide(self, loads: Callable[[int], int]) -> None:
        if self._loads is None:
            self._show(False)
        self._loads = loads

    def _read_status(self, _word: int) -> int:
        return self._status

    def _read_identity(self, word: int) -> int:
        return (_MANUFACTURER, _DEVICE, 0, 0)[word & 3]

    def _read_query(self, word: int) -> int:
        return self._query.get(word & 0xFF, 0)

    def _program(self, offset: int, size: int, value: int) -> None:
        self._store(offset, size, value)
        self._end()

    def _store(self, offset: int, size: int, value: int) -> None:
        before = self._array[offset : offset + size]  # fewer at the bank's end
        after = int.from_bytes(before, "little") & value & (1 << 8 * len(before)) - 1
        self._array[offset : offset + size] = after.to_bytes(len(before), "little")
        self._changed_blocks.add(offset & -BLOCK)

    def _erase(self, offset: int, _size: int, value: int) -> None:
        if value & 0xFF == 0xD0:
            start = offset & -BLOCK
            self._array[start : start + BLOCK] = b"\xff" * BLOCK
            self._changed_blocks.add(start)
        else:
            self._status |= SEQUENCE_ERROR
        self._end()

    def _lock(self, _offset: int, _size: int, _value: int) -> None:
        """Locking and unlocking a block; none is ever locked."""
        self._end()

    def _count(self, _offset: int, _size: int, value: int) -> None:
        self._left = (value & 0xFFFF) + 1
        if self._left > 1 << _BUFFER_LOG2:
            self._status |= SEQUENCE_ERROR
            self._end()
        else:
            self._next = self._fill

    def _fill(self, offset: int, size: int, value: int) -> None:
        self._buffer.append((offset, size, value))
        self._left -= 1
        if not self._left:
            self._next = self._confirm

    def _confirm(self, _offset: int, _size: int, value: int) -> None:
        if value & 0xFF == 0xD0:
            for piece in self._buffer:
                self._store(*piece)
        else:
            self._status |= SEQUENCE_ERROR
        self._buffer.clear()
        self._end()
