"""The architectural model against an oracle of IHI 0069, chapter 4.

The oracle keeps one record per interrupt and, for each question, looks at all of them: no keys, no candidates,
nothing kept ready.  It knows the life cycle (inactive, pending, active, active and pending), the two triggers,
priorities and routes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gunyah_emu.gic import Gic

VCPUS = 3
SGI = 3
PPI = 27
SPIS = (40, 41, 42, 75)
ONE_OF_N = 1 << 31
SPURIOUS = 1023

vcpus = st.integers(0, VCPUS - 1)
priorities = st.sampled_from([0x00, 0x40, 0x80, 0x88, 0xA0, 0xF0, 0xF8])
routes = st.sampled_from([0, 1, 2, 7, ONE_OF_N])


@dataclass
class Interrupt:
    intid: int
    owner: int | None
    edge: bool = False
    enabled: bool = False
    group1: bool = False
    priority: int = 0
    route: int = 0
    latch: bool = False
    object_level: bool = False
    asserted: bool = False
    wire: bool = False
    message: bool = False
    active: bool = False

    @property
    def level(self) -> bool:
        return self.asserted or self.wire or self.message

    @property
    def pending(self) -> bool:
        return self.latch or (self.level and not self.edge)


@dataclass
class Cpu:
    pmr: int = 0
    point: int = 3
    on: bool = False
    split: bool = False
    running: list[int] = field(default_factory=list)

    def group_priority(self, priority: int) -> int:
        return priority >> self.point << self.point

    @property
    def running_priority(self) -> int:
        return min(self.running, default=0xFF)

    def takes(self, priority: int) -> bool:
        if not self.on or priority >= self.pmr:
            return False
        return not self.running or self.group_priority(priority) < self.group_priority(self.running_priority)


class InterruptLifecycle(RuleBasedStateMachine):
    """A GIC and its oracle, told the same things."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [False] * VCPUS
        self.gic = Gic(VCPUS, 64, self.drive)
        self.cpus = [Cpu() for _ in range(VCPUS)]
        self.distributor_on = False
        self.interrupts = [Interrupt(SGI, vcpu, edge=True) for vcpu in range(VCPUS)]
        self.interrupts += [Interrupt(PPI, vcpu) for vcpu in range(VCPUS)]
        self.interrupts += [Interrupt(intid, None) for intid in SPIS]
        self.taken: list[list[int]] = [[] for _ in range(VCPUS)]
        for spi in SPIS:
            interrupt = self.find(0, spi)
            self.gic.connect(spi, lambda interrupt=interrupt: interrupt.object_level)

    def drive(self, vcpu: int, level: bool) -> None:
        assert self.lines[vcpu] is not level, "the line is driven only when it changes"
        self.lines[vcpu] = level

    # The oracle's answers.

    def find(self, vcpu: int, intid: int) -> Interrupt:
        return next(i for i in self.interrupts if i.intid == intid and i.owner in (None, vcpu))

    def target(self, interrupt: Interrupt) -> int | None:
        if interrupt.owner is not None:
            return interrupt.owner
        if interrupt.route == ONE_OF_N:
            return next((vcpu for vcpu, cpu in enumerate(self.cpus) if cpu.on), None)
        return interrupt.route if interrupt.route < VCPUS else None

    def most_urgent(self, vcpu: int) -> Interrupt | None:
        candidates = [
            i
            for i in self.interrupts
            if i.pending and not i.active and i.enabled and i.group1 and self.distributor_on and self.target(i) == vcpu
        ]
        return min(candidates, key=lambda i: (i.priority, i.intid), default=None)

    def settled(self, interrupt: Interrupt) -> None:
        """Whenever a write changes its configuration or state, the source of a level is looked at again."""
        interrupt.asserted = interrupt.asserted and interrupt.object_level

    @initialize(ready=st.sampled_from([True, True, True, False]))
    def start(self, ready: bool) -> None:
        """Mostly start as a booted system does, so that interrupts flow; from reset, everything must fall in place."""
        if not ready:
            return
        self.switch_distributor(True)
        for vcpu in range(VCPUS):
            self.set_groups(vcpu, True)
            self.switch_interface(vcpu, True)
            self.mask(vcpu, 0xF8)
            for intid in (SGI, PPI, *SPIS):
                self.enable(vcpu, intid, True)
                self.prioritise(vcpu, intid, 0x40 + 0x10 * (intid % 4))

    # What guests and sources do.

    def write(self, vcpu: int, intid: int, register: int, *, value: int | None = None) -> None:
        frame, base = (self.gic.distributor, 0) if intid >= 32 else (self.gic.redistributors, vcpu << 17 | 0x10000)
        offset = base + register + 4 * (intid // 32)
        frame.write(offset, 4, 1 << intid % 32 if value is None else value)

    @rule(on=st.booleans())
    def switch_distributor(self, on: bool) -> None:
        self.gic.distributor.write(0, 4, 2 if on else 0)
        if on is not self.distributor_on:
            self.distributor_on = on
            for interrupt in self.interrupts:
                if interrupt.enabled:
                    self.settled(interrupt)

    @rule(vcpu=vcpus, on=st.booleans())
    def switch_interface(self, vcpu: int, on: bool) -> None:
        self.gic.cpu_interfaces[vcpu].write_igrpen1(int(on))
        self.cpus[vcpu].on = on
        for interrupt in self.interrupts:
            if interrupt.route == ONE_OF_N:
                self.settled(interrupt)

    @rule(vcpu=vcpus, mask=priorities)
    def mask(self, vcpu: int, mask: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_pmr(mask)
        self.cpus[vcpu].pmr = mask

    @rule(vcpu=vcpus, point=st.integers(3, 7))
    def set_binary_point(self, vcpu: int, point: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_bpr1(point)
        self.cpus[vcpu].point = point

    @rule(vcpu=vcpus, intid=st.sampled_from((SGI, PPI, *SPIS)), on=st.booleans())
    def enable(self, vcpu: int, intid: int, on: bool) -> None:
        self.write(vcpu, intid, 0x100 if on else 0x180)
        interrupt = self.find(vcpu, intid)
        interrupt.enabled = on
        self.settled(interrupt)

    @rule(vcpu=vcpus, everything=st.booleans())
    def set_groups(self, vcpu: int, everything: bool) -> None:
        value = 0xFFFF_FFFF if everything else 0
        self.write(vcpu, SGI, 0x80, value=value)
        self.write(vcpu, 40, 0x80, value=value)
        self.write(vcpu, 75, 0x80, value=value)
        for interrupt in self.interrupts:
            if interrupt.owner in (None, vcpu) and interrupt.group1 is not everything:
                interrupt.group1 = everything
                self.settled(interrupt)

    @rule(vcpu=vcpus, intid=st.sampled_from((SGI, PPI, *SPIS)), priority=priorities)
    def prioritise(self, vcpu: int, intid: int, priority: int) -> None:
        frame, base = (self.gic.distributor, 0) if intid >= 32 else (self.gic.redistributors, vcpu << 17 | 0x10000)
        frame.write(base + 0x400 + intid, 1, priority)
        interrupt = self.find(vcpu, intid)
        if interrupt.priority != priority:
            interrupt.priority = priority
            self.settled(interrupt)

    @rule(vcpu=vcpus, intid=st.sampled_from((PPI, *SPIS)), edge=st.booleans())
    def set_trigger(self, vcpu: int, intid: int, edge: bool) -> None:
        frame, base = (self.gic.distributor, 0) if intid >= 32 else (self.gic.redistributors, vcpu << 17 | 0x10000)
        offset = base + 0xC00 + 4 * (intid // 16)
        shift = 2 * (intid % 16)
        frame.write(
            offset + shift // 8, 1, frame.read(offset + shift // 8, 1) & ~(3 << shift % 8) | edge << shift % 8 + 1
        )
        for interrupt in self.interrupts:
            # The byte holds four interrupts; all of them are written, and so looked at.
            if interrupt.intid // 4 == intid // 4 and interrupt.owner in (None, vcpu):
                if interrupt.intid == intid:
                    interrupt.edge = edge
                self.settled(interrupt)

    @rule(intid=st.sampled_from(SPIS), route=routes)
    def set_route(self, intid: int, route: int) -> None:
        self.gic.distributor.write(0x6000 + 8 * intid, 8, route)
        interrupt = self.find(0, intid)
        interrupt.route = route
        self.settled(interrupt)

    @rule(intid=st.sampled_from(SPIS), stays=st.booleans())
    def assert_level(self, intid: int, stays: bool) -> None:
        interrupt = self.find(0, intid)
        interrupt.object_level = stays
        self.gic.assert_level(intid)
        interrupt.asserted = True
        interrupt.latch |= interrupt.edge

    @rule(intid=st.sampled_from(SPIS))
    def assert_edge(self, intid: int) -> None:
        self.gic.assert_edge(intid)
        interrupt = self.find(0, intid)
        interrupt.latch |= interrupt.edge

    @rule(intid=st.sampled_from(SPIS))
    def clear(self, intid: int) -> None:
        interrupt = self.find(0, intid)
        interrupt.object_level = False
        self.gic.clear(intid)
        interrupt.asserted = False

    @rule(vcpu=vcpus, level=st.booleans())
    def drive_private_wire(self, vcpu: int, level: bool) -> None:
        self.gic.set_private_level(vcpu, PPI, level)
        self.drive_wire(self.find(vcpu, PPI), level)

    @rule(level=st.booleans())
    def drive_shared_wire(self, level: bool) -> None:
        self.gic.set_spi_level(75, level)
        self.drive_wire(self.find(0, 75), level)

    def drive_wire(self, interrupt: Interrupt, level: bool) -> None:
        if interrupt.wire is not level:
            interrupt.wire = level
            interrupt.latch |= level and interrupt.edge
            self.settled(interrupt)

    @rule(vcpu=vcpus, intid=st.sampled_from((SGI, PPI, *SPIS)), on=st.booleans())
    def set_pending(self, vcpu: int, intid: int, on: bool) -> None:
        self.write(vcpu, intid, 0x200 if on else 0x280)
        interrupt = self.find(vcpu, intid)
        interrupt.latch = on
        self.settled(interrupt)

    @rule(vcpu=vcpus, intid=st.sampled_from((SGI, PPI, *SPIS)), on=st.booleans())
    def set_active(self, vcpu: int, intid: int, on: bool) -> None:
        self.write(vcpu, intid, 0x300 if on else 0x380)
        interrupt = self.find(vcpu, intid)
        interrupt.active = on
        self.settled(interrupt)

    @rule(intid=st.sampled_from(SPIS), on=st.booleans())
    def send_message(self, intid: int, on: bool) -> None:
        self.gic.distributor.write(0x40 if on else 0x48, 4, intid)
        interrupt = self.find(0, intid)
        if interrupt.edge:
            interrupt.latch = on
        else:
            interrupt.message = on
        self.settled(interrupt)

    @rule(vcpu=vcpus, listed=st.integers(0, 7), others=st.booleans())
    def send_sgi(self, vcpu: int, listed: int, others: bool) -> None:
        self.gic.cpu_interfaces[vcpu].write_sgi1r(others << 40 | SGI << 24 | listed)
        for target in range(VCPUS):
            interrupt = self.find(target, SGI)
            if interrupt.group1 and (target != vcpu if others else listed >> target & 1):
                interrupt.latch = True

    @rule(vcpu=vcpus)
    def acknowledge(self, vcpu: int) -> None:
        cpu = self.cpus[vcpu]
        best = self.most_urgent(vcpu)
        taken = self.gic.cpu_interfaces[vcpu].read_iar1()
        if best is None or not cpu.takes(best.priority):
            assert taken == SPURIOUS
            return
        assert taken == best.intid
        best.active = True
        best.latch = False
        cpu.running.append(cpu.group_priority(best.priority))
        self.taken[vcpu].append(best.intid)

    @rule(intid=st.sampled_from(SPIS), stays=st.booleans())
    def interrupt(self, intid: int, stays: bool) -> None:
        """An assertion that is taken at once, so that handlers nest."""
        self.assert_level(intid, stays)
        for vcpu in range(VCPUS):
            self.acknowledge(vcpu)

    @precondition(lambda self: any(self.taken))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        vcpu = data.draw(st.sampled_from([vcpu for vcpu, taken in enumerate(self.taken) if taken]))
        intid = self.taken[vcpu].pop()
        self.gic.cpu_interfaces[vcpu].write_eoir1(intid)
        cpu = self.cpus[vcpu]
        cpu.running.remove(cpu.running_priority)
        if not cpu.split:
            self.finish(vcpu, intid)

    @rule(vcpu=vcpus, intid=st.sampled_from((SGI, PPI, *SPIS)))
    def deactivate(self, vcpu: int, intid: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_dir(intid)
        if self.cpus[vcpu].split:
            self.finish(vcpu, intid)

    def finish(self, vcpu: int, intid: int) -> None:
        interrupt = self.find(vcpu, intid)
        interrupt.active = False
        self.settled(interrupt)

    @rule(vcpu=vcpus, split=st.booleans())
    def set_eoimode(self, vcpu: int, split: bool) -> None:
        self.gic.cpu_interfaces[vcpu].write_ctlr(2 if split else 0)
        self.cpus[vcpu].split = split

    # What must hold.

    @invariant()
    def lines_follow_the_most_urgent(self) -> None:
        for vcpu, cpu in enumerate(self.cpus):
            best = self.most_urgent(vcpu)
            assert self.lines[vcpu] is (best is not None and cpu.takes(best.priority))
            interface = self.gic.cpu_interfaces[vcpu]
            assert interface.read_hppir1() == (best.intid if best is not None and cpu.on else SPURIOUS)
            assert interface.read_rpr() == cpu.running_priority

    @invariant()
    def registers_tell_pending_and_active(self) -> None:
        for interrupt in self.interrupts:
            frame = self.gic.redistributors if interrupt.owner is not None else self.gic.distributor
            base = 0 if interrupt.owner is None else interrupt.owner << 17 | 0x10000
            word, bit = base + 4 * (interrupt.intid // 32), interrupt.intid % 32
            assert frame.read(word + 0x200, 4) >> bit & 1 == interrupt.pending
            assert frame.read(word + 0x300, 4) >> bit & 1 == interrupt.active

    @invariant()
    def why_not_is_silent_exactly_for_what_is_signalled(self) -> None:
        for vcpu in range(VCPUS):
            best = self.most_urgent(vcpu)
            for intid in (SGI, PPI, *SPIS):
                signalled = self.lines[vcpu] and best is not None and best.intid == intid
                assert (self.gic.why_not(vcpu, intid) == []) is signalled


InterruptLifecycle.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestInterruptLifecycle = InterruptLifecycle.TestCase
