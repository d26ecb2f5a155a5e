"""A PL011 driver written for hardware or for QEMU prints, reads and takes its interrupts."""

from __future__ import annotations

import pytest

from gunyah_emu.devices.pl011 import Pl011

DR, FR, ILPR, IBRD, FBRD, LCR_H, CR = 0x00, 0x18, 0x20, 0x24, 0x28, 0x2C, 0x30
IFLS, IMSC, RIS, MIS, ICR, DMACR = 0x34, 0x38, 0x3C, 0x40, 0x44, 0x48
RX, TX = 1 << 4, 1 << 5
FEN, LBE = 1 << 4, 1 << 7
RXFE, RXFF, TXFF, TXFE = 1 << 4, 1 << 6, 1 << 5, 1 << 7


class Uart:
    """A PL011, what it sent, and every level of its interrupt."""

    def __init__(self) -> None:
        self.sent = b""
        self.levels: list[bool] = []
        self.device = Pl011(self.take, self.levels.append)

    def take(self, data: bytes) -> None:
        self.sent += data

    def __getitem__(self, offset: int) -> int:
        value = self.device.read(offset, 4)
        assert value is not None
        return value

    def __setitem__(self, offset: int, value: int) -> None:
        assert self.device.write(offset, 4, value)


@pytest.fixture
def uart() -> Uart:
    return Uart()


def test_after_reset_every_register_reads_as_the_manual_says(uart: Uart) -> None:
    assert {offset: uart[offset] for offset in range(0, 0x4C, 4) if uart[offset]} == {
        FR: TXFE | RXFE,
        CR: 0x300,
        IFLS: 0x12,
    }


def test_it_is_known_as_a_pl011(uart: Uart) -> None:
    assert [uart[offset] for offset in range(0xFE0, 0x1000, 4)] == [0x11, 0x10, 0x14, 0, 0x0D, 0xF0, 0x05, 0xB1]


def test_a_guest_that_never_enables_its_uart_prints_as_on_qemu(uart: Uart) -> None:
    uart[CR] = 0
    for byte in b"hi\n":
        uart[DR] = byte
    assert uart.sent == b"hi\n"
    assert uart[FR] & (TXFE | TXFF) == TXFE


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_byte_is_sent_by_a_store_of_any_size(uart: Uart, size: int) -> None:
    assert uart.device.write(DR, size, 0x41)
    assert uart.sent == b"A"


def test_only_the_low_byte_is_data(uart: Uart) -> None:
    uart[DR] = 0xFFFF_FF41
    assert uart.sent == b"A"


@pytest.mark.parametrize(
    ("offset", "bits"),
    [(ILPR, 0xFF), (IBRD, 0xFFFF), (FBRD, 0x3F), (LCR_H, 0xFF), (IFLS, 0x3F), (IMSC, 0x7FF), (DMACR, 7)],
)
def test_settings_read_back_in_the_bits_that_they_have(uart: Uart, offset: int, bits: int) -> None:
    uart[offset] = 0xFFFF_FFFF
    assert uart[offset] == bits
    uart[offset] = 0
    assert uart[offset] == 0


def test_registers_that_do_not_exist_read_as_zero_and_ignore_stores(uart: Uart) -> None:
    for offset in (0x08, 0x4C, 0x80, 0xFDC):
        uart[offset] = 0xFFFF_FFFF
        assert uart[offset] == 0


@pytest.mark.parametrize("offset", [FR, RIS, MIS, 0xFE0])
def test_read_only_registers_ignore_stores(uart: Uart, offset: int) -> None:
    before = uart[offset]
    uart[offset] = 0xFFFF_FFFF
    assert uart[offset] == before


def test_narrow_and_wide_accesses_see_the_same_registers(uart: Uart) -> None:
    uart[IBRD] = 0x1234
    uart[FBRD] = 0x2A
    assert uart.device.read(IBRD, 1) == 0x34
    assert uart.device.read(IBRD + 1, 1) == 0x12
    assert uart.device.read(IBRD, 2) == 0x1234
    assert uart.device.read(IBRD, 8) == 0x2A_0000_1234
    assert uart.device.write(IBRD, 8, 0x15_0000_4321)
    assert (uart[IBRD], uart[FBRD]) == (0x4321, 0x15)


