"""A message queue delivers every message once, whole and in order, and tells both ends exactly when it says it does."""

from hypervisor_model import Caller, NotingController
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.vic import Vic

RX, TX = 40, 41
ALL_ONES = 0xFFFF_FFFF_FFFF_FFFF
UNCHANGED = 0xFFFF_FFFF
MAXIMUM = 0xFFFF_FFFE


class MsgQueueModel(RuleBasedStateMachine):
    """The specification: a list of messages, two thresholds, and the moments at which the ends are told."""

    @initialize(depth=st.integers(1, 4), size=st.integers(1, 40))
    def create(self, depth, size):
        self.caller = Caller()
        self.controller = NotingController()
        vic = Vic(self.caller.partition, virqs=64)
        vic.set_controller(self.controller)
        self.queue = MsgQueue(self.caller.partition)
        assert not vic.activate()
        vic_cap, self.cap = (self.caller.cspace.insert(target) for target in (vic, self.queue))
        assert self.caller.call("msgqueue_configure", self.cap, depth | size << 16)[0] == 0
        assert self.caller.call("object_activate", self.cap)[0] == 0
        assert self.caller.call("msgqueue_bind_receive_virq", self.cap, vic_cap, RX)[0] == 0
        assert self.caller.call("msgqueue_bind_send_virq", self.cap, vic_cap, TX)[0] == 0
        self.depth, self.size = depth, size
        self.sent = []
        self.tell_receiver_at, self.tell_sender_at = 1, depth - 1
        self.expected = []

    @rule(message=st.binary(max_size=44), push=st.booleans(), at_hole=st.booleans(), smccc=st.booleans())
    def send(self, message, push, at_hole, smccc):
        place = Caller.SIZE - len(message) + 1 if at_hole else 0x123
        room = Caller.SIZE - place
        self.caller.memory[place : place + min(room, len(message))] = message[:room]
        got = self.caller.call("msgqueue_send", self.cap, len(message), place, int(push), smccc=smccc)[:2]
        if len(self.sent) == self.depth:
            assert got == (61, 0)
        elif at_hole or not message or len(message) > self.size:
            assert got == (0, 1)
        else:
            self.sent.append(message)
            if push or len(self.sent) == self.tell_receiver_at:
                self.expected.append(("level", RX))
            assert got == (0, int(len(self.sent) < self.depth))

    @rule(room=st.integers(0, 44), at_hole=st.booleans(), smccc=st.booleans())
    def receive(self, room, at_hole, smccc):
        place = Caller.SIZE - 1 if at_hole else 0x400
        before = bytes(self.caller.memory)
        got = self.caller.call("msgqueue_receive", self.cap, place, room, smccc=smccc)[:3]
        if not self.sent:
            assert got == (60, 0, 0)
            return
        message = self.sent[0]
        if len(message) > room:
            assert got == (0, 0, 1)
            assert bytes(self.caller.memory) == before
        elif at_hole and len(message) > 1:
            assert got == (0, 0, 1)
            assert self.caller.memory[-1:] == message[:1], "the part before the hole is written"
        else:
            del self.sent[0]
            if len(self.sent) == self.tell_sender_at:
                self.expected.append(("level", TX))
            assert got == (0, len(message), int(bool(self.sent)))
            assert bytes(self.caller.memory) == before[:place] + message + before[place + len(message) :]

    @rule()
    def flush(self):
        assert self.caller.call("msgqueue_flush", self.cap)[0] == 0
        if self.sent:
            self.expected += [("level", TX), ("clear", RX)]
        self.sent = []

    @rule(threshold=st.one_of(st.integers(0, 5), st.just(UNCHANGED)), delay=st.sampled_from([UNCHANGED, ALL_ONES, 7]))
    def configure_send(self, threshold, delay):
        got = self.caller.call("msgqueue_configure_send", self.cap, threshold, delay)[0]
        if delay == 7:
            assert got == 0xFFFF_FFFF
        elif threshold == UNCHANGED:
            assert got == 0
        elif threshold >= self.depth:
            assert got == 1
        else:
            assert got == 0
            self.tell_sender_at = threshold
            self.expected.append(("level" if len(self.sent) <= threshold else "clear", TX))

    @rule(threshold=st.one_of(st.integers(0, 5), st.sampled_from([UNCHANGED, MAXIMUM])))
    def configure_receive(self, threshold):
        got = self.caller.call("msgqueue_configure_receive", self.cap, threshold, UNCHANGED)[0]
        if threshold == MAXIMUM:
            assert got == 0
            self.tell_receiver_at = self.depth
        elif threshold == UNCHANGED:
            assert got == 0
        elif 1 <= threshold <= self.depth:
            assert got == 0
            self.tell_receiver_at = threshold
            self.expected.append(("level" if len(self.sent) >= threshold else "clear", RX))
        else:
            assert got == 1

    @invariant()
    def ends_are_told_as_specified(self):
        assert self.controller.take() == self.expected
        self.expected = []
        assert self.controller.checks[RX]() == (len(self.sent) >= self.tell_receiver_at)
        assert self.controller.checks[TX]() == (len(self.sent) <= self.tell_sender_at)


TestMsgQueue = MsgQueueModel.TestCase
TestMsgQueue.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
