"""The PL011 UART: the console of a VM.

Transmission takes no time: a byte is passed on when it is written, so the transmit FIFO is always empty, and every byte
raises the transmit interrupt, as in QEMU.  Reception has the FIFO (16 bytes, or one with the FIFOs disabled) and raises
its interrupt by the first byte, as QEMU does, whatever IFLS says: a guest that would wait for the receive timeout on
hardware gets its byte here at once.  Modem lines, parity and errors are not modelled: the line is always perfect.

Source: Arm PrimeCell UART (PL011) Technical Reference Manual r1p5 (DDI 0183G), section 3.3; QEMU 7.2 where it is named.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from gunyah_emu.devices.registers import Register, RegisterBlock

if TYPE_CHECKING:
    from collections.abc import Callable

LCR_H, CR, IMSC = 0x02C, 0x030, 0x038

FR_RXFE, FR_TXFF, FR_RXFF, FR_TXFE = 1 << 4, 1 << 5, 1 << 6, 1 << 7
LCR_H_FEN = 1 << 4
CR_LBE, CR_TXE, CR_RXE = 1 << 7, 1 << 8, 1 << 9
INT_RX, INT_TX, INT_RT = 1 << 4, 1 << 5, 1 << 6
POLLS = 64
"""Looks at an empty receive FIFO without a byte sent between them: more than a kernel needs to empty it."""
FIFO_DEPTH = 16


class Pl011(RegisterBlock):
    """A PL011 in its reset state.

    Arguments:
        sink: takes every byte that the guest transmits, when it does.
        set_irq: takes the level of UARTINTR, when it changes.
        source: gives the next bytes of the line, at most as many as it is asked for, none when none wait.  It is asked
            when the guest has made room; whoever has something new for it calls `refill`.
    """

    REGISTERS: ClassVar = (
        Register(0x000, "UARTDR", "data", reader="receive", writer="transmit"),
        Register(0x004, "UARTRSR", "receive status; no errors happen"),
        Register(0x018, "UARTFR", "flags", reader="flags"),
        Register(0x020, "UARTILPR", "IrDA low-power counter; no effect", mask=0xFF),
        Register(0x024, "UARTIBRD", "integer baud rate divisor; no effect", mask=0xFFFF),
        Register(0x028, "UARTFBRD", "fractional baud rate divisor; no effect", mask=0x3F),
        Register(LCR_H, "UARTLCR_H", "line control; FEN has an effect", writer="control_line"),
        Register(CR, "UARTCR", "control; LBE has an effect", mask=0xFFFF, reset=CR_TXE | CR_RXE),
        Register(0x034, "UARTIFLS", "FIFO level of interrupts; no effect", mask=0x3F, reset=0x12),
        Register(IMSC, "UARTIMSC", "interrupt mask", writer="mask_interrupts"),
        Register(0x03C, "UARTRIS", "raw interrupt status", reader="raw_status"),
        Register(0x040, "UARTMIS", "masked interrupt status", reader="masked_status"),
        Register(0x044, "UARTICR", "interrupt clear", writer="clear_interrupts"),
        Register(0x048, "UARTDMACR", "DMA control; no effect", mask=7),
    )
    IDENTIFICATION: ClassVar = bytes((0x11, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1))

    def __init__(
        self,
        sink: Callable[[bytes], None],
        set_irq: Callable[[bool], None],
        source: Callable[[int], bytes] | None = None,
    ) -> None:
        super().__init__()
        self._sink = sink
        self._set_irq = set_irq
        self._source = source
        self._fifo: deque[int] = deque()
        self._status = 0
        self._level = False
        self._polls = 0

    # the side of the line

    @property
    def is_listening(self) -> bool:
        """Whether the guest waits for input, by interrupt or by polling; earlier, set-up would throw it away."""
        return self._polls >= POLLS or bool(self.kept[IMSC] & (INT_RX | INT_RT))

    @property
    def room(self) -> int:
        """How many bytes `feed` would take now."""
        return max(0, (FIFO_DEPTH if self.kept[LCR_H] & LCR_H_FEN else 1) - len(self._fifo))

    def feed(self, data: bytes) -> int:
        """Receives bytes from the line; returns how many of them the FIFO had room for."""
        count = min(self.room, len(data))
        if count:
            self._fifo.extend(data[:count])
            self._status |= INT_RX
            self._update()
        return count

    def refill(self) -> None:
        """Receives what the source has, as far as there is room."""
        if self._source is not None and (room := self.room):
            self.feed(self._source(room))

    def give_back(self) -> bytes:
        """Takes out what was received and not read: the guest reads its console another way."""
        data = bytes(self._fifo)
        if data:
            self._fifo.clear()
            self._status &= ~INT_RX
            self._update()
        return data

    # the side of the guest

    def receive(self) -> int:
        """UARTDR: takes a byte out of the receive FIFO; an empty one gives 0."""
        fifo = self._fifo
        self._polls += 1
        value = fifo.popleft() if fifo else 0
        self.refill()
        if not fifo and self._status & INT_RX:
            self._status &= ~INT_RX
            self._update()
        return value

    def transmit(self, value: int) -> None:
        """UARTDR: sends a byte, enabled or not, because guests that never write UARTCR print on QEMU."""
        self._polls = 0
        data = bytes((value & 0xFF,))
        self._sink(data)
        if self.kept[CR] & CR_LBE:
            self.feed(data)
        if not self._status & INT_TX:
            self._status |= INT_TX
            self._update()

    def flags(self) -> int:
        """UARTFR: never busy, nothing to transmit; the receive FIFO is empty, full or neither."""
        if not self._fifo:
            self._polls += 1
            return FR_TXFE | FR_RXFE
        return FR_TXFE if self.room else FR_TXFE | FR_RXFF

    def control_line(self, value: int) -> None:
        """UARTLCR_H: turning the FIFOs on or off empties them."""
        if (self.kept[LCR_H] ^ value) & LCR_H_FEN:
            self._fifo.clear()
            self._status &= ~INT_RX
            self._update()
        self.kept[LCR_H] = value & 0xFF
        self.refill()

    def mask_interrupts(self, value: int) -> None:
        """UARTIMSC: 1 lets an interrupt through."""
        self.kept[IMSC] = value & 0x7FF
        self._update()

    def raw_status(self) -> int:
        """UARTRIS."""
        return self._status

    def masked_status(self) -> int:
        """UARTMIS."""
        return self._status & self.kept[IMSC]

    def clear_interrupts(self, value: int) -> None:
        """UARTICR: 1 clears an interrupt."""
        self._status &= ~value
        self._update()

    def _update(self) -> None:
        level = bool(self._status & self.kept[IMSC])
        if level != self._level:
            self._level = level
            self._set_irq(level)
