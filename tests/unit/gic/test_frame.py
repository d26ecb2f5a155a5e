"""Access sizes, reserved offsets and their report (IHI 0069, section 12.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.gic import GUNYAH

if TYPE_CHECKING:
    from tests.unit.gic.conftest import Board


class Reports:
    """An observer that keeps reports of unknown registers."""

    def __init__(self) -> None:
        self.unknown: list[tuple[str, int, bool]] = []

    def unknown_register(self, frame: str, offset: int, write: bool) -> None:
        self.unknown.append((frame, offset, write))


def test_bytes_halves_words_and_doubles_of_priorities_agree(board: Board) -> None:
    gicd = board.gicd
    assert gicd.write(0x420, 8, 0x8877_6655_4433_2211)
    assert gicd.read(0x420, 8) == 0x8870_6050_4030_2010
    assert gicd.read(0x424, 4) == 0x8870_6050
    assert gicd.read(0x422, 2) == 0x4030
    assert gicd.read(0x427, 1) == 0x88
    assert gicd.write(0x421, 1, 0xF8)
    assert gicd.write(0x422, 2, 0x0818)
    assert gicd.read(0x420, 4) == 0x0818_F810


def test_a_byte_of_a_set_register_touches_only_its_interrupts(board: Board) -> None:
    board.gicd.write(0x105, 1, 0x81)
    assert board.gicd.read(0x104, 4) == 0x8100
    board.gicd.write(0x184, 2, 0x0100)
    assert board.gicd.read(0x104, 4) == 0x8000


def test_a_byte_of_a_field_register_keeps_the_other_fields(board: Board) -> None:
    board.gicd.write(0xC08, 4, 0xAAAA_AAAA)
    board.gicd.write(0xC09, 1, 0)
    assert board.gicd.read(0xC08, 4) == 0xAAAA_00AA
    board.gicd.write(0x84, 4, 0xFFFF_FFFF)
    board.gicd.write(0x86, 1, 0x0F)
    assert board.gicd.read(0x84, 4) == 0xFF0F_FFFF


def test_a_route_is_one_double_or_two_words(make_board: Callable[..., Board]) -> None:
    gicd = make_board(vcpus=4).gicd
    gicd.write(0x6100, 8, 3)
    assert gicd.read(0x6100, 4) == 3
    gicd.write(0x6104, 4, 0x12)
    assert gicd.read(0x6100, 8) == 0x12_0000_0003
    gicd.write(0x6100, 4, 1)
    assert gicd.read(0x6100, 8) == 0x12_0000_0001


def test_doubles_span_different_registers(board: Board) -> None:
    assert board.gicd.read(0, 8) == board.gicd.read(0, 4) | board.gicd.read(4, 4) << 32
    assert board.gicd.write(0x100, 8, 1 << 40)
    assert board.gicd.read(0x100, 8) == 1 << 40


@pytest.mark.parametrize(("offset", "size"), [(0x101, 2), (0x102, 4), (0x104, 8), (0x6104, 8), (3, 4)])
def test_unaligned_accesses_abort(board: Board, offset: int, size: int) -> None:
    assert board.gicd.read(offset, size) is None
    assert not board.gicd.write(offset, size, 0)


def test_offsets_behind_the_frames_abort(board: Board) -> None:
    assert board.gicd.read(0x10000, 4) is None
    assert not board.gicd.write(0x10000, 4, 0)
    assert board.gicr.read(0x20000, 4) is None
    assert not board.gicr.write(0x20000, 4, 0)


def test_reserved_offsets_read_as_zero_ignore_writes_and_are_told_once(board: Board) -> None:
    reports = board.gic.observer = Reports()
    for _ in range(2):
        assert board.gicd.read(0x1000, 4) == 0
        assert board.gicd.write(0x1000, 4, 1)
        assert board.gicr.read(0x70, 8) == 0
    assert reports.unknown == [
        ("GICD", 0x1000, False),
        ("GICD", 0x1000, True),
        ("GICR", 0x70, False),
        ("GICR", 0x74, False),
    ]


def test_status_tells_the_kinds_of_wrong_access_and_clears_by_ones(board: Board) -> None:
    gicd = board.gicd
    gicd.read(0x1000, 4)
    gicd.write(0x1000, 4, 0)
    gicd.read(0x40, 4)
    gicd.write(4, 4, 0)
    assert gicd.read(0x10, 4) == 0xF
    gicd.write(0x10, 4, 5)
    assert gicd.read(0x10, 4) == 0xA


def test_gunyah_aborts_on_sizes_that_a_register_does_not_have(make_board: Callable[..., Board]) -> None:
    gicd = make_board(GUNYAH).gicd
    for offset, size in (
        (0x100, 1),
        (0x100, 2),
        (0x100, 8),
        (0x400, 2),
        (0x400, 8),
        (0x40, 1),
        (0x1000, 8),
        (0x1000, 1),
    ):
        assert gicd.read(offset, size) is None, (offset, size)
        assert not gicd.write(offset, size, 0), (offset, size)
    for offset, size in (
        (0x100, 4),
        (0x400, 1),
        (0x800, 1),
        (0xF10, 1),
        (0x40, 2),
        (0x6100, 8),
        (0x6100, 4),
        (0x1000, 4),
    ):
        assert gicd.read(offset, size) is not None, (offset, size)


def test_gunyah_aborts_on_reserved_writes_and_behind_its_structure(make_board: Callable[..., Board]) -> None:
    board = make_board(GUNYAH)
    assert board.gicd.read(0x1000, 4) == 0
    assert not board.gicd.write(0x1000, 4, 0)
    for offset in (0xFFD0, 0xFFE8, 0xFFFC):
        assert board.gicd.read(offset, 4) is None
        assert not board.gicd.write(offset, 4, 0)
    assert board.gicr.read(0xFFE8, 4) == 0x30
    assert board.gicd.write(4, 4, 0)
    assert board.gicd.write(8, 4, 0)
    assert not board.gicr.write(0x70, 4, 0)


def test_identification_registers_name_a_gicv3(board: Board) -> None:
    assert board.gicd.read(0xFFE8, 4) & 0xF0 == 0x30
    assert board.gicr.read(0xFFE8, 4) & 0xF0 == 0x30
    assert [board.gicd.read(0xFFF0 + 4 * n, 4) for n in range(4)] == [0x0D, 0xF0, 0x05, 0xB1]
