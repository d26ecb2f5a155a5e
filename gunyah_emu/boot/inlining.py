"""Which calls were inlined at an address: the lines that called the line which the line table names.

Only the compilation unit that holds the address is read: a kernel has thousands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DWARFInfo

Site = tuple[str, int]
"""Source file and line of a call that was inlined."""


class Inlining:
    """The inlined calls of one ELF, read as they are asked for.

    Arguments:
        path: the file.
    """

    __slots__ = ("_dwarf", "_sites", "_units")

    def __init__(self, path: str) -> None:
        from elftools.elf.elffile import ELFFile

        with Path(path).open("rb") as file:
            elf = ELFFile(file)
            self._dwarf: DWARFInfo | None = elf.get_dwarf_info() if elf.has_dwarf_info() else None
        #: (first address, address behind the last, unit)
        self._units: list[tuple[int, int, CompileUnit]] | None = None
        self._sites: dict[int, list[tuple[int, int, Site]]] = {}

    def at(self, address: int) -> list[Site]:
        """The calls that were inlined at an address as linked, the innermost first."""
        dwarf = self._dwarf
        if dwarf is None:
            return []
        if self._units is None:
            self._units = [
                (first, end, unit)
                for unit in dwarf.iter_CUs()
                for first, end in _ranges(dwarf, unit, unit.get_top_DIE())
            ]
        unit = next((unit for first, end, unit in self._units if first <= address < end), None)
        if unit is None:
            return []
        sites = self._sites.get(unit.cu_offset)
        if sites is None:
            sites = self._sites[unit.cu_offset] = list(_inlined(dwarf, unit))
        found = [(end - first, site) for first, end, site in sites if first <= address < end]
        return [site for _, site in sorted(found, key=lambda pair: pair[0])]


def _inlined(dwarf: DWARFInfo, unit: CompileUnit) -> Iterator[tuple[int, int, Site]]:
    """Every inlined call of a unit: where its code is, and where it was called."""
    program = dwarf.line_program_for_CU(unit)
    if program is None:
        return
    offset = 0 if program.header.version >= 5 else 1
    files = [entry.name.decode("utf-8", "replace") for entry in program.header.file_entry]
    for die in unit.iter_DIEs():
        if die.tag != "DW_TAG_inlined_subroutine" or "DW_AT_call_line" not in die.attributes:
            continue
        line = die.attributes["DW_AT_call_line"].value
        index = die.attributes["DW_AT_call_file"].value - offset if "DW_AT_call_file" in die.attributes else -1
        if line and 0 <= index < len(files):
            for first, end in _ranges(dwarf, unit, die):
                yield first, end, (files[index], line)


def _ranges(dwarf: DWARFInfo, unit: CompileUnit, die: DIE) -> Iterator[tuple[int, int]]:
    """The code of an entry: [first, end) of each piece."""
    attributes: dict[str, Any] = die.attributes
    if "DW_AT_high_pc" in attributes:
        low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
        yield low, high.value if high.form == "DW_FORM_addr" else low + high.value
        return
    lists = dwarf.range_lists()
    if "DW_AT_ranges" not in attributes or lists is None:
        return
    top = unit.get_top_DIE().attributes
    base = top["DW_AT_low_pc"].value if "DW_AT_low_pc" in top else 0
    entries: list[Any] = lists.get_range_list_at_offset(attributes["DW_AT_ranges"].value, cu=unit)
    for entry in entries:
        if hasattr(entry, "base_address"):
            base = entry.base_address
        else:
            shift = 0 if entry.is_absolute else base
            yield entry.begin_offset + shift, entry.end_offset + shift


def open_inlining(path: str) -> Callable[[int], list[Site]]:
    """What finds the inlined calls at an address of an ELF; of a damaged one it finds none."""
    try:
        found = Inlining(path)
    except Exception:
        # As for symbols and lines: pyelftools raises whatever a damaged file makes it stumble over.
        return lambda _address: []

    def inlined_at(address: int) -> list[Site]:
        try:
            return found.at(address)
        except Exception:
            return []

    return inlined_at
