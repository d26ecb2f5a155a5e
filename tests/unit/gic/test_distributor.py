"""The distributor's registers (IHI 0069, section 12.9) and SPI routing (GICD_IROUTER<n>)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.gic import GUNYAH, Gic

if TYPE_CHECKING:
    from tests.unit.gic.conftest import Board

ONE_OF_N = 1 << 31


def test_gicd_ctlr_keeps_enables_and_fixes_are_and_ds() -> None:
    gicd = Gic().distributor
    for written, read in ((2, 0x52), (0x12, 0x52), (0x52, 0x52), (0x13, 0x53), (0, 0x50), (0xFFFF_FFFF, 0x53)):
        gicd.write(0, 4, written)
        assert gicd.read(0, 4) == read


def test_gicd_ctlr_off_keeps_interrupts_pending_and_lowers_the_line(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.gicd.write(0, 4, 0)
    assert board.lines == [(0, True), (0, False)]
    assert board.read_bit(0x200, 40) == 1
    board.gicd.write(0, 4, 2)
    assert board.cpu.line


@pytest.mark.parametrize(("spis", "lines"), [(0, 0), (1, 1), (32, 1), (64, 2), (256, 8), (988, 31)])
def test_gicd_typer_counts_blocks_of_32_spis(spis: int, lines: int) -> None:
    value = Gic(spis=spis).distributor.read(4, 4)
    assert value is not None
    assert value & 0x1F == lines
    assert value >> 19 & 0x1F == 9, "INTIDs have ten bits"
    assert value >> 16 & 1 == 1, "message-based SPIs"
    assert value >> 25 & 1 == 0, "1-of-N is implemented"
    assert value >> 17 & 1 == 0, "no LPIs"


@pytest.mark.parametrize("register", [0x80, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0xC00, 0x400])
def test_words_of_private_interrupts_are_raz_wi_with_affinity_routing(board: Board, register: int) -> None:
    board.gicd.write(register, 4, 0xFFFF_FFFF)
    assert board.gicd.read(register, 4) == 0
    assert board.gicr.read(0x10100, 4) == 0


def test_interrupts_that_do_not_exist_are_raz_wi() -> None:
    gicd = Gic(spis=40).distributor
    for register in (0x80, 0x100, 0x200, 0x300):
        gicd.write(register + 8, 4, 0xFFFF_FFFF)
        assert gicd.read(register + 8, 4) == 0xFF, hex(register)
        gicd.write(register + 12, 4, 0xFFFF_FFFF)
        assert gicd.read(register + 12, 4) == 0, hex(register)
    gicd.write(0x400 + 72, 4, 0xFFFF_FFFF)
    assert gicd.read(0x400 + 72, 4) == 0
    gicd.write(0x6000 + 8 * 72, 8, 1)
    assert gicd.read(0x6000 + 8 * 72, 8) == 0


def test_special_intids_have_no_state() -> None:
    gicd = Gic(spis=988).distributor
    gicd.write(0x100 + 4 * 31, 4, 0xFFFF_FFFF)
    assert gicd.read(0x100 + 4 * 31, 4) == 0x0FFF_FFFF
    gicd.write(0x400 + 1020, 4, 0xFFFF_FFFF)
    assert gicd.read(0x400 + 1020, 4) == 0


def test_igroupr_group_0_is_not_signalled(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.gicd.write(0x84, 4, 0)
    assert not board.cpu.line
    assert board.gicd.read(0x84, 4) == 0
    board.bit(0x80, 40)
    assert board.cpu.line


def test_isenabler_icenabler_read_the_same_and_keep_pending(board: Board) -> None:
    board.spi(40, edge=True)
    board.bit(0x180, 40)
    board.gic.assert_edge(40)
    assert not board.cpu.line
    assert board.read_bit(0x200, 40) == 1
    board.bit(0x100, 40)
    assert board.read_bit(0x100, 40) == board.read_bit(0x180, 40) == 1
    assert board.cpu.line
    board.bit(0x180, 40)
    assert not board.cpu.line
    assert board.read_bit(0x200, 40) == 1, "a disabled interrupt stays pending"


def test_ispendr_icpendr_of_an_edge(board: Board) -> None:
    board.spi(40, edge=True)
    board.bit(0x200, 40)
    assert board.cpu.line
    board.bit(0x280, 40)
    assert not board.cpu.line
    assert board.read_bit(0x280, 40) == 0


def test_ispendr_of_a_level_is_taken_once(board: Board) -> None:
    board.spi(40)
    board.bit(0x200, 40)
    assert board.handle() == 40
    assert board.handle() == 1023


def test_icpendr_does_not_beat_a_level_that_stands(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.bit(0x280, 40)
    assert board.read_bit(0x200, 40) == 1
    assert board.cpu.line


def test_isactiver_blocks_and_icactiver_frees(board: Board) -> None:
    board.spi(40)
    board.bit(0x300, 40)
    board.raise_level(40)
    assert not board.cpu.line
    assert board.read_bit(0x300, 40) == board.read_bit(0x200, 40) == 1
    board.bit(0x380, 40)
    assert board.cpu.line


def test_ipriorityr_keeps_five_bits_and_reorders_pending_interrupts(board: Board) -> None:
    board.spi(40, priority=0xA5)
    board.spi(41, priority=0x90)
    assert board.gicd.read(0x428, 1) == 0xA0
    board.raise_level(40)
    board.raise_level(41)
    assert board.cpu.read_hppir1() == 41
    board.gicd.write(0x428, 1, 0x10)
    assert board.cpu.read_hppir1() == 40


def test_icfgr_decides_what_an_edge_without_level_does(board: Board) -> None:
    board.spi(40)
    board.gic.assert_edge(40)
    assert board.read_bit(0x200, 40) == 0
    board.trigger(40, edge=True)
    assert board.gicd.read(0xC08, 4) == 0x20000
    board.gic.assert_edge(40)
    assert board.read_bit(0x200, 40) == 1


def test_icfgr_to_level_asks_whether_the_level_stands(board: Board) -> None:
    board.spi(40, edge=True)
    board.raise_level(40)
    board.handle()
    board.high.clear()
    board.trigger(40, edge=False)
    assert not board.cpu.line


def test_setspi_clrspi_hold_a_level(board: Board) -> None:
    board.spi(40)
    board.gicd.write(0x40, 4, 40)
    assert board.handle() == 40
    assert board.cpu.line, "the message's level stands"
    board.gicd.write(0x48, 2, 40)
    assert not board.cpu.line


def test_setspi_knows_large_intids() -> None:
    gicd = Gic(spis=988).distributor
    gicd.write(0x40, 2, 0x2000 | 1019)
    assert gicd.read(0x200 + 4 * 31, 4) == 1 << 27


def test_setspi_is_an_edge_for_an_edge_triggered_spi_and_ignores_others(board: Board) -> None:
    board.spi(40, edge=True)
    for intid in (1, 31, 96, 1020, 1023):
        board.gicd.write(0x40, 4, intid)
    assert not board.cpu.line
    board.gicd.write(0x40, 2, 40)
    assert board.handle() == 40
    assert board.handle() == 1023


def test_irouter_moves_a_pending_interrupt(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=4)
    board.spi(40, vcpu=2)
    board.raise_level(40)
    assert board.lines == [(2, True)]
    board.gicd.write(0x6000 + 8 * 40, 8, 3)
    assert board.lines == [(2, True), (3, True), (2, False)] or board.lines == [(2, True), (2, False), (3, True)]
    assert board.handle(3) == 40


def test_irouter_of_an_active_interrupt_says_where_it_comes_next(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=2)
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.gicd.write(0x6000 + 8 * 40, 8, 1)
    assert board.lines == [(0, True), (0, False)]
    board.cpu.write_eoir1(40)
    assert board.lines == [(0, True), (0, False), (1, True)]


def test_irouter_to_nobody_holds_the_interrupt(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=2)
    board.spi(40, vcpu=5)
    board.raise_level(40)
    assert board.lines == []
    assert board.read_bit(0x200, 40) == 1
    board.gicd.write(0x6000 + 8 * 40, 8, 1)
    assert board.lines == [(1, True)]


def test_irouter_knows_all_four_affinity_levels() -> None:
    lines: list[tuple[int, bool]] = []
    far = 0x12_0034_5607
    gic = Gic(2, 64, lambda vcpu, level: lines.append((vcpu, level)), affinities=[0, far])
    gic.cpu_interfaces[1].write_pmr(0xFF)
    gic.cpu_interfaces[1].write_igrpen1(1)
    gic.distributor.write(0, 4, 2)
    gic.distributor.write(0x84, 4, 1)
    gic.distributor.write(0x104, 4, 1)
    gic.distributor.write(0x6100, 8, far)
    assert gic.distributor.read(0x6100, 8) == far
    gic.set_spi_level(32, True)
    assert lines == [(1, True)]
    assert gic.redistributors.read(0x20008, 8) == 0x1234_5607_0000_0130


def test_one_of_n_goes_to_the_lowest_participating_vcpu(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=3)
    board.spi(40)
    board.gicd.write(0x6000 + 8 * 40, 8, ONE_OF_N)
    assert board.gicd.read(0x6000 + 8 * 40, 8) == ONE_OF_N
    board.raise_level(40)
    assert board.lines == [(0, True)]
    board.cpus[0].write_igrpen1(0)
    assert board.cpus[1].line
    board.gicr.write(0x20000, 4, 1 << 25)
    assert board.gicr.read(0x20000, 4) == 1 << 25
    assert not board.cpus[1].line
    assert board.handle(2) == 40
    board.cpus[0].write_igrpen1(1)
    assert board.cpus[0].line


def test_gunyah_shows_private_words_and_hides_routes(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH)
    assert board.gicd.read(0x80, 4) == 0xFFFF_FFFF
    board.gicd.write(0x80, 4, 0)
    assert board.gicd.read(0x80, 4) == 0xFFFF_FFFF
    board.spi(40, vcpu=5)
    assert board.gicd.read(0x6000 + 8 * 40, 8) == 0
    board.raise_level(40)
    assert not board.cpu.line, "the route took effect: there is no vCPU 5"


def test_gunyah_routes_by_half_a_register(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH, vcpus=2)
    board.spi(40)
    board.gicd.write(0x6000 + 8 * 40 + 4, 4, 1)
    board.raise_level(40)
    assert board.lines == [(1, True)]
