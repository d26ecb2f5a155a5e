"""What is typed reaches the guest in order and whole, through a FIFO that is smaller than what is typed."""

from __future__ import annotations

import pytest

from gunyah_emu.devices.console import Console
from gunyah_emu.devices.pl011 import FR_RXFE, IMSC, INT_RX, LCR_H, LCR_H_FEN, POLLS, Pl011

DR, FR = 0x000, 0x018


class Line:
    """A UART on a console, as a machine wires them."""

    def __init__(self) -> None:
        self.console = Console()
        self.level = False
        self.uart = Pl011(self.console.write, self.set_irq, self.console.take_input)
        self.console.on_input = self.uart.refill

    def set_irq(self, level: bool) -> None:
        self.level = level

    def read_all(self) -> bytes:
        found = bytearray()
        while not self.uart.read(FR, 4) & FR_RXFE:
            found.append(self.uart.read(DR, 4))
        return bytes(found)


@pytest.mark.parametrize("line_control", [0, LCR_H_FEN])
def test_a_text_longer_than_the_fifo_arrives_whole(line_control: int) -> None:
    line = Line()
    line.uart.write(LCR_H, 4, line_control)
    text = bytes(range(256))
    line.console.type(text)
    assert line.read_all() == text


def test_typing_raises_the_interrupt_until_all_is_read() -> None:
    line = Line()
    line.uart.write(LCR_H, 4, LCR_H_FEN)
    line.uart.write(IMSC, 4, INT_RX)
    assert not line.level
    line.console.type(b"x" * 40)
    assert line.level
    line.read_all()
    assert not line.level


def test_a_guest_that_turns_the_fifo_on_while_something_is_typed_gets_the_rest() -> None:
    line = Line()
    line.console.type(b"abc")
    line.uart.write(LCR_H, 4, LCR_H_FEN)
    assert line.read_all() == b"bc", "what was in the FIFO is lost, as on hardware; what was not in it comes"


def test_an_answer_that_a_script_types_while_the_guest_prints_is_there_at_the_next_poll() -> None:
    line = Line()
    line.console.script([("> ", "yes\n")])
    for byte in b"sure? > ":
        assert line.read_all() == b""
        line.uart.write(DR, 4, byte)
    assert line.read_all() == b"yes\n"


def test_a_guest_listens_once_it_has_unmasked_the_receive_interrupt() -> None:
    line = Line()
    assert not line.uart.is_listening
    line.uart.write(IMSC, 4, INT_RX)
    assert line.uart.is_listening


def test_a_guest_listens_once_it_polls_for_input_but_not_while_it_prints() -> None:
    line = Line()
    for _ in range(POLLS):
        line.uart.read(FR, 4)
        line.uart.write(DR, 4, ord("."))
    assert not line.uart.is_listening
    for _ in range(POLLS):
        line.uart.read(FR, 4)
    assert line.uart.is_listening


def test_what_empties_the_fifo_at_set_up_does_not_listen() -> None:
    line = Line()
    for _ in range(32):
        line.uart.read(DR, 4)
    assert not line.uart.is_listening
