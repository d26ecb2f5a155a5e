"""Time and input from outside, with a wall clock that the test turns."""

from __future__ import annotations

import pytest

from gunyah_emu.machine import world as module
from gunyah_emu.machine.clock import Clock
from gunyah_emu.machine.scheduler import NEVER
from gunyah_emu.machine.world import World

MS = 1_000_000


class Wall:
    """The host's clock and its select()."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5_000 * MS
        #: wall time at which something is typed
        self.typed_at: int | None = None
        self.slept: list[float | None] = []
        monkeypatch.setattr(module, "monotonic_ns", lambda: self.now)
        monkeypatch.setattr(module, "monotonic", lambda: self.now / 1e9)
        monkeypatch.setattr(module, "select", self.select)

    def select(
        self, readable: list[Keyboard], writable: list[Keyboard], _: object, seconds: float | None
    ) -> tuple[list[Keyboard], list[Keyboard], list[Keyboard]]:
        self.slept.append(seconds)
        end = NEVER if seconds is None else self.now + round(seconds * 1e9)
        if self.typed_at is not None and self.typed_at <= end:
            self.now = max(self.now, self.typed_at)
            self.typed_at = None
            return readable, [], []
        assert end < NEVER, "it sleeps for ever"
        self.now = end
        return [], [], []


class Keyboard:
    """A port at which somebody may type."""

    wants_output = False

    def __init__(self) -> None:
        self.is_open = self.wants_input = True
        self.taken = 0

    def fileno(self) -> int:
        return 0

    def take_input(self) -> None:
        self.taken += 1

    def put_output(self) -> None: ...


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    return Wall(monkeypatch)


def test_in_real_time_idle_time_is_slept(wall: Wall) -> None:
    clock = Clock()
    world = World(clock, realtime=True)
    assert world.idle(30 * MS, None)
    assert clock.now() == 30 * MS
    assert wall.slept == [pytest.approx(0.030)]


@pytest.mark.parametrize("busy", [0, 500 * MS])
def test_idle_time_is_slept_whether_the_guest_was_behind_the_wall_or_ahead(wall: Wall, busy: int) -> None:
    clock = Clock()
    world = World(clock, realtime=True)
    wall.now += 100 * MS
    clock.instructions = busy
    assert world.idle(busy + 30 * MS, None)
    assert clock.now() == busy + 30 * MS
    assert wall.slept == [pytest.approx(0.030)]


def test_input_wakes_and_time_is_then_where_the_wall_is(wall: Wall) -> None:
    clock, keyboard = Clock(), Keyboard()
    world = World(clock, realtime=True)
    world.ports.append(keyboard)
    wall.typed_at = wall.now + 7 * MS
    assert world.idle(30 * MS, None)
    assert (keyboard.taken, clock.now()) == (1, 7 * MS)
    wall.typed_at = wall.now + 50 * MS
    assert world.idle(NEVER, None)
    assert (keyboard.taken, clock.now()) == (2, 57 * MS)


def test_without_real_time_deadlines_are_skipped_to_and_only_people_are_waited_for(wall: Wall) -> None:
    clock, keyboard = Clock(), Keyboard()
    world = World(clock, realtime=False)
    world.ports.append(keyboard)
    assert world.idle(30 * MS, None)
    assert (clock.now(), wall.slept) == (30 * MS, [0])
    wall.typed_at = wall.now + 9 * MS
    assert world.idle(NEVER, None)
    assert (keyboard.taken, clock.now()) == (1, 30 * MS)


@pytest.mark.parametrize("realtime", [False, True])
def test_with_nobody_left_to_type_and_no_timer_nothing_can_come(wall: Wall, realtime: bool) -> None:
    keyboard = Keyboard()
    world = World(Clock(), realtime=realtime)
    world.ports.append(keyboard)
    keyboard.is_open = keyboard.wants_input = False
    assert not world.idle(NEVER, None)
    assert wall.slept == []


def test_a_sleep_ends_with_the_wall_clock_budget(wall: Wall) -> None:
    world = World(Clock(), realtime=True)
    world.ports.append(Keyboard())
    assert world.idle(NEVER, wall.now / 1e9 + 2)
    assert wall.slept == [pytest.approx(2)]


def test_a_port_that_takes_nothing_now_is_asked_again(wall: Wall) -> None:
    keyboard = Keyboard()
    world = World(Clock(), realtime=True)
    world.ports.append(keyboard)
    keyboard.wants_input = False
    assert world.idle(NEVER, None)
    assert wall.slept == [module.ASK_AGAIN]


def test_vcpus_that_run_do_not_make_the_host_look_at_every_slice(wall: Wall) -> None:
    world = World(Clock(), realtime=True)
    world.ports.append(Keyboard())
    for _ in range(100):
        world.poll()
    assert len(wall.slept) == 1
    wall.now += module.POLL_INTERVAL
    world.poll()
    assert len(wall.slept) == 2
