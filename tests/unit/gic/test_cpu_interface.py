"""The CPU interface (IHI 0069, section 12.2), priorities and preemption (section 4.8), SGIs (section 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.gic import GUNYAH, Gic

if TYPE_CHECKING:
    from tests.unit.gic.conftest import Board


def test_iar1_acknowledges_and_lowers_the_line(board: Board) -> None:
    board.spi(40, edge=True)
    board.gic.assert_edge(40)
    assert board.cpu.read_iar1() == 40
    assert board.read_bit(0x300, 40) == 1
    assert board.read_bit(0x200, 40) == 0
    assert board.lines == [(0, True), (0, False)]
    assert board.cpu.read_iar1() == 1023, "spurious: nothing else is pending"
    assert board.lines == [(0, True), (0, False)], "the line is driven only when it changes"


def test_eoir1_ends_and_a_level_that_stands_comes_back(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.handle()
    assert board.cpu.line
    assert board.cpu.read_iar1() == 40
    board.high.clear()
    board.cpu.write_eoir1(40)
    assert not board.cpu.line
    assert board.read_bit(0x300, 40) == board.read_bit(0x200, 40) == 0


def test_an_edge_while_active_is_taken_after_the_end(board: Board) -> None:
    board.spi(40, edge=True)
    board.gic.assert_edge(40)
    board.cpu.read_iar1()
    board.gic.assert_edge(40)
    board.gic.assert_edge(40)
    assert board.read_bit(0x200, 40) == board.read_bit(0x300, 40) == 1
    assert not board.cpu.line
    board.cpu.write_eoir1(40)
    assert board.handle() == 40
    assert board.handle() == 1023, "edges coalesce"


def test_equal_priorities_go_by_intid(board: Board) -> None:
    for intid in (45, 40, 43):
        board.spi(intid)
        board.raise_level(intid)
    assert [board.cpu.read_iar1()] == [40]
    board.high.clear()
    board.cpu.write_eoir1(40)
    assert board.cpu.read_hppir1() == 43


def test_pmr_masks_equal_and_lower_priorities(board: Board) -> None:
    board.spi(40, priority=0x80)
    board.raise_level(40)
    board.cpu.write_pmr(0x80)
    assert not board.cpu.line
    assert board.cpu.read_iar1() == 1023
    assert board.cpu.read_hppir1() == 40, "HPPIR1 ignores the mask"
    board.cpu.write_pmr(0x88)
    assert board.cpu.line
    board.cpu.write_pmr(0xFF)
    assert board.cpu.read_pmr() == 0xF8


def test_assertions_under_the_mask_do_not_signal(board: Board) -> None:
    board.spi(40, edge=True, priority=0x80)
    board.spi(41, priority=0x80)
    board.cpu.write_pmr(0x80)
    board.gic.assert_edge(40)
    board.raise_level(41)
    assert board.lines == []
    board.cpu.write_pmr(0x88)
    assert board.lines == [(0, True)]


def test_an_edge_of_the_running_priority_does_not_preempt(board: Board) -> None:
    for intid in (40, 41):
        board.spi(intid, edge=True)
        board.gic.assert_edge(intid)
        board.cpu.read_iar1()
    assert board.lines == [(0, True), (0, False)]


def test_a_binary_point_applies_to_what_is_being_handled(board: Board) -> None:
    board.spi(40, priority=0x68)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.cpu.write_bpr1(6)
    board.spi(41, priority=0x60)
    board.raise_level(41)
    assert not board.cpu.line, "both are in the group 0x40"
    board.cpu.write_bpr1(3)
    assert board.cpu.line


def test_cbpr_lets_bpr0_decide_preemption(board: Board) -> None:
    board.cpu.write_bpr0(5)
    board.cpu.write_ctlr(1)
    board.spi(40, priority=0x60)
    board.raise_level(40)
    board.cpu.read_iar1()
    assert board.cpu.read_rpr() == 0x40
    board.cpu.write_bpr0(7)
    assert board.cpu.read_bpr1() == 7


def test_a_higher_priority_preempts_and_a_lower_one_waits(board: Board) -> None:
    board.spi(40, priority=0x80)
    board.spi(41, priority=0x40)
    board.spi(42, priority=0xC0)
    board.raise_level(40)
    assert board.cpu.read_iar1() == 40
    assert board.cpu.read_rpr() == 0x80
    board.raise_level(42)
    assert not board.cpu.line
    board.raise_level(41)
    assert board.cpu.line
    assert board.cpu.read_iar1() == 41
    assert board.cpu.read_rpr() == 0x40
    assert board.cpu.read_ap1r0() == 1 << 8 | 1 << 16
    board.high.clear()
    board.cpu.write_eoir1(41)
    assert board.cpu.read_rpr() == 0x80
    assert board.cpu.read_hppir1() == 42
    board.cpu.write_eoir1(40)
    assert board.cpu.read_rpr() == 0xFF
    assert board.cpu.line


@pytest.mark.parametrize(("point", "preempts"), [(3, True), (6, True), (7, False)])
def test_bpr1_says_which_bits_preempt(board: Board, point: int, preempts: bool) -> None:
    board.cpu.write_bpr1(point)
    board.spi(40, priority=0x60)
    board.spi(41, priority=0x20)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.raise_level(41)
    assert board.cpu.line is preempts


def test_bpr_minima_and_cbpr(board: Board) -> None:
    board.cpu.write_bpr1(0)
    board.cpu.write_bpr0(0)
    assert (board.cpu.read_bpr0(), board.cpu.read_bpr1()) == (2, 3)
    board.cpu.write_bpr0(5)
    board.cpu.write_ctlr(1)
    assert board.cpu.read_ctlr() == 0x8C01
    assert board.cpu.read_bpr1() == 6, "with CBPR, BPR1 reads as BPR0 plus one"
    board.cpu.write_bpr1(7)
    board.cpu.write_ctlr(0)
    assert board.cpu.read_bpr1() == 3, "writes of BPR1 were ignored"


def test_running_priority_is_a_group_priority(board: Board) -> None:
    board.cpu.write_bpr1(6)
    board.spi(40, priority=0x78)
    board.raise_level(40)
    board.cpu.read_iar1()
    assert board.cpu.read_rpr() == 0x40


def test_eoimode_1_splits_priority_drop_and_deactivation(board: Board) -> None:
    board.cpu.write_ctlr(2)
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.cpu.write_eoir1(40)
    assert board.cpu.read_rpr() == 0xFF
    assert board.read_bit(0x300, 40) == 1
    assert not board.cpu.line
    board.cpu.write_dir(40)
    assert board.read_bit(0x300, 40) == 0
    assert board.cpu.line, "the level still stands"


def test_dir_is_ignored_with_eoimode_0_and_for_special_intids(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.cpu.write_dir(40)
    assert board.read_bit(0x300, 40) == 1
    board.cpu.write_ctlr(2)
    assert board.cpu.write_dir(1023)
    assert board.read_bit(0x300, 40) == 1


def test_dir_of_an_spi_works_from_another_vcpu(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=2)
    board.spi(40, vcpu=0)
    for cpu in board.cpus:
        cpu.write_ctlr(2)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.cpu.write_eoir1(40)
    board.cpus[1].write_dir(40)
    assert board.read_bit(0x300, 40) == 0


@pytest.mark.parametrize("value", [1020, 1023, 40, 8192, 0xFF_FFFF])
def test_eoir1_without_active_interrupt_is_ignored(board: Board, value: int) -> None:
    board.spi(40)
    board.raise_level(40)
    assert board.cpu.write_eoir1(value)
    assert board.cpu.line
    assert board.cpu.read_iar1() == 40


def test_eoir1_of_a_special_intid_drops_nothing(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.cpu.write_eoir1(1023)
    assert board.cpu.read_rpr() == 0x80


def test_igrpen1_gates_the_line_and_hppir1(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.write_igrpen1(0)
    assert not board.cpu.line
    assert (board.cpu.read_iar1(), board.cpu.read_hppir1()) == (1023, 1023)
    board.cpu.write_igrpen1(1)
    assert board.cpu.line
    assert board.cpu.read_igrpen1() == 1


def test_active_priorities_can_be_saved_and_restored(board: Board) -> None:
    board.spi(40, priority=0x80)
    board.raise_level(40)
    board.cpu.write_ap1r0(1 << 8)
    assert not board.cpu.line
    assert board.cpu.read_rpr() == 0x40
    board.cpu.write_ap1r0(0)
    assert board.cpu.line


def test_fixed_registers(board: Board) -> None:
    board.cpu.write_sre(0)
    assert board.cpu.read_sre() == 7
    board.cpu.write_ctlr(0xFFFF_FFFF)
    assert board.cpu.read_ctlr() == 0x8C03


def test_group_0_registers_do_no_harm(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    cpu = board.cpu
    assert cpu.read_iar0() == cpu.read_hppir0() == 1023
    assert cpu.write_eoir0(40)
    assert cpu.write_igrpen0(1)
    assert cpu.read_igrpen0() == 0
    assert cpu.write_ap0r0(0xFF)
    assert cpu.read_ap0r0() == 0
    assert cpu.line


def test_sgi1r_target_list(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=4)
    for vcpu in range(4):
        board.enable_private(vcpu, 3)
    board.cpus[1].write_sgi1r(3 << 24 | 0b1011)
    assert board.lines == [(0, True), (1, True), (3, True)]
    assert [board.handle(vcpu) for vcpu in range(4)] == [3, 3, 1023, 3]


def test_sgi1r_to_all_others(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=3)
    for vcpu in range(3):
        board.enable_private(vcpu, 15)
    board.cpus[1].write_sgi1r(1 << 40 | 15 << 24 | 0xFFFF)
    assert board.lines == [(0, True), (2, True)]


def test_sgi1r_names_a_cluster_and_a_range() -> None:
    lines: list[int] = []
    gic = Gic(3, 0, lambda vcpu, _level: lines.append(vcpu), affinities=[0, 0x12_0034_5601, 0x14])
    gic.distributor.write(0, 4, 2)
    for vcpu, cpu in enumerate(gic.cpu_interfaces):
        cpu.write_pmr(0xFF)
        cpu.write_igrpen1(1)
        gic.redistributors.write(vcpu << 17 | 0x10080, 4, 0xFFFF)
        gic.redistributors.write(vcpu << 17 | 0x10100, 4, 0xFFFF)
    gic.cpu_interfaces[0].write_sgi1r(0x12 << 48 | 0x34 << 32 | 0x56 << 16 | 7 << 24 | 2)
    assert lines == [1]
    gic.cpu_interfaces[0].write_sgi1r(1 << 44 | 7 << 24 | 1 << 4)
    assert lines == [1, 2]
    gic.cpu_interfaces[0].write_sgi1r(9 << 16 | 7 << 24 | 1)
    assert lines == [1, 2], "there is no such cluster"


def test_sgi_registers_reach_sgis_of_their_group_only(board: Board) -> None:
    board.enable_private(0, 3)
    board.cpu.write_sgi0r(3 << 24 | 1)
    assert board.gicr.read(0x10200, 4) == 0
    board.gicr.write(0x10080, 4, 0)
    board.cpu.write_sgi1r(3 << 24 | 1)
    assert board.gicr.read(0x10200, 4) == 0
    board.cpu.write_sgi0r(3 << 24 | 1)
    assert board.gicr.read(0x10200, 4) == 8


def test_gunyah_registers_of_a_group_are_undefined_while_it_is_off(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH)
    cpu = board.cpu
    assert (cpu.read_iar1(), cpu.read_hppir1(), cpu.read_bpr1(), cpu.read_ap1r0()) == (1023, 1023, 3, 0)
    board.gicd.write(0, 4, 0)
    assert cpu.read_iar1() is cpu.read_hppir1() is cpu.read_bpr1() is cpu.read_ap1r0() is None
    assert cpu.read_igrpen1() == 0
    assert cpu.read_rpr() == 0xFF
    assert cpu.read_iar0() is cpu.read_hppir0() is cpu.read_bpr0() is cpu.read_ap0r0() is None
    board.gicd.write(0, 4, 2)
    assert cpu.read_igrpen1() == 1, "what was written is remembered"
