"""The generic timer: by itself, and as a guest sees it both ways."""

from __future__ import annotations

import pytest

from gunyah_emu.cpu import FREQUENCY, GenericTimer, Stop

BASE = 0x4000_0000


class Clock:
    def __init__(self):
        self.now = 0
        self.shortened = []
        self.levels = []
        self.timer = GenericTimer(lambda: self.now, self.shortened.append)
        self.timer.level = lambda intid, level: self.levels.append((intid, level))


@pytest.fixture
def clock():
    return Clock()


def test_a_tick_is_sixteen_instructions(clock):
    clock.now = 16 * 7 + 15
    assert clock.timer.count() == 7


@pytest.mark.parametrize(("name", "intid"), [("virtual", 27), ("physical", 30)])
def test_a_timer_fires_at_its_deadline_and_shortens_the_slice_to_it(clock, name, intid):
    timer = getattr(clock.timer, name)
    clock.now = 160
    timer.write_tval(10)
    assert (timer.read_cval(), clock.timer.deadline()) == (20, None)
    timer.write_ctl(1)
    assert (clock.timer.deadline(), clock.shortened, clock.levels, timer.read_ctl()) == (320, [160], [], 1)
    clock.now = 319
    clock.timer.update()
    assert clock.levels == []
    clock.now = 320
    clock.timer.update()
    assert (clock.levels, timer.read_ctl(), clock.timer.deadline()) == ([(intid, True)], 5, None)
    timer.write_tval(1)
    assert clock.levels == [(intid, True), (intid, False)]


def test_a_masked_timer_shows_its_status_and_drives_no_line(clock):
    timer = clock.timer.virtual
    timer.write_ctl(3)
    assert (timer.read_ctl(), clock.levels, clock.timer.deadline()) == (7, [], None)
    timer.write_ctl(1)
    assert clock.levels == [(27, True)]
    timer.write_ctl(0)
    assert (clock.levels[1:], timer.read_ctl()) == ([(27, False)], 0)


def test_tval_is_signed_when_written_and_counts_below_zero(clock):
    timer = clock.timer.virtual
    clock.now = 16 * 100
    timer.write_tval(0xFFFF_FFF0)
    assert (timer.read_cval(), timer.read_tval()) == (84, 0xFFFF_FFF0)
    timer.write_cval((1 << 64) - 1)
    timer.write_ctl(1)
    assert clock.levels == []


def test_the_deadline_is_the_earlier_one_and_the_owner_may_hear_of_changes(clock):
    changes = []
    clock.timer.changed = lambda: changes.append(clock.timer.deadline())
    clock.timer.virtual.write_cval(20)
    clock.timer.virtual.write_ctl(1)
    clock.timer.physical.write_cval(10)
    clock.timer.physical.write_ctl(1)
    assert (changes, clock.shortened) == ([None, 320, 320, 160], [])


def test_reset_turns_both_off(clock):
    clock.timer.virtual.write_ctl(1)
    clock.timer.reset()
    assert (clock.levels, clock.timer.virtual.read_ctl()) == ([(27, True), (27, False)], 0)


def test_the_counters_count_instructions_exactly_and_start_at_the_clock(both):
    source = "nop\nmrs x0, cntvct_el0\n" + "nop\n" * 31 + "mrs x1, cntpct_el0\nmrs x2, cntfrq_el0\nhvc #0xe0"

    def observe(g):
        g.engine.set_clock(16 * 1000 + 14)
        g.finish()
        return g.x[0], g.x[1], g.x[2], g.engine.now() - g.engine.retired

    assert both(observe, source) == (1001, 1003, FREQUENCY, 16014)


def test_a_guest_arms_its_timer_and_takes_the_interrupt_at_that_instruction(both):
    source = """
        mov x0, #10
        msr cntv_tval_el0, x0
        mov x0, #1
        msr cntv_ctl_el0, x0
        msr daifclr, #2
    again:
        add x1, x1, #1
        b again
    """
    handler = (
        "mrs x2, cntvct_el0\nmrs x3, cntv_ctl_el0\nmov x4, #2\nmsr cntv_ctl_el0, x4\nmrs x5, cntv_cval_el0\nhvc #0xe0"
    )

    def observe(g):
        timer = g.engine.timers[0]
        timer.level = lambda intid, level: g.engine.set_irq(0, level)
        clock, stops = 0, []
        while (stops := [*stops, g.run(10_000)])[-1] is Stop.BUDGET:
            clock += g.engine.retired
            g.engine.set_clock(clock)
            timer.update()
        return stops, clock, list(g.x[1:6]), timer.virtual.read_ctl()

    stops, clock, x, control = both(observe, source, vectors={0x280: handler})
    assert stops == [Stop.BUDGET, Stop.REQUESTED]
    assert clock == 16 * 10 + 1  # armed at instruction 4, in the first tick; one block more
    assert x[1:] == [10, 5, 2, 10]
    assert control == 2


def test_el0_reaches_the_counter_when_el1_lets_it(both):
    source = """
        mov x0, #{cntkctl}
        msr cntkctl_el1, x0
        adr x0, user
        msr elr_el1, x0
        mov x0, #0x3c0
        msr spsr_el1, x0
        eret
    user:
        {access}
        svc #0
    """
    vectors = {0x400: "mrs x20, esr_el1\nlsr x20, x20, #26\nhvc #0xe0"}
    for cntkctl, access, allowed in (
        (2, "mrs x1, cntvct_el0", True), (1, "mrs x1, cntvct_el0", False), (1, "mrs x1, cntpct_el0", True),
        (0x100, "msr cntv_cval_el0, x1", True), (0x200, "msr cntv_cval_el0, x1", False),
        (0x200, "mrs x1, cntp_tval_el0", True),
    ):  # fmt: skip
        found = both(lambda g: g.finish().x[20], source.format(cntkctl=cntkctl, access=access), vectors=vectors)
        assert found == (0x15 if allowed else 0x18), (cntkctl, access)
