"""The GIC as its users hold it: observers, states, several vCPUs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.gic import ARCHITECTURAL, GUNYAH, MODELS, Model
from gunyah_emu.machine.memento import Memento

if TYPE_CHECKING:
    from tests.unit.gic.conftest import Board

BOTH = pytest.mark.parametrize("model", [ARCHITECTURAL, GUNYAH], ids=lambda model: model.name)


class Diary:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int, int]] = []

    def pended(self, vcpu: int, intid: int) -> None:
        self.entries.append(("pended", vcpu, intid))

    def dropped(self, vcpu: int, intid: int) -> None:
        self.entries.append(("dropped", vcpu, intid))

    def acknowledged(self, vcpu: int, intid: int) -> None:
        self.entries.append(("acknowledged", vcpu, intid))

    def ended(self, vcpu: int, intid: int) -> None:
        self.entries.append(("ended", vcpu, intid))

    def unknown_register(self, frame: str, offset: int, write: bool) -> None:
        raise AssertionError


@BOTH
def test_an_observer_sees_an_interrupts_life(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model, vcpus=2)
    board.spi(40, vcpu=1, edge=True)
    board.spi(41, vcpu=0)
    diary = board.gic.observer = Diary()
    board.gic.assert_edge(40)
    board.gic.assert_edge(40)
    board.handle(1)
    board.raise_level(41)
    board.raise_level(41)
    board.gic.clear(41)
    assert diary.entries == [
        ("pended", 1, 40),
        ("acknowledged", 1, 40),
        ("ended", 1, 40),
        ("pended", 0, 41),
        ("dropped", 0, 41),
    ]
    board.gic.observer = None
    board.gic.assert_edge(40)
    assert len(diary.entries) == 5


@BOTH
def test_an_observer_sees_sgis_wires_and_software(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model, vcpus=2)
    board.enable_private(1, 3)
    board.spi(40)
    diary = board.gic.observer = Diary()
    board.cpu.write_sgi1r(3 << 24 | 2)
    board.gic.set_private_level(0, 27, True)
    board.gic.set_private_level(0, 27, False)
    board.bit(0x200, 40)
    assert diary.entries == [("pended", 1, 3), ("pended", 0, 27), ("dropped", 0, 27), ("pended", 0, 40)]


@BOTH
def test_a_state_comes_back_exactly(make_board: Callable[..., Board], model: Model) -> None:
    board = make_board(model, vcpus=2)
    for intid in range(40, 47):
        board.spi(intid, edge=intid % 2 == 0, priority=0x10 * (intid - 38), vcpu=intid % 3 % 2)
        board.raise_level(intid)
    board.enable_private(1, 27)
    board.gic.set_private_level(1, 27, True)
    board.cpu.read_iar1()
    state = Memento([board.gic])

    def go_on() -> list[object]:
        seen: list[object] = [board.gicd.read(0x1000, 4)]
        for cpu in board.cpus:
            for _ in range(12):
                intid = cpu.read_iar1()
                seen += (cpu.vcpu, intid, cpu.running_priority, cpu.line)
                if intid is not None and intid < 1020:
                    cpu.write_eoir1(intid)
        return seen

    first = go_on()
    assert len(first) > 1
    state.restore()
    assert go_on() == first


def test_models_are_found_by_name() -> None:
    assert MODELS == {"architectural": ARCHITECTURAL, "gunyah": GUNYAH}


def test_spis_follow_the_private_interrupts_of_all_vcpus(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=8)
    for vcpu in range(8):
        board.spi(32 + vcpu, vcpu=vcpu)
        board.raise_level(32 + vcpu)
    assert [cpu.read_iar1() for cpu in board.cpus] == list(range(32, 40))
