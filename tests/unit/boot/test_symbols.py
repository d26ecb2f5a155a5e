"""An address of a guest has a name and a source line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu.boot.elf import load_elf
from gunyah_emu.boot.image import Image
from gunyah_emu.boot.symbols import Symbols, SymbolTable

HELLO = Path(__file__).parents[3] / "guest_images/hello/hello.elf"


@pytest.fixture(scope="module")
def hello() -> Image:
    return load_elf(str(HELLO))


def test_the_entry_point_has_a_name(hello: Image) -> None:
    assert hello.symbol_at(hello.entry) == ("_start", 0)
    assert hello.symbol_at(hello.entry + 4) == ("_start", 4)
    assert hello.address_of("_start") == hello.entry


def test_what_is_not_there_has_none(hello: Image) -> None:
    assert hello.address_of("no_such_function") is None
    assert hello.symbol_at(0x10) is None


def test_mapping_symbols_are_no_names(hello: Image) -> None:
    assert hello.symbols is not None
    assert not [name for name in hello.symbols.table().by_name if name.startswith("$")]


def test_a_moved_image_moves_its_symbols(hello: Image) -> None:
    assert hello.symbols is not None
    moved = hello.symbols.moved(0x1000)
    assert moved.address_of("_start") == hello.entry + 0x1000
    assert moved.symbol_at(hello.entry + 0x1004) == ("_start", 4)


def test_physical_addresses_are_understood_where_virtual_ones_differ() -> None:
    symbols = Symbols("none.elf", [(0x4010_0000, 0xFFFF_0000_4010_0000, 0x1000)])
    assert symbols.linked(0x4010_0004) == symbols.linked(0xFFFF_0000_4010_0004) == 0xFFFF_0000_4010_0004
    assert symbols.linked(0x5000_0000) == 0x5000_0000


def test_of_several_symbols_the_innermost_function_is_found() -> None:
    table = SymbolTable(
        [(0x1000, 2, 0x100, "outer"), (0x1010, 2, 0x10, "inner"), (0x1000, 0, 0, "label"), (0x2000, 0, 0, "last")]
    )
    found = {address: table.find(address) for address in (0xFFF, 0x1000, 0x1018, 0x1020, 0x1100, 0x2040)}
    assert found == {
        0xFFF: None,
        0x1000: ("outer", 0),
        0x1018: ("inner", 8),
        0x1020: ("outer", 0x20),
        0x1100: None,
        0x2040: ("last", 0x40),
    }


def test_an_inlined_line_leads_to_the_lines_that_called_it():
    """`wfi` is inlined where main() waits: the header's line alone would say nothing of the program."""
    folder = HELLO.parents[1] / "bad_lost_wakeup"
    symbols = load_elf(str(folder / "receiver.elf")).symbols
    assert symbols is not None
    waits = next(
        n for n, text in enumerate((folder / "receiver.c").read_text().splitlines(), 1) if "wait_until(" in text
    )
    start = symbols.address_of("main")
    assert start is not None
    places = {symbols.line_at(pc): symbols.inlined_at(pc) for pc in range(start, start + 0x100, 4)}
    header = next(place for place in places if place is not None and place[0] == "system.h")
    assert places[header] == [("receiver.c", waits)]
    own = next(place for place in places if place is not None and place[0] == "receiver.c")
    assert places[own] == []


def test_a_damaged_file_has_nothing_inlined(tmp_path):
    (tmp_path / "broken.elf").write_bytes(HELLO.read_bytes()[:4000])
    assert Symbols(str(tmp_path / "broken.elf"), []).inlined_at(0x40100000) == []
    assert Symbols(str(tmp_path / "absent.elf"), []).inlined_at(0x40100000) == []
