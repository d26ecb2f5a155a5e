"""A machine's state, to come back to: RAM by pieces that states share, vCPUs, and every object of the model.

A state is brought back into the same objects in place (`memento`), so whoever holds a VM, a console or a doorbell goes
on with it.  RAM is kept in pieces of 64 KiB; a piece that is the same as in the state before is the same bytes object,
so that the tenth state of a machine costs what has changed since the ninth.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from gunyah_emu.machine.memento import Memento

if TYPE_CHECKING:
    from pathlib import Path

    from gunyah_emu.machine.machine import Machine

PIECE: Final = 1 << 16
PAGE: Final = 4096
_SWAPPED: Final = 0x40  # and above it, present
ZERO: Final = bytes(PIECE)

_compare = ctypes.CDLL(None).memcmp
_compare.restype = ctypes.c_int
_compare.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)


def _touched(host: int, size: int) -> list[bool]:
    """Of each piece of our own anonymous memory, whether it may hold anything but zeros.

    A guest has gigabytes and uses megabytes: to look at the rest would make the host back it with tables at least.
    """
    pages = PIECE // PAGE
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as table:  # noqa: PTH123 - not buffered
            table.seek(host // PAGE * 8)
            present = table.read((size + PAGE - 1) // PAGE * 8)[7::8]  # of each entry, the byte with those two bits
    except OSError:  # not Linux, or hidden
        present = b""
    if host % PAGE or len(present) * PAGE < size:
        return [True] * ((size + PIECE - 1) // PIECE)
    return [max(present[first : first + pages]) >= _SWAPPED for first in range(0, len(present), pages)]


class RamState:
    """What a piece of RAM held.

    Arguments:
        memory: the RAM.
        before: an earlier state of the same RAM, to share pieces with.
    """

    __slots__ = ("_memory", "pieces", "unshared")

    def __init__(self, memory: memoryview, before: RamState | None) -> None:
        self._memory = memory
        self.pieces: list[bytes] = []
        #: bytes that no earlier state shares
        self.unshared = 0
        host = ctypes.addressof(ctypes.c_uint8.from_buffer(memory))
        known = None if before is None else before.pieces
        is_touched = _touched(host, len(memory))
        for number, start in enumerate(range(0, len(memory), PIECE)):
            size = min(PIECE, len(memory) - start)
            last = ZERO if known is None else known[number]
            if (is_touched[number] or last is not ZERO) and _compare(host + start, last, size):
                last = bytes(memory[start : start + size])
                self.unshared += size
            self.pieces.append(last)

    def restore(self) -> list[tuple[int, int]]:
        """Write it back; returns (offset, size) of what was different."""
        host = ctypes.addressof(ctypes.c_uint8.from_buffer(self._memory))
        changed: list[tuple[int, int]] = []
        is_touched = _touched(host, len(self._memory))
        for number, piece in enumerate(self.pieces):
            start = number * PIECE
            size = min(PIECE, len(self._memory) - start)
            if (is_touched[number] or piece is not ZERO) and _compare(host + start, piece, size):
                ctypes.memmove(host + start, piece, size)
                if changed and sum(changed[-1]) == start:
                    changed[-1] = changed[-1][0], changed[-1][1] + size
                else:
                    changed.append((start, size))
        return changed


class Snapshot:
    """A machine's state.  Made by `Machine.snapshot`.

    Arguments:
        machine: whose; between slices or halted.
        before: an earlier state of it, to share what has not changed with.
    """

    def __init__(self, machine: Machine, before: Snapshot | None = None) -> None:
        assert machine.scheduler.current is None, "a machine's state is taken between slices"
        self.machine = machine
        #: instructions that had been retired
        self.instructions = machine.clock.instructions
        #: by physical address
        self.ram: dict[int, RamState] = {
            base: RamState(ram.view, None if before is None else before.ram.get(base))
            for base, _, ram in machine.memory.all_ram()
        }
        self._objects = Memento([machine])

    @property
    def size(self) -> int:
        """Bytes of RAM that no earlier state shares; about what it costs the host."""
        return sum(ram.unshared for ram in self.ram.values())

    def save(self, path: str | Path) -> None:
        """Write it to a file, for `Machine.from_snapshot`; the machine stays as it is.

        Errors: UserError as `snapshot_file.save`.
        """
        from gunyah_emu.machine.snapshot_file import save

        now = Snapshot(self.machine, self)
        self.restore()
        try:
            save(self.machine, path)
        finally:
            now.restore()

    def restore(self) -> None:
        """Bring it back."""
        machine = self.machine
        assert machine.scheduler.current is None, "a machine's state is brought back between slices"
        self._objects.restore()
        changed = [(base, ram.restore()) for base, ram in self.ram.items()]
        for base, pieces in changed:
            for offset, size in pieces:
                machine.invalidate(base + offset, size)
