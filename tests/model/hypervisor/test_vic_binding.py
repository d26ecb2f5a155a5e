"""A virtual interrupt has one source, a source one interrupt, and neither outlives the other's object."""

from hypervisor_model import Caller, NotingController
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.vic import Vic

OK, INVALID, BUSY, BOUND = 0, 1, 31, 40
SOURCES = st.integers(0, 5)
VICS = st.integers(0, 1)
#: mostly a few that meet often, sometimes what is out of somebody's range
VIRQS = st.sampled_from([32, 33] * 6 + [0, 31, 35, 36, 95, 96, 1019, 1020, 1023, 1 << 31])

#: number of SPIs of each VIC
SPIS = (4, 64)


class BindingModel(RuleBasedStateMachine):
    """Two doorbells and both ends of two queues; who is bound to which interrupt of which of two VICs."""

    @initialize()
    def create(self):
        self.caller = Caller()
        self.own = self.caller.cspace.insert(self.caller.cspace)
        self.vics, self.controllers = {}, {}
        self.sources = {}
        self.bindings = {}
        for number in range(2):
            self.new_vic(number)
        for number in range(2):
            self.new_doorbell(number)
            self.new_queue(2 + 2 * number)

    def insert(self, target):
        assert not target.activate()
        return self.caller.cspace.insert(target)

    def new_vic(self, number):
        vic = Vic(self.caller.partition, virqs=SPIS[number])
        self.controllers[number] = NotingController()
        vic.set_controller(self.controllers[number])
        self.vics[number] = self.insert(vic)

    def new_doorbell(self, number):
        doorbell = Doorbell(self.caller.partition)
        self.sources[number] = (self.insert(doorbell), "doorbell_bind_virq", "doorbell_unbind_virq")

    def new_queue(self, first):
        cap = self.insert(MsgQueue(self.caller.partition, depth=1, max_message_size=1))
        self.sources[first] = (cap, "msgqueue_bind_send_virq", "msgqueue_unbind_send_virq")
        self.sources[first + 1] = (cap, "msgqueue_bind_receive_virq", "msgqueue_unbind_receive_virq")

    @rule(source=SOURCES, vic=VICS, virq=VIRQS, high=st.booleans())
    def bind(self, source, vic, virq, high):
        cap, bind, _ = self.sources[source]
        got = self.caller.call(bind, cap, self.vics[vic], virq | high << 32)[0]
        if source in self.bindings:
            assert got == BOUND
        elif not 32 <= virq < min(1020, 32 + SPIS[vic]):
            assert got == INVALID
        elif (vic, virq) in self.bindings.values():
            assert got == BUSY
        else:
            assert got == OK
            self.bindings[source] = (vic, virq)

    @rule(source=SOURCES)
    def unbind(self, source):
        cap, _, unbind = self.sources[source]
        assert self.caller.call(unbind, cap)[0] == OK
        self.bindings.pop(source, None)

    def delete(self, cap):
        assert self.caller.call("cspace_delete_cap_from", self.own, cap)[0] == OK

    @rule(number=VICS)
    def replace_doorbell(self, number):
        self.delete(self.sources[number][0])
        self.bindings.pop(number, None)
        self.new_doorbell(number)

    @rule(number=VICS)
    def replace_queue(self, number):
        first = 2 + 2 * number
        self.delete(self.sources[first][0])
        for source in (first, first + 1):
            self.bindings.pop(source, None)
        self.new_queue(first)

    @rule(vic=VICS)
    def replace_vic(self, vic):
        self.delete(self.vics[vic])
        self.bindings = {source: place for source, place in self.bindings.items() if place[0] != vic}
        self.new_vic(vic)

    @invariant()
    def controllers_know_exactly_the_bindings(self):
        for vic, controller in self.controllers.items():
            assert set(controller.checks) == {virq for where, virq in self.bindings.values() if where == vic}

    @rule(number=VICS)
    def ring(self, number):
        """An interrupt goes to where its source is bound, and nowhere else."""
        assert self.caller.call("doorbell_send", self.sources[number][0], 1)[0] == OK
        for vic, controller in self.controllers.items():
            bound = self.bindings.get(number, (None, None))
            assert controller.take() == ([("level", bound[1])] if bound[0] == vic else [])


TestBinding = BindingModel.TestCase
TestBinding.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
