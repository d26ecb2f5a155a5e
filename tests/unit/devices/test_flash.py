"""NOR flash, as drivers of the Intel command set use it: query, identification, erasing, programming, status."""

from __future__ import annotations

import pytest

from gunyah_emu.devices.flash import BLOCK, Flash

READY = 0x0080_0080


class Bank:
    """A bank of two blocks, and what it told its owner."""

    def __init__(self) -> None:
        self.array = memoryview(bytearray(2 * BLOCK))
        self.shown: list[bool] = []
        self.changed: list[tuple[int, int]] = []
        self.flash = Flash(self.array, self.shown.append, lambda offset, size: self.changed.append((offset, size)))

    def command(self, *values: int, offset: int = 0) -> None:
        for value in values:
            assert self.flash.write(offset, 4, value)

    def words(self, first: int, count: int) -> bytes:
        """What the first chip answers, a byte a word."""
        read = [self.flash.read(4 * word, 4) for word in range(first, first + count)]
        assert all(word is not None and word >> 16 == word & 0xFFFF for word in read)
        return bytes(word & 0xFF for word in read if word is not None)


@pytest.fixture
def bank() -> Bank:
    return Bank()


def test_a_query_tells_a_driver_the_geometry(bank: Bank) -> None:
    bank.command(0x0098_0098, offset=0x55 * 4)
    assert bank.words(0x10, 3) == b"QRY"
    assert bank.words(0x13, 2) == b"\x01\0"  # Intel's commands
    assert 2 << bank.words(0x27, 1)[0] == len(bank.array)
    regions, blocks, _, size_low, size_high = bank.words(0x2C, 5)
    assert (regions, blocks + 1, 2 * 256 * (size_low | size_high << 8)) == (1, 2, BLOCK)
    assert bank.shown == [False]
    bank.command(0x00FF_00FF)
    assert bank.shown == [False, True]


def test_it_identifies_itself(bank: Bank) -> None:
    bank.command(0x0090_0090)
    assert bank.words(0, 3) == b"\x89\x18\0"
    assert bank.flash.read(2, 2) == 0x89


def test_a_block_is_erased_and_programmed_word_by_word(bank: Bank) -> None:
    bank.command(0x0020_0020, 0x00D0_00D0, offset=BLOCK + 8)
    assert bank.flash.read(0, 4) == READY
    assert bank.array[BLOCK:] == b"\xff" * BLOCK
    assert bank.array[:BLOCK] == bytes(BLOCK)
    bank.command(0x0040_0040, 0x1234_5678, offset=BLOCK + 4)
    assert bank.flash.read(0, 4) == READY
    assert bank.changed == []
    bank.command(0x00FF_00FF)
    assert bank.array[BLOCK + 4 : BLOCK + 8] == bytes.fromhex("78563412")
    assert bank.changed == [(BLOCK, BLOCK)]


def test_programming_clears_bits_and_sets_none(bank: Bank) -> None:
    bank.array[:4] = bytes.fromhex("0f0f0f0f")
    bank.command(0x10, 0x3C3C_3C3C)
    assert bank.array[:4] == bytes.fromhex("0c0c0c0c")


def test_a_buffer_is_programmed_when_it_is_confirmed(bank: Bank) -> None:
    bank.array[:16] = b"\xff" * 16
    bank.command(0x00E8_00E8, 0x0002_0002)
    for offset in (0, 4, 8):
        bank.command(offset + 1, offset=offset)
    assert bank.array[:16] == b"\xff" * 16
    bank.command(0x00D0_00D0)
    assert bank.array[:16].hex() == "010000000500000009000000ffffffff"
    assert bank.flash.read(0, 4) == READY


@pytest.mark.parametrize("values", [(0x20, 0x12), (0xE8, 0, 1, 0x12)])
def test_a_broken_sequence_changes_nothing_and_is_in_the_status(bank: Bank, values: tuple[int, ...]) -> None:
    bank.command(*values)
    assert bank.flash.read(0, 4) == 0x00B0_00B0
    assert not any(bank.array)
    bank.command(0x50, 0x70)
    assert bank.flash.read(0, 4) == READY


def test_unlocking_a_block_is_obeyed_and_a_value_that_is_no_command_ignored(bank: Bank) -> None:
    bank.command(0x60, 0xD0)
    assert bank.flash.read(0, 4) == READY
    bank.command(0)
    assert bank.shown == [False, True]
    bank.command(0)
    assert bank.shown == [False, True]


def test_more_than_its_buffer_holds_is_refused(bank: Bank) -> None:
    bank.command(0xE8, 0xFFFF)
    assert bank.flash.read(0, 4) == 0x00B0_00B0
