"""Delivery through list registers: every recorded surprise of Gunyah's virtual GIC by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.gic import GUNYAH

if TYPE_CHECKING:
    from tests.unit.gic.conftest import Board


@pytest.fixture
def board(make_board: Callable[..., Board]) -> Board:
    return make_board(GUNYAH)


def test_a_level_that_fell_before_it_was_taken_is_taken_once(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.high.clear()
    assert board.cpu.line
    assert board.read_bit(0x200, 40) == 1
    assert board.handle() == 40
    assert not board.cpu.line


def test_a_level_is_sampled_at_its_end(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    assert board.handle() == 40
    assert board.cpu.line
    board.cpu.read_iar1()
    board.high.clear()
    board.cpu.write_eoir1(40)
    assert not board.cpu.line


def test_a_level_asserted_again_while_active_comes_once_more(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.gic.assert_level(40)
    board.high.clear()
    board.cpu.write_eoir1(40)
    assert board.handle() == 40
    assert board.handle() == 1023


@pytest.mark.parametrize("edge", [False, True])
def test_clear_retracts_a_level_at_once_and_an_edge_never(board: Board, edge: bool) -> None:
    board.spi(40, edge=edge)
    board.raise_level(40)
    board.high.clear()
    board.gic.clear(40)
    assert board.cpu.line is edge
    assert board.handle() == (40 if edge else 1023)


def test_disconnect_while_active_leaves_nothing(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.gic.disconnect(40)
    board.cpu.write_eoir1(40)
    assert not board.cpu.line


def test_a_stale_edge_becomes_pending_with_the_trigger(board: Board) -> None:
    board.spi(40, enable=False)
    board.raise_level(40)
    board.gic.disconnect(40)
    assert board.read_bit(0x200, 40) == 0
    board.trigger(40, edge=True)
    assert board.read_bit(0x200, 40) == 1


def test_ispendr_of_a_level_stays_until_icpendr(board: Board) -> None:
    board.spi(40)
    board.bit(0x200, 40)
    assert [board.handle(), board.handle(), board.handle()] == [40, 40, 40]
    assert board.cpu.read_iar1() == 40
    board.bit(0x280, 40)
    board.cpu.write_eoir1(40)
    assert not board.cpu.line


def test_ispendr_and_setspi_do_not_clear_each_other(board: Board) -> None:
    board.spi(40)
    board.bit(0x200, 40)
    board.gicd.write(0x40, 4, 40)
    board.cpu.read_iar1()
    board.bit(0x280, 40)
    board.cpu.write_eoir1(40)
    assert board.cpu.read_iar1() == 40
    board.gicd.write(0x48, 4, 40)
    board.cpu.write_eoir1(40)
    assert not board.cpu.line


def test_a_level_trigger_forgets_what_software_made_pending(board: Board) -> None:
    board.spi(40, enable=False)
    board.bit(0x200, 40)
    assert board.read_bit(0x200, 40) == 1
    board.trigger(40, edge=False)
    assert board.read_bit(0x200, 40) == 0


def test_icpendr_cannot_reach_a_listed_edge(board: Board) -> None:
    board.spi(40, edge=True)
    board.gic.assert_edge(40)
    board.bit(0x280, 40)
    assert board.handle() == 40


@pytest.mark.parametrize("register", [0x300, 0x380])
def test_writes_of_active_are_ignored_for_a_listed_interrupt(board: Board, register: int) -> None:
    board.spi(40, edge=True)
    board.gic.assert_edge(40)
    if register == 0x380:
        board.cpu.read_iar1()
    before = board.read_bit(0x300, 40)
    board.bit(register, 40)
    assert board.read_bit(0x300, 40) == before


def test_an_ended_edge_stays_listed_and_a_level_does_not(board: Board) -> None:
    for intid, edge in ((40, True), (41, False)):
        board.spi(intid, edge=edge)
        board.gic.assert_level(intid)
        board.handle()
        board.bit(0x300, intid)
    assert board.read_bit(0x300, 40) == 0, "ignored: still listed"
    assert board.read_bit(0x300, 41) == 1


def test_active_unlisted_interrupts_are_not_delivered_until_icactiver(board: Board) -> None:
    board.spi(40)
    board.bit(0x300, 40)
    board.raise_level(40)
    assert not board.cpu.line
    board.bit(0x380, 40)
    assert board.cpu.line


def test_a_listed_interrupt_keeps_its_priority(board: Board) -> None:
    board.spi(40, priority=0x80)
    board.raise_level(40)
    for priority in (0xC0, 0x10):
        board.gicd.write(0x400 + 40, 1, priority)
        assert board.gicd.read(0x400 + 40, 1) == priority
        board.cpu.write_pmr(0x88)
        assert board.cpu.line
        board.cpu.write_pmr(0x80)
        assert not board.cpu.line


def test_equal_priorities_go_by_list_register(board: Board) -> None:
    for intid in (45, 40, 43):
        board.spi(intid, edge=True)
        board.gic.assert_edge(intid)
    assert [board.handle() for _ in range(3)] == [45, 40, 43]


def test_a_fifth_interrupt_waits_for_a_register(board: Board) -> None:
    for intid in range(40, 45):
        board.spi(intid, edge=True)
        board.gic.assert_edge(intid)
    assert board.read_bit(0x200, 44) == 1
    assert [board.handle() for _ in range(6)] == [40, 41, 42, 43, 44, 1023]


def test_a_more_urgent_fifth_interrupt_takes_a_pending_ones_register(board: Board) -> None:
    for intid in range(40, 44):
        board.spi(intid, edge=True, priority=0x80)
        board.gic.assert_edge(intid)
    board.spi(44, edge=True, priority=0x40)
    board.gic.assert_edge(44)
    assert [board.handle() for _ in range(6)] == [44, 40, 41, 42, 43, 1023]


def test_active_interrupts_lose_their_registers_and_still_end_in_order(board: Board) -> None:
    taken = []
    for step in range(6):
        board.spi(40 + step, edge=True, priority=0xA0 - 0x10 * step)
        board.gic.assert_edge(40 + step)
        taken.append(board.cpu.read_iar1())
    assert taken == [40, 41, 42, 43, 44, 45]
    assert [intid for intid in range(40, 46) if board.read_bit(0x300, intid)] == taken
    for intid in reversed(taken):
        board.cpu.write_eoir1(intid)
        assert board.read_bit(0x300, intid) == 0
    assert board.cpu.read_rpr() == 0xFF


def test_turning_the_group_off_takes_pending_interrupts_out(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.write_igrpen1(0)
    assert not board.cpu.line
    assert board.read_bit(0x200, 40) == 1
    board.bit(0x300, 40)
    assert board.read_bit(0x300, 40) == 1, "no longer listed"
    board.bit(0x380, 40)
    board.cpu.write_igrpen1(1)
    assert board.handle() == 40


def test_a_route_to_nobody_and_back(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.gicd.write(0x6000 + 8 * 40, 8, 5)
    assert not board.cpu.line
    board.gicd.write(0x6000 + 8 * 40, 8, 0)
    assert board.cpu.line


def test_routes_between_vcpus(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH, vcpus=2)
    board.spi(40)
    board.raise_level(40)
    board.gicd.write(0x6000 + 8 * 40, 8, 1)
    assert not board.cpu.line
    assert board.handle(1) == 40


def test_an_edge_for_nobody_hides_behind_its_register(board: Board) -> None:
    board.spi(40, edge=True)
    board.gic.assert_edge(40)
    board.cpu.read_iar1()
    board.gicd.write(0x6000 + 8 * 40, 8, 5)
    board.gic.assert_edge(40)
    board.cpu.write_eoir1(40)
    assert board.read_bit(0x200, 40) == 0


def test_waiting_interrupts_do_not_displace_more_urgent_ones(board: Board) -> None:
    for intid in range(40, 45):
        board.spi(intid, edge=True, priority=0x90 if intid == 44 else 0x80)
        board.gic.assert_edge(intid)
    board.gicd.write(0, 4, 3)
    board.bit(0x300, 44)
    assert board.read_bit(0x300, 44) == 1, "the last one is in no register"


def test_all_come_back_when_the_group_does(board: Board) -> None:
    for intid in range(40, 46):
        board.spi(intid, edge=True)
        board.gic.assert_edge(intid)
    board.cpu.write_igrpen1(0)
    board.cpu.write_igrpen1(1)
    assert sorted(board.handle() for _ in range(6)) == list(range(40, 46))


def test_ending_in_the_wrong_order_deactivates_nothing(board: Board) -> None:
    for intid, priority in ((40, 0x80), (41, 0x40)):
        board.spi(intid, edge=True, priority=priority)
        board.gic.assert_edge(intid)
        board.cpu.read_iar1()
    board.cpu.write_eoir1(40)
    assert board.cpu.read_rpr() == 0x80
    assert board.read_bit(0x300, 40) == board.read_bit(0x300, 41) == 1


def test_eoir1_while_the_group_is_off_deactivates(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.high.clear()
    board.cpu.write_igrpen1(0)
    board.cpu.write_eoir1(40)
    assert board.read_bit(0x300, 40) == 0
    assert board.cpu.read_rpr() == 0xFF


def test_dir_deactivates_whatever_eoimode_says(board: Board) -> None:
    board.spi(40)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.cpu.write_dir(40)
    assert board.read_bit(0x300, 40) == 0


def test_dir_of_an_active_and_pending_edge_leaves_it_pending(board: Board) -> None:
    board.spi(40, edge=True)
    board.gic.assert_edge(40)
    board.cpu.read_iar1()
    board.gic.assert_edge(40)
    board.cpu.write_dir(40)
    assert board.read_bit(0x300, 40) == 0
    assert board.read_bit(0x200, 40) == 1


def test_an_edge_while_active_survives_the_group_going_off(board: Board) -> None:
    board.spi(40, edge=True)
    board.gic.assert_edge(40)
    board.cpu.read_iar1()
    board.gic.assert_edge(40)
    board.cpu.write_igrpen1(0)
    board.cpu.write_igrpen1(1)
    board.cpu.write_eoir1(40)
    assert board.handle() == 40


def test_a_synchronised_interrupt_follows_its_new_trigger(board: Board) -> None:
    board.spi(40, edge=True)
    board.raise_level(40)
    board.trigger(40, edge=False)
    board.gicd.write(0x84, 4, 0xFFFF_FFFF)
    assert board.handle() == 40
    assert board.cpu.line, "the level stands"


def test_what_stops_the_real_hypervisor_is_told(board: Board) -> None:
    told: list[tuple[int, str]] = []
    board.gic.on_fatal = lambda vcpu, what: told.append((vcpu, what))
    board.cpu.write_eoir1(1023)
    assert told == []
    board.cpu.write_igrpen1(0)
    board.cpu.write_eoir1(1023)
    board.cpu.write_dir(1020)
    assert told == [
        (0, "ICC_EOIR1_EL1 was written with INTID 1023, which is no interrupt"),
        (0, "ICC_DIR_EL1 was written with INTID 1020, which is no interrupt"),
    ]


def test_sgis_reach_other_vcpus(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH, vcpus=3)
    for vcpu in range(3):
        board.enable_private(vcpu, 3)
    board.cpu.write_sgi1r(1 << 40 | 3 << 24)
    assert board.lines == [(1, True), (2, True)]
    assert [board.handle(vcpu) for vcpu in range(3)] == [1023, 3, 3]


def test_wires_are_sampled(board: Board) -> None:
    board.enable_private(0, 27)
    board.gic.set_private_level(0, 27, True)
    assert board.handle() == 27
    assert board.cpu.read_iar1() == 27
    board.gic.set_private_level(0, 27, False)
    board.cpu.write_eoir1(27)
    assert not board.cpu.line
