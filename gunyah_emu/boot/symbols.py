"""Names and source lines of an ELF image, read when somebody asks.

pyelftools finds the sections (and inflates compressed ones) and runs the DWARF line programs.  The symbol table itself
is decoded by `struct`: 3 us a symbol instead of pyelftools' 50, and a kernel has 130 000.

Addresses are those that the image was linked for, moved by the bias of a relocated static-PIE; where segments lie at
physical addresses of their own, those are understood as well.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DWARFInfo

SYMBOL = Struct("<IBBHQQ")
RANKS = {0: 0, 1: 1, 2: 2}  # STT_NOTYPE, STT_OBJECT, STT_FUNC: the later, the more it says
SHN_UNDEF = 0
FARTHEST = 1 << 20
"""How far before an address the symbol that holds it may begin: farther back, a search costs more than it finds."""


class SymbolTable:
    """The symbols of one file, by address and by name.

    Arguments:
        symbols: (address, rank of its kind, size, name).
    """

    __slots__ = ("addresses", "by_name", "sorted")

    def __init__(self, symbols: list[tuple[int, int, int, str]]) -> None:
        # Of several symbols at one address a function comes last, and is found first.
        self.sorted = sorted(symbols)
        self.addresses = [symbol[0] for symbol in self.sorted]
        self.by_name = {name: address for address, _, _, name in reversed(self.sorted)}

    def find(self, address: int) -> tuple[str, int] | None:
        """The innermost symbol that holds an address, and the offset into it.

        A symbol without a size, as assembly has them, goes on to the next symbol.
        """
        nearest = bisect_right(self.addresses, address) - 1
        for index in range(nearest, -1, -1):
            start, _, size, name = self.sorted[index]
            if address < start + size or (size == 0 and index == nearest):
                return name, address - start
            if address - start > FARTHEST:
                break
        return None


class Symbols:
    """What an image can say about its addresses.

    Arguments:
        path: the ELF.
        segments: (physical address, virtual address, bytes) of each.
        bias: how far a static-PIE was moved.
    """

    __slots__ = ("_inlining", "_lines", "_table", "bias", "path", "segments")

    def __init__(self, path: str, segments: Sequence[tuple[int, int, int]], bias: int = 0) -> None:
        self.path = path
        self.segments = segments
        self.bias = bias
        self._table: SymbolTable | None = None
        self._lines: list[tuple[int, str, int]] | None = None
        self._inlining: Callable[[int], list[tuple[str, int]]] | None = None

    def moved(self, bias: int) -> Symbols:
        """The same, for the image moved up by `bias` bytes."""
        return Symbols(self.path, self.segments, self.bias + bias)

    def linked(self, address: int) -> int:
        """The address that the image was linked for, from a virtual or a physical one of the running guest."""
        address -= self.bias
        for _, virtual, size in self.segments:
            if virtual <= address < virtual + size:
                return address
        for physical, virtual, size in self.segments:
            if physical <= address < physical + size:
                return address - physical + virtual
        return address

    def symbol_at(self, address: int) -> tuple[str, int] | None:
        """The function or object that holds an address, and the offset into it; None when there is none."""
        return self.table().find(self.linked(address))

    def address_of(self, name: str) -> int | None:
        """The address of a symbol in the running guest; None when there is no such symbol."""
        address = self.table().by_name.get(name)
        return None if address is None else address + self.bias

    def line_at(self, address: int) -> tuple[str, int] | None:
        """The source file and line of an instruction; None without debugging information."""
        rows = self._rows()
        index = bisect_right(rows, self.linked(address), key=lambda row: row[0]) - 1
        if index < 0 or rows[index][2] == 0:
            return None
        return rows[index][1], rows[index][2]

    def inlined_at(self, address: int) -> list[tuple[str, int]]:
        """The source lines that called what `line_at` names and was inlined there, the innermost first."""
        if self._inlining is None:
            # Most runs never ask.
            from gunyah_emu.boot.inlining import open_inlining

            self._inlining = open_inlining(self.path)
        return self._inlining(self.linked(address))

    def address_of_line(self, file: str, line: int) -> int | None:
        """The first instruction of a source line, or of the next one that has any; None when there is none."""
        best: tuple[int, int] | None = None
        for address, name, number in self._rows():
            if number >= line and name == file and (best is None or (number, address) < best):
                best = number, address
        return None if best is None else best[1] + self.bias

    def _rows(self) -> list[tuple[int, str, int]]:
        """The line table, read once."""
        if self._lines is None:
            # Where one sequence ends and another begins, the beginning counts.
            self._lines = sorted(read_lines(self.path), key=lambda row: (row[0], row[2] != 0))
        return self._lines

    def table(self) -> SymbolTable:
        """The symbol table, read once."""
        if self._table is None:
            self._table = SymbolTable(read_symbols(self.path))
        return self._table


def read_symbols(path: str) -> list[tuple[int, int, int, str]]:
    """All functions, objects and labels of an ELF: (address, rank of its kind, size, name); none where it has none."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        with Path(path).open("rb") as file:
            section = ELFFile(file).get_section_by_name(".symtab")
            if not isinstance(section, SymbolTableSection):
                return []
            raw, names = section.data(), section.stringtable.data()
    except Exception:
        # pyelftools raises whatever a damaged table makes it stumble over; the image runs, it only has no names.
        return []
    found = []
    for name_at, info, _, section_index, address, size in SYMBOL.iter_unpack(raw[: len(raw) - len(raw) % SYMBOL.size]):
        rank = RANKS.get(info & 15)
        if rank is None or section_index == SHN_UNDEF:
            continue
        name = names[name_at : names.find(b"\0", name_at)].decode("utf-8", "replace")
        if name and not name.startswith("$"):  # $x, $d: mapping symbols
            found.append((address, rank, size, name))
    return found


def read_lines(path: str) -> list[tuple[int, str, int]]:
    """The rows of every DWARF line program: (address, file, line), line 0 where a sequence ends; none without DWARF."""
    from elftools.elf.elffile import ELFFile

    try:
        with Path(path).open("rb") as file:
            elf = ELFFile(file)
            dwarf = elf.get_dwarf_info() if elf.has_dwarf_info() else None
            return [] if dwarf is None else [row for unit in dwarf.iter_CUs() for row in rows_of(dwarf, unit)]
    except Exception:
        # As above.
        return []


def rows_of(dwarf: DWARFInfo, unit: CompileUnit) -> Iterator[tuple[int, str, int]]:
    """The rows of one compilation unit's line program."""
    program = dwarf.line_program_for_CU(unit)
    if program is None:
        return
    first_file = 0 if program.header.version >= 5 else 1
    names = [entry.name.decode("utf-8", "replace") for entry in program.header.file_entry]
    for entry in program.get_entries():
        if (state := entry.state) is not None:
            index = state.file - first_file
            name = names[index] if 0 <= index < len(names) else "?"
            yield state.address, name, 0 if state.end_sequence else state.line
