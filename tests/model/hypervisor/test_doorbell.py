"""A doorbell never loses, invents or repeats an event, whatever its users do in whatever order."""

from hypervisor_model import Caller, NotingController
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.vic import Vic

#: a word as a set of bit numbers: few bits that meet often, and the ends
BITS = st.sets(st.sampled_from([0, 1, 2, 31, 32, 63]))
SPI = 40


def word(bits):
    return sum(1 << bit for bit in bits)


class DoorbellModel(RuleBasedStateMachine):
    """The specification in terms of sets of events: which are set, which count, which are taken by counting."""

    def __init__(self):
        super().__init__()
        self.caller = Caller()
        self.controller = NotingController()
        self.vic = Vic(self.caller.partition, virqs=64)
        self.vic.set_controller(self.controller)
        doorbell = Doorbell(self.caller.partition)
        assert not self.vic.activate()
        assert not doorbell.activate()
        self.doorbell = self.caller.cspace.insert(doorbell)
        self.vic_cap = self.caller.cspace.insert(self.vic)
        self.set = set()
        self.enabled = set(range(64))
        self.acknowledged = set()
        self.bound = False
        self.expected = []

    def expect(self, verb):
        if self.bound:
            self.expected.append((verb, SPI))

    @rule(bits=BITS, smccc=st.booleans())
    def send(self, bits, smccc):
        before = word(self.set)
        self.set |= bits
        if self.set & self.enabled:
            self.expect("level")
            self.set -= self.acknowledged
        else:
            self.expect("edge")
        assert self.caller.call("doorbell_send", self.doorbell, word(bits), smccc=smccc)[:2] == (0, before)

    @rule(bits=BITS, smccc=st.booleans())
    def receive(self, bits, smccc):
        got = self.caller.call("doorbell_receive", self.doorbell, word(bits), smccc=smccc)[:2]
        if bits:
            assert got == (0, word(self.set))
            self.set -= bits
        else:
            assert got == (1, 0)

    @rule(enabled=BITS, acknowledged=BITS)
    def mask(self, enabled, acknowledged):
        was, now = bool(self.set & self.enabled), bool(self.set & enabled)
        self.enabled, self.acknowledged = enabled, acknowledged
        if now and not was:
            self.expect("level")
        if was and not now:
            self.expect("clear")
        if now:
            self.set -= acknowledged
        assert self.caller.call("doorbell_mask", self.doorbell, word(enabled), word(acknowledged))[0] == 0

    @rule()
    def reset(self):
        self.expect("clear")
        self.set, self.enabled, self.acknowledged = set(), set(range(64)), set()
        assert self.caller.call("doorbell_reset", self.doorbell)[0] == 0

    @rule()
    def bind(self):
        assert self.caller.call("doorbell_bind_virq", self.doorbell, self.vic_cap, SPI)[0] == (40 if self.bound else 0)
        self.bound = True

    @rule()
    def unbind(self):
        assert self.caller.call("doorbell_unbind_virq", self.doorbell)[0] == 0
        self.bound = False

    @invariant()
    def interrupts_are_as_specified(self):
        assert self.controller.take() == self.expected
        self.expected = []

    @precondition(lambda self: self.bound)
    @invariant()
    def level_is_what_counts(self):
        assert self.controller.checks[SPI]() == bool(self.set & self.enabled)


TestDoorbell = DoorbellModel.TestCase
TestDoorbell.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
