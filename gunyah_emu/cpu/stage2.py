"""The stage 2 tables of a VM: which intermediate physical addresses there are, and where code may run.

Two reasons to have them.  An address that is not RAM faults here with a full syndrome, which makes a device access a
trap that can be decoded, performed and stepped over.  And RAM starts execute-never: the emulator stores slowly into a
page that is executable, and with the guest's MMU off every page of RAM would be; so a page becomes executable when the
guest first fetches from it.

4 KiB pages throughout (a table of 512 covers 2 MiB): with larger blocks, the emulator would answer each TLBI by address
with a flush of everything.  Arm ARM D8.3: VMSAv8-64 descriptors, stage 2.
"""

from __future__ import annotations

import ctypes
import mmap

from gunyah_emu.cpu._accelerator import fill_descriptors
from gunyah_emu.cpu.el2 import IPA_BITS
from gunyah_emu.errors import UserError

TABLES = 1 << IPA_BITS
"""Where the tables lie in the emulator's physical memory; RAM is below, and no IPA maps here, so no guest can reach
them."""

_RESERVED = 130 << 20
"""Address space for tables of 64 GiB, all that a hypervisor's guest can map; only what is used gets memory."""

_PAGE, _TABLE_SPAN, _LEVEL1_SPAN = 4096, 2 << 20, 1 << 30
_VALID_TABLE = 3
_PAGE_VALID, _MEMATTR_NORMAL, _READ, _WRITE, _INNER_SHAREABLE, _ACCESSED = 3, 0xF << 2, 1 << 6, 1 << 7, 3 << 8, 1 << 10
_EXECUTE_NEVER = 1 << 54
_MAY_EXECUTE = 1 << 55  # ours: bits 58:55 are left to software
_ADDRESS = (1 << 48) - _PAGE
_EMPTY = bytes(_PAGE)


class Stage2:
    """The tables of one VM, in memory of ours that the emulator walks."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _RESERVED, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._entries = memoryview(self._memory).cast("Q")
        self._end = _PAGE  # the first page is the level 1 table
        self._free: list[int] = []
        self.size = _RESERVED

    @property
    def used(self) -> int:
        """Bytes that the tables take."""
        return self._end - len(self._free) * _PAGE

    def host_address(self) -> int:
        """Where the tables lie in our own memory."""
        return ctypes.addressof(ctypes.c_uint8.from_buffer(self._memory))

    def close(self) -> None:
        """Free the tables; the emulator must be gone."""
        self._entries.release()

    def _table(self, entry: int, *, make: bool) -> int | None:
        """The index of the first descriptor of the table that an entry points to."""
        if not self._entries[entry]:
            if not make:
                return None
            self._entries[entry] = TABLES + self._allocate() | _VALID_TABLE
        return ((self._entries[entry] & _ADDRESS) - TABLES) // 8

    def _allocate(self) -> int:
        """The offset of a page of zeros."""
        if self._free:
            return self._free.pop()
        if self._end + _PAGE > _RESERVED:
            raise UserError(f"the memory of one VM must be at most {_RESERVED // _PAGE * _TABLE_SPAN >> 30} GiB")
        self._end += _PAGE
        return self._end - _PAGE

    def _leaf_table(self, ipa: int, *, make: bool) -> int | None:
        table = self._table(ipa // _LEVEL1_SPAN, make=make)
        return None if table is None else self._table(table + ipa % _LEVEL1_SPAN // _TABLE_SPAN, make=make)

    def _spans(self, ipa: int, size: int) -> list[tuple[int, int]]:
        """The range cut at the edges of tables: (IPA, pages)."""
        end, spans = ipa + size, []
        while ipa < end:
            stop = min(end, (ipa // _TABLE_SPAN + 1) * _TABLE_SPAN)
            spans.append((ipa, (stop - ipa) // _PAGE))
            ipa = stop
        return spans

    def map(self, ipa: int, physical: int, size: int, *, writable: bool, executable: bool) -> None:
        """Map RAM at `physical`, execute-never; `executable` pages may become executable."""
        assert ipa % _PAGE == size % _PAGE == 0
        assert ipa + size <= 1 << IPA_BITS
        attributes = _PAGE_VALID | _MEMATTR_NORMAL | _READ | _INNER_SHAREABLE | _ACCESSED | _EXECUTE_NEVER
        attributes |= (_WRITE if writable else 0) | (_MAY_EXECUTE if executable else 0)
        for start, pages in self._spans(ipa, size):
            table = self._leaf_table(start, make=True)
            assert table is not None
            output = physical + start - ipa
            fill_descriptors(self._entries, table + start % _TABLE_SPAN // _PAGE, output | attributes, pages)

    def unmap(self, ipa: int, size: int) -> None:
        """Let nothing be there.  A table that is empty then is free: a guest may map here and there for ever."""
        for start, pages in self._spans(ipa, size):
            table = self._leaf_table(start, make=False)
            if table is not None:
                first = table + start % _TABLE_SPAN // _PAGE
                self._entries[first : first + pages] = memoryview(bytes(pages * 8)).cast("Q")
                if self._memory[table * 8 : table * 8 + _PAGE] == _EMPTY:
                    above = self._table(start // _LEVEL1_SPAN, make=False)
                    assert above is not None
                    self._entries[above + start % _LEVEL1_SPAN // _TABLE_SPAN] = 0
                    self._free.append(table * 8)

    def forbid(self, ipa: int, *, reads: bool) -> int:
        """Let every store to a page of RAM fault, and every load if `reads`; returns what `permit` takes."""
        table = self._leaf_table(ipa, make=False)
        assert table is not None, f"there is no RAM at {ipa:#x}"
        entry = table + ipa % _TABLE_SPAN // _PAGE
        before = self._entries[entry]
        self._entries[entry] = before & ~(_WRITE | (_READ if reads else 0))
        return before

    def permit(self, ipa: int, before: int) -> None:
        """Let a page be what it was, if it is still the same page."""
        table = self._leaf_table(ipa, make=False)
        entry = -1 if table is None else table + ipa % _TABLE_SPAN // _PAGE
        if table is not None and (self._entries[entry] ^ before) & _ADDRESS == 0:
            self._entries[entry] |= before & (_READ | _WRITE)

    def fetched(self, ipa: int) -> int | None:
        """The guest fetched from this page: make it executable.

        Returns: its physical address; None when it must not be executed.
        """
        table = self._leaf_table(ipa, make=False) if ipa < 1 << IPA_BITS else None
        if table is None:
            return None
        entry = table + ipa % _TABLE_SPAN // _PAGE
        if not self._entries[entry] & _MAY_EXECUTE:
            return None
        self._entries[entry] &= ~_EXECUTE_NEVER
        return self._entries[entry] & _ADDRESS
