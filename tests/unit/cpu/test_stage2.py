"""The tables of a VM take memory for what is mapped, not for what was."""

from __future__ import annotations

from gunyah_emu.cpu.stage2 import Stage2

MIB = 1 << 20
GIB = 1 << 30


def map_ram(tables: Stage2, ipa: int, size: int) -> None:
    tables.map(ipa, 0x1_0000_0000, size, writable=True, executable=True)


def test_tables_are_given_back_whatever_order_their_pages_go_in():
    tables = Stage2()
    map_ram(tables, GIB, 4 * MIB)
    used = tables.used
    map_ram(tables, 3 * GIB + 2 * MIB - 4096, 2 * MIB + 8192)
    for piece in (3 * GIB + 2 * MIB - 4096, 3 * GIB + 4 * MIB):
        tables.unmap(piece, 4096)
    assert tables.used == used + 2 * 4096, "one of three leaf tables is left, and what points to it"
    tables.unmap(3 * GIB + 2 * MIB, 2 * MIB)
    assert tables.used == used + 4096
    assert tables.fetched(GIB + 2 * MIB) == 0x1_0000_0000 + 2 * MIB, "others stay"
    assert tables.fetched(3 * GIB + 2 * MIB) is None


def test_a_page_that_wanders_through_the_whole_address_space_takes_one_table_at_a_time():
    tables = Stage2()
    for ipa in range(0, 64 * GIB, 64 * MIB):
        map_ram(tables, ipa, 4096)
        assert tables.fetched(ipa) == 0x1_0000_0000
        tables.unmap(ipa, 4096)
        assert tables.fetched(ipa) is None
    assert tables.used <= 4096 * (1 + 64)
