"""What of an ELF can be covered: its source lines and functions, each with its addresses."""

from __future__ import annotations

import posixpath
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gunyah_emu.boot.symbols import RANKS, read_symbols

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DWARFInfo

FUNCTION = max(RANKS.values())

Row = tuple[int, int, str, int]
"""[start, end) of instructions, the file, the line."""


class Function(NamedTuple):
    """A function: its name, its instructions [start, end), where its source begins."""

    name: str
    start: int
    end: int
    file: str
    line: int


class LineTable(NamedTuple):
    """What of one ELF can be covered, at the addresses that it was linked for."""

    rows: tuple[Row, ...]
    functions: tuple[Function, ...]


@lru_cache(maxsize=64)
def line_table(path: str) -> LineTable:
    """Of an ELF; empty where it has no debugging information, or cannot be read any more."""
    from elftools.elf.elffile import ELFFile

    rows: list[Row] = []
    try:
        with Path(path).open("rb") as file:
            elf = ELFFile(file)
            # What the linker threw away has line rows too, at address 0.
            code = [
                (segment["p_vaddr"], segment["p_vaddr"] + segment["p_memsz"])
                for segment in elf.iter_segments()
                if segment["p_type"] == "PT_LOAD" and segment["p_flags"] & 1
            ]
            if elf.has_dwarf_info():
                dwarf = elf.get_dwarf_info()
                for unit in dwarf.iter_CUs():
                    rows += (row for row in _rows_of(dwarf, unit) if any(a <= row[0] < b for a, b in code))
    except Exception:
        # pyelftools raises whatever a damaged table makes it stumble over; the image runs, it only has no lines.
        rows = []
    rows.sort()
    return LineTable(tuple(rows), tuple(_functions(path, rows)))


def _rows_of(dwarf: DWARFInfo, unit: CompileUnit) -> Iterator[Row]:
    program = dwarf.line_program_for_CU(unit)
    if program is None:
        return
    header = program.header
    top = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    folder = "" if top is None else _text(top.value)
    is_new = header.version >= 5
    folders = [_text(entry if isinstance(entry, bytes) else entry.DW_LNCT_path) for entry in _folders(header, is_new)]
    if not is_new:
        folders.insert(0, folder)
    names = []
    for entry in header.file_entry:
        index = entry.dir_index
        inner = folders[index] if index < len(folders) else ""
        names.append(posixpath.normpath(posixpath.join(folder, inner, _text(entry.name))))
    before: tuple[int, str, int] | None = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and before[0] < state.address and before[2]:
            yield before[0], state.address, before[1], before[2]
        index = state.file - (0 if is_new else 1)
        name = names[index] if 0 <= index < len(names) else "?"
        before = None if state.end_sequence else (state.address, name, state.line)


def _folders(header: Any, is_new: bool) -> list[Any]:
    found: list[Any] = list(getattr(header, "directories" if is_new else "include_directory", None) or ())
    return found or list(getattr(header, "include_directory", ()))


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _functions(path: str, rows: list[Row]) -> Iterator[Function]:
    from bisect import bisect_right

    for start, rank, size, name in sorted(read_symbols(path)):
        at = bisect_right(rows, start, key=lambda row: row[0]) - 1
        if rank == FUNCTION and size and at >= 0 and rows[at][0] <= start < rows[at][1]:
            yield Function(name, start, start + size, rows[at][2], rows[at][3])
