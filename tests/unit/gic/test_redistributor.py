"""The redistributors (IHI 0069, sections 12.10 and 12.11) and the wake-up handshake (section 11.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gunyah_emu.gic import GUNYAH, Gic

if TYPE_CHECKING:
    from tests.unit.gic.conftest import Board


def test_gicr_typer_chain_ends_at_the_last_vcpu() -> None:
    gicr = Gic(vcpus=4).redistributors
    types = [gicr.read(vcpu << 17 | 8, 8) for vcpu in range(4)]
    assert [value >> 32 for value in types if value is not None] == [0, 1, 2, 3]
    assert [value >> 8 & 0xFFFF for value in types if value is not None] == [0, 1, 2, 3]
    assert [value >> 4 & 1 for value in types if value is not None] == [0, 0, 0, 1]
    assert gicr.read(3 << 17 | 0xC, 4) == 3


def test_gicr_typer_last_is_the_machines_where_it_places_the_frames() -> None:
    gicr = Gic(vcpus=2).redistributors
    gicr.frame(0).end_chain(True)
    gicr.frame(1).end_chain(False)
    types = [gicr.read(vcpu << 17 | 8, 8) for vcpu in range(2)]
    assert [value >> 4 & 1 for value in types if value is not None] == [1, 0]


def test_gicr_typer_last_belongs_to_the_last_configured_vcpu() -> None:
    assert Gic(model=GUNYAH).redistributors.read(8, 4) == 0, "as the root VM sees it: eight configured, one attached"
    assert Gic(model=GUNYAH, capacity=1).redistributors.read(8, 4) == 0x10


def test_gicr_waker_handshake() -> None:
    gicr = Gic().redistributors
    assert gicr.read(0x14, 4) == 6
    gicr.write(0x14, 4, 0)
    assert gicr.read(0x14, 4) == 0
    gicr.write(0x14, 4, 2)
    assert gicr.read(0x14, 4) == 6


def test_gicr_waker_of_gunyah_waits_for_the_groups(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH)
    assert board.gicr.read(0x14, 4) == 0
    board.gicr.write(0x14, 4, 2)
    assert board.gicr.read(0x14, 4) == 2
    board.cpu.write_igrpen1(0)
    assert board.gicr.read(0x14, 4) == 6


def test_private_interrupts_are_banked(make_board: Callable[..., Board]) -> None:
    board = make_board(vcpus=2)
    board.enable_private(1, 27, priority=0x40)
    assert board.gicr.read(0x10100, 4) == 0
    assert board.gicr.read(0x30100, 4) == 1 << 27
    assert board.gicr.read(0x10400 + 27, 1) == 0
    assert board.gicr.read(0x30400 + 27, 1) == 0x40
    board.gic.set_private_level(1, 27, True)
    assert board.lines == [(1, True)]
    assert board.gicr.read(0x10200, 4) == 0
    assert board.gicr.read(0x30200, 4) == 1 << 27


def test_sgis_are_edges_and_ppis_are_configurable(board: Board) -> None:
    board.gicr.write(0x10C00, 4, 0)
    assert board.gicr.read(0x10C00, 4) == 0xAAAA_AAAA
    board.gicr.write(0x10C04, 4, 0xFFFF_FFFF)
    assert board.gicr.read(0x10C04, 4) == 0xAAAA_AAAA


def test_an_edge_triggered_ppi_is_taken_once_per_rise(board: Board) -> None:
    board.enable_private(0, 27)
    board.gicr.write(0x10C04, 4, 2 << 2 * 11)
    board.gic.set_private_level(0, 27, True)
    assert board.handle() == 27
    assert board.handle() == 1023
    board.gic.set_private_level(0, 27, False)
    board.gic.set_private_level(0, 27, True)
    assert board.handle() == 27


def test_ispendr0_icpendr0_isactiver0_icactiver0(board: Board) -> None:
    board.enable_private(0, 5)
    board.gicr.write(0x10200, 4, 1 << 5)
    assert board.cpu.line
    board.gicr.write(0x10280, 4, 1 << 5)
    assert not board.cpu.line
    board.gicr.write(0x10300, 4, 1 << 5)
    board.gicr.write(0x10200, 4, 1 << 5)
    assert not board.cpu.line
    assert board.gicr.read(0x10380, 4) == 1 << 5
    board.gicr.write(0x10380, 4, 1 << 5)
    assert board.handle() == 5


def test_icenabler0_keeps_a_level_for_later(board: Board) -> None:
    board.enable_private(0, 27)
    board.gic.set_private_level(0, 27, True)
    board.gicr.write(0x10180, 4, 1 << 27)
    assert not board.cpu.line
    board.gicr.write(0x10100, 4, 1 << 27)
    assert board.cpu.line
    board.gic.set_private_level(0, 27, False)
    assert not board.cpu.line, "the wire is live"
