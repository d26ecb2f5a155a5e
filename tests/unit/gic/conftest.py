"""A GIC with the handful of register writes that every test needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gunyah_emu.gic import ARCHITECTURAL, Gic, Model

IDLE_MASK = 0xF8


class Board:
    """A GIC whose groups are on and whose CPU interfaces take everything; SPIs are set up by `spi`."""

    def __init__(self, model: Model = ARCHITECTURAL, vcpus: int = 1, spis: int = 64) -> None:
        self.lines: list[tuple[int, bool]] = []
        self.gic = Gic(vcpus, spis, lambda vcpu, level: self.lines.append((vcpu, level)), model)
        self.gicd = self.gic.distributor
        self.gicr = self.gic.redistributors
        self.cpus = self.gic.cpu_interfaces
        self.cpu = self.cpus[0]
        self.high: set[int] = set()
        self.gicd.write(0, 4, 2)
        for vcpu, cpu in enumerate(self.cpus):
            cpu.write_pmr(0xFF)
            cpu.write_igrpen1(1)
            self.gicr.write(vcpu << 17 | 0x10080, 4, 0xFFFF_FFFF)
        self.lines.clear()

    def bit(self, register: int, intid: int) -> None:
        """Write one interrupt's bit of a distributor register that starts at `register`."""
        assert self.gicd.write(register + 4 * (intid // 32), 4, 1 << intid % 32)

    def read_bit(self, register: int, intid: int) -> int:
        value = self.gicd.read(register + 4 * (intid // 32), 4)
        assert value is not None
        return value >> intid % 32 & 1

    def trigger(self, intid: int, *, edge: bool) -> None:
        offset = 0xC00 + 4 * (intid // 16)
        old = self.gicd.read(offset, 4)
        assert old is not None
        field = 2 << 2 * (intid % 16)
        self.gicd.write(offset, 4, old | field if edge else old & ~field)

    def spi(self, intid: int, *, edge: bool = False, priority: int = 0x80, vcpu: int = 0, enable: bool = True) -> int:
        """Configure an SPI whose connected object's level is `intid in self.high`."""
        self.gicd.write(0x80 + 4 * (intid // 32), 4, 0xFFFF_FFFF)
        self.gicd.write(0x400 + intid, 1, priority)
        self.gicd.write(0x6000 + 8 * intid, 8, vcpu)
        self.trigger(intid, edge=edge)
        self.gic.connect(intid, lambda: intid in self.high)
        if enable:
            self.bit(0x100, intid)
        return intid

    def enable_private(self, vcpu: int, intid: int, priority: int = 0x80) -> None:
        self.gicr.write(vcpu << 17 | 0x10400 + intid, 1, priority)
        self.gicr.write(vcpu << 17 | 0x10100, 4, 1 << intid)

    def raise_level(self, intid: int) -> None:
        self.high.add(intid)
        self.gic.assert_level(intid)

    def handle(self, vcpu: int = 0) -> int:
        """Acknowledge and end one interrupt; returns its INTID."""
        intid = self.cpus[vcpu].read_iar1()
        assert intid is not None
        self.cpus[vcpu].write_eoir1(intid)
        return intid


@pytest.fixture
def board() -> Board:
    """One vCPU, the architectural model."""
    return Board()


@pytest.fixture
def make_board() -> Callable[..., Board]:
    """`make_board(model, vcpus, spis)`."""
    return Board