# receiving


def test_without_fifos_one_byte_is_held_and_with_them_sixteen(uart: Uart) -> None:
    assert uart.device.feed(b"ab") == 1
    assert uart.device.room == 0
    assert uart[FR] & (RXFE | RXFF) == RXFF
    assert uart[DR] == ord("a")
    uart[LCR_H] = FEN
    assert uart.device.feed(bytes(range(20))) == 16
    assert uart.device.feed(b"x") == 0
    assert [uart[DR] for _ in range(17)] == [*range(16), 0]
    assert uart[FR] & (RXFE | RXFF) == RXFE


def test_the_receive_interrupt_stands_while_there_is_data(uart: Uart) -> None:
    uart[LCR_H] = FEN
    uart[IMSC] = RX
    uart.device.feed(b"ab")
    assert (uart[RIS], uart[MIS], uart.levels) == (RX, RX, [True])
    assert uart[DR] == ord("a")
    assert uart.levels == [True]
    assert uart[DR] == ord("b")
    assert (uart[RIS], uart.levels) == (0, [True, False])


def test_a_receive_interrupt_that_was_cleared_comes_again_with_the_next_byte(uart: Uart) -> None:
    uart[LCR_H] = FEN
    uart[IMSC] = RX
    uart.device.feed(b"a")
    uart[ICR] = RX
    uart.device.feed(b"b")
    assert uart.levels == [True, False, True]


def test_turning_the_fifos_on_or_off_empties_them(uart: Uart) -> None:
    uart[IMSC] = RX
    uart.device.feed(b"a")
    uart[LCR_H] = FEN
    assert uart[FR] & RXFE
    assert uart.levels == [True, False]


def test_loopback_gives_a_guest_its_own_bytes(uart: Uart) -> None:
    uart[CR] = 0x300 | LBE
    uart[DR] = ord("z")
    assert uart[DR] == ord("z")


# interrupts


def test_the_transmit_interrupt_comes_with_a_byte_and_goes_when_cleared(uart: Uart) -> None:
    uart[IMSC] = TX
    assert uart.levels == []
    uart[DR] = ord("a")
    uart[DR] = ord("b")
    assert (uart[RIS], uart[MIS], uart.levels) == (TX, TX, [True])
    uart[ICR] = TX
    assert (uart[RIS], uart.levels) == (0, [True, False])


def test_a_masked_interrupt_is_pending_and_not_raised(uart: Uart) -> None:
    uart[DR] = ord("a")
    assert (uart[RIS], uart[MIS], uart.levels) == (TX, 0, [])
    uart[IMSC] = TX
    assert uart.levels == [True]
    uart[IMSC] = 0
    assert uart.levels == [True, False]


def test_the_interrupt_is_one_line_for_all_causes(uart: Uart) -> None:
    uart[IMSC] = RX | TX
    uart[DR] = ord("a")
    uart.device.feed(b"b")
    uart[ICR] = TX
    assert uart.levels == [True]
    assert uart[DR] == ord("b")
    assert uart.levels == [True, False]


def test_every_register_of_the_table_is_where_the_manual_has_it() -> None:
    assert {register.name: register.offset for register in Pl011.REGISTERS} == {
        "UARTDR": 0x000,
        "UARTRSR": 0x004,
        "UARTFR": 0x018,
        "UARTILPR": 0x020,
        "UARTIBRD": 0x024,
        "UARTFBRD": 0x028,
        "UARTLCR_H": 0x02C,
        "UARTCR": 0x030,
        "UARTIFLS": 0x034,
        "UARTIMSC": 0x038,
        "UARTRIS": 0x03C,
        "UARTMIS": 0x040,
        "UARTICR": 0x044,
        "UARTDMACR": 0x048,
    }
