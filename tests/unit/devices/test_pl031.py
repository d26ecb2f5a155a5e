"""A guest reads virtual time from its real-time clock, can set it, and is woken by it."""

from __future__ import annotations

import pytest

from gunyah_emu.devices.pl031 import EPOCH, SECOND, Pl031

DR, MR, LR, CR, IMSC, RIS, MIS, ICR = range(0, 0x20, 4)


class Clock:
    """A PL031 in a world whose time a test sets."""

    def __init__(self) -> None:
        self.now = 0
        self.levels: list[bool] = []
        self.changes = 0
        self.device = Pl031(lambda: self.now, self.levels.append, self.changed)

    def changed(self) -> None:
        self.changes += 1

    def pass_time(self, seconds: float) -> None:
        """Time passes as the scheduler lets it: deadline by deadline."""
        end = self.now + int(seconds * SECOND)
        while (deadline := self.device.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.device.expire()
        self.now = end

    def __getitem__(self, offset: int) -> int:
        value = self.device.read(offset, 4)
        assert value is not None
        return value

    def __setitem__(self, offset: int, value: int) -> None:
        assert self.device.write(offset, 4, value)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_every_run_begins_at_the_same_moment_and_counts_virtual_seconds(clock: Clock) -> None:
    assert clock[DR] == EPOCH
    clock.pass_time(1.999)
    assert clock[DR] == EPOCH + 1
    clock.pass_time(0.001)
    assert clock[DR] == EPOCH + 2


def test_it_is_known_as_a_running_pl031(clock: Clock) -> None:
    assert [clock[offset] for offset in range(0xFE0, 0x1000, 4)] == [0x31, 0x10, 0x14, 0, 0x0D, 0xF0, 0x05, 0xB1]
    assert clock[CR] == 1
    clock[CR] = 0
    assert clock[CR] == 1


def test_a_guest_can_set_it(clock: Clock) -> None:
    clock.pass_time(10)
    clock[LR] = 1000
    assert (clock[DR], clock[LR]) == (1000, 1000)
    clock.pass_time(5)
    assert clock[DR] == 1005


def test_it_wraps_after_136_years(clock: Clock) -> None:
    clock[LR] = 0xFFFF_FFFF
    clock.pass_time(1)
    assert clock[DR] == 0


def test_an_alarm_comes_on_the_second(clock: Clock) -> None:
    clock.pass_time(0.5)
    clock[IMSC] = 1
    clock[MR] = EPOCH + 3
    assert clock.device.deadline() == 3 * SECOND
    assert clock.changes == 1
    clock.pass_time(2.4)
    assert clock.levels == []
    clock.pass_time(0.2)
    assert (clock.levels, clock[RIS], clock[MIS]) == ([True], 1, 1)
    assert clock.device.deadline() is None
    clock[ICR] = 1
    assert (clock.levels, clock[RIS]) == ([True, False], 0)


def test_an_alarm_for_now_comes_now(clock: Clock) -> None:
    clock[IMSC] = 1
    clock[MR] = EPOCH
    assert clock.levels == [True]


def test_a_masked_alarm_is_pending_and_not_raised(clock: Clock) -> None:
    clock[MR] = EPOCH + 1
    clock.pass_time(1)
    assert (clock.levels, clock[RIS], clock[MIS]) == ([], 1, 0)
    clock[IMSC] = 1
    assert clock.levels == [True]


def test_setting_the_clock_moves_the_alarm(clock: Clock) -> None:
    clock[MR] = EPOCH + 100
    clock[LR] = EPOCH + 98
    assert clock.device.deadline() == 2 * SECOND


def test_nothing_is_due_before_an_alarm_is_set(clock: Clock) -> None:
    assert clock.device.deadline() is None
    clock.device.expire()
    assert clock[RIS] == 0
