"""`why_not` answers the question that costs people days, so each answer has its situation here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.gic import ARCHITECTURAL, GUNYAH, Model
from gunyah_emu.gic.why import Reason

if TYPE_CHECKING:
    from tests.unit.gic.conftest import Board

BOTH = pytest.mark.parametrize("model", [ARCHITECTURAL, GUNYAH], ids=lambda model: model.name)


@BOTH
def test_a_signalled_interrupt_has_no_reasons(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model)
    board.spi(40)
    board.raise_level(40)
    assert board.gic.why_not(0, 40) == []


@BOTH
def test_everything_is_off_at_reset(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model)
    board.gicd.write(0, 4, 0)
    board.cpu.write_igrpen1(0)
    board.cpu.write_pmr(0)
    assert board.gic.why_not(0, 40) == [
        Reason.NOT_PENDING,
        Reason.DISABLED,
        Reason.GROUP_0,
        Reason.DISTRIBUTOR_OFF,
        Reason.INTERFACE_OFF,
        Reason.PRIORITY_MASKED,
    ]


@BOTH
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda board: board.bit(0x180, 40), Reason.DISABLED),
        (lambda board: board.cpu.write_pmr(0x80), Reason.PRIORITY_MASKED),
        (lambda board: board.gicd.write(0, 4, 0), Reason.DISTRIBUTOR_OFF),
        (lambda board: board.gicd.write(0x6000 + 8 * 40, 8, 1), Reason.ROUTED_ELSEWHERE),
    ],
    ids=["disabled", "masked", "distributor", "route"],
)
def test_one_reason_at_a_time(
    make_board: Callable[..., Board], model: Model, spoil: Callable[[Board], object], reason: Reason
) -> None:
    board = make_board(model)
    board.spi(40)
    board.raise_level(40)
    spoil(board)
    assert reason in board.gic.why_not(0, 40)
    assert Reason.NOT_PENDING not in board.gic.why_not(0, 40)


@BOTH
def test_the_interface_is_off(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model)
    board.spi(40)
    board.raise_level(40)
    board.cpu.write_igrpen1(0)
    assert Reason.INTERFACE_OFF in board.gic.why_not(0, 40)


@BOTH
def test_what_is_being_handled_stands_in_the_way(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model)
    board.spi(40, priority=0x40)
    board.spi(41, priority=0x80)
    board.raise_level(40)
    board.cpu.read_iar1()
    board.raise_level(41)
    assert board.gic.why_not(0, 41) == [Reason.RUNNING_PRIORITY]
    assert Reason.ACTIVE in board.gic.why_not(0, 40)


@BOTH
def test_a_more_urgent_one_comes_first(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model)
    board.spi(40, priority=0x80)
    board.spi(41, priority=0x40)
    board.raise_level(40)
    board.raise_level(41)
    assert board.gic.why_not(0, 40) == [Reason.OUTRANKED]


def test_list_registers_may_be_full(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH)
    for intid in range(40, 45):
        board.spi(intid, edge=True)
        board.gic.assert_edge(intid)
    assert board.gic.why_not(0, 44) == [Reason.NOT_LISTED]


def test_no_such_interrupt(make_board: Callable[..., Board]) -> None:
    assert make_board(spis=8).gic.why_not(0, 40) == [Reason.NO_SUCH_INTERRUPT]
