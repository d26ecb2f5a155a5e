"""The Gunyah model under random guests: its books must stay balanced, and it must say what keeps an interrupt waiting.

What it delivers is held against the recorded hypervisor by the conformance vectors; these come from one vCPU.  Here are
several, with more pending interrupts than list registers, and any order of everything a guest can write.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gunyah_emu.gic import GUNYAH, Gic
from gunyah_emu.gic.list_registers import INVALID, NOBODY, PENDING
from gunyah_emu.gic.state import LISTED
from gunyah_emu.gic.virtual import VirtualDelivery

VCPUS = 2
SPIS = tuple(range(40, 48))
PRIVATE = (3, 27)
SPURIOUS = 1023

vcpus = st.integers(0, VCPUS - 1)
spis = st.sampled_from(SPIS)


class ListRegisterBooks(RuleBasedStateMachine):
    """A GIC with list registers and guests that write anything."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [False] * VCPUS
        self.gic = Gic(VCPUS, 64, self.drive, GUNYAH)
        self.delivery = self.gic._delivery
        assert isinstance(self.delivery, VirtualDelivery)
        self.high: set[int] = set()
        self.taken: list[list[int]] = [[] for _ in range(VCPUS)]
        for intid in SPIS:
            self.gic.connect(intid, lambda intid=intid: intid in self.high)

    def drive(self, vcpu: int, level: bool) -> None:
        assert self.lines[vcpu] is not level, "the line is driven only when it changes"
        self.lines[vcpu] = level

    @initialize(edges=st.integers(0, 0xFFFF), priorities=st.lists(st.integers(0, 30), min_size=8, max_size=8))
    def boot(self, edges: int, priorities: list[int]) -> None:
        gicd, gicr = self.gic.distributor, self.gic.redistributors
        gicd.write(0, 4, 2)
        gicd.write(0x84, 4, 0xFFFF_FFFF)
        gicd.write(0xC08, 4, edges << 16)
        for at, intid in enumerate(SPIS):
            gicd.write(0x400 + intid, 1, priorities[at] << 3)
        gicd.write(0x104, 4, 0xFF00)
        for vcpu, cpu in enumerate(self.gic.cpu_interfaces):
            gicr.write(vcpu << 17 | 0x10080, 4, 0xFFFF_FFFF)
            gicr.write(vcpu << 17 | 0x10100, 4, 1 << 3 | 1 << 27)
            cpu.write_pmr(0xFF)
            cpu.write_igrpen1(1)

    @rule(intids=st.lists(spis, min_size=1, max_size=8, unique=True), stays=st.booleans())
    def assert_levels(self, intids: list[int], stays: bool) -> None:
        for intid in intids:
            if stays:
                self.high.add(intid)
            self.gic.assert_level(intid)

    @rule(intid=spis)
    def assert_edge(self, intid: int) -> None:
        self.gic.assert_edge(intid)

    @rule(intid=spis)
    def clear(self, intid: int) -> None:
        self.high.discard(intid)
        self.gic.clear(intid)

    @rule(intid=spis)
    def quietly_lower(self, intid: int) -> None:
        self.high.discard(intid)

    @rule(vcpu=vcpus, level=st.booleans())
    def drive_timer(self, vcpu: int, level: bool) -> None:
        self.gic.set_private_level(vcpu, 27, level)

    @rule(vcpu=vcpus, listed=st.integers(0, 3))
    def send_sgi(self, vcpu: int, listed: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_sgi1r(3 << 24 | listed)

    @rule(vcpu=vcpus)
    def acknowledge(self, vcpu: int) -> None:
        intid = self.gic.cpu_interfaces[vcpu].read_iar1()
        if intid not in (None, SPURIOUS):
            self.taken[vcpu].append(intid)

    @rule(vcpu=vcpus)
    def end(self, vcpu: int) -> None:
        if self.taken[vcpu]:
            self.gic.cpu_interfaces[vcpu].write_eoir1(self.taken[vcpu].pop())

    @rule(vcpu=vcpus, intid=st.sampled_from((*PRIVATE, *SPIS, 900)))
    def end_anything(self, vcpu: int, intid: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_eoir1(intid)

    @rule(vcpu=vcpus, intid=st.sampled_from((*PRIVATE, *SPIS)))
    def deactivate_anything(self, vcpu: int, intid: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_dir(intid)

    @rule(register=st.sampled_from([0x80, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380]), value=st.integers(0, 0xFF))
    def write_bits(self, register: int, value: int) -> None:
        self.gic.distributor.write(register + 4, 4, value << 8)

    @rule(vcpu=vcpus, register=st.sampled_from([0x100, 0x180, 0x200, 0x280, 0x300, 0x380]), both=st.integers(0, 3))
    def write_private_bits(self, vcpu: int, register: int, both: int) -> None:
        self.gic.redistributors.write(vcpu << 17 | 0x10000 | register, 4, (both & 1) << 3 | both >> 1 << 27)

    @rule(intid=spis, priority=st.integers(0, 31))
    def prioritise(self, intid: int, priority: int) -> None:
        self.gic.distributor.write(0x400 + intid, 1, priority << 3)

    @rule(edges=st.integers(0, 0xFFFF))
    def set_triggers(self, edges: int) -> None:
        self.gic.distributor.write(0xC08, 4, edges << 16)

    @rule(intid=spis, route=st.sampled_from([0, 0, 1, 5]))
    def set_route(self, intid: int, route: int) -> None:
        self.gic.distributor.write(0x6000 + 8 * intid, 8, route)

    @rule(enables=st.sampled_from([0, 2, 2]))
    def switch_distributor(self, enables: int) -> None:
        self.gic.distributor.write(0, 4, enables)

    @rule(vcpu=vcpus, on=st.sampled_from([0, 1, 1]))
    def switch_interface(self, vcpu: int, on: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_igrpen1(on)

    @rule(vcpu=vcpus, mask=st.sampled_from([0x80, 0xFF, 0xFF]))
    def mask(self, vcpu: int, mask: int) -> None:
        self.gic.cpu_interfaces[vcpu].write_pmr(mask)

    @rule(vcpu=vcpus, asleep=st.sampled_from([0, 0, 2]))
    def sleep(self, vcpu: int, asleep: int) -> None:
        self.gic.redistributors.write(vcpu << 17 | 0x14, 4, asleep)

    @invariant()
    def every_listed_interrupt_is_in_one_register(self) -> None:
        listed = [slot for lists in self.delivery.lists for slot in lists.slots if slot != NOBODY]
        assert len(set(listed)) == len(listed)
        states = self.gic.interrupts.states
        assert {slot for slot, state in enumerate(states) if state & LISTED} == set(listed)

    @invariant()
    def candidates_are_the_pending_registers(self) -> None:
        for lists, cpu in zip(self.delivery.lists, self.gic.cpu_interfaces, strict=True):
            assert {key & 0xFFF for key in cpu.candidates} == {
                slot for slot, state in zip(lists.slots, lists.states, strict=True) if state == PENDING
            }
            assert cpu.best == min(cpu.candidates, default=1 << 24)
            assert self.lines[cpu.vcpu] is cpu.line is (cpu.best < cpu.threshold)
            assert not lists.ended
            assert not lists.deliver_requested
            for at, slot in enumerate(lists.slots):
                assert slot != NOBODY or lists.states[at] == INVALID

    @invariant()
    def what_is_not_signalled_has_a_reason(self) -> None:
        for vcpu, cpu in enumerate(self.gic.cpu_interfaces):
            for intid in (*PRIVATE, *SPIS):
                signalled = cpu.line and cpu.read_hppir1() == intid
                assert (self.gic.why_not(vcpu, intid) == []) is signalled


ListRegisterBooks.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestListRegisterBooks = ListRegisterBooks.TestCase
