"""An observer sees every call and every assertion; without one nothing is different."""

from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.smccc.dispatcher import Smccc


class Controller:
    def __init__(self):
        self.verbs = []

    def connect(self, intid, level_check):
        self.verbs.append(("connect", intid))

    def disconnect(self, intid):
        self.verbs.append(("disconnect", intid))

    def assert_level(self, intid):
        self.verbs.append(("level", intid))

    def assert_edge(self, intid):
        self.verbs.append(("edge", intid))

    def clear(self, intid):
        self.verbs.append(("clear", intid))


class Observer:
    def __init__(self):
        self.seen = []

    def called(self, caller, declaration, arguments):
        self.seen.append(("called", declaration.name, arguments))

    def returned(self, caller, declaration, results):
        self.seen.append(("returned", declaration.name, results))

    def service(self, caller, name, arguments):
        self.seen.append(("service", name, arguments[0]))

    def asserted(self, source, level):
        self.seen.append(("asserted", source.owner.label, source.virq, level))

    def settled(self, source, level):
        self.seen.append(("settled", source.owner.label, source.virq, level))

    def cleared(self, source):
        self.seen.append(("cleared", source.owner.label, source.virq))


def ringing(world):
    vic, doorbell = Vic(world.partition, virqs=64), world.active(Doorbell(world.partition, "bell"))
    vic.set_controller(Controller())
    world.active(vic)
    assert not doorbell.bind(vic, 40)
    return world.cap(doorbell), vic.controller


def test_calls_and_assertions_are_told_in_order(world):
    cap, _ = ringing(world)
    observer = world.hypervisor.observer = Observer()
    world.call("doorbell_send", doorbell=cap, new_flags=3)
    world.call("doorbell_reset", doorbell=cap)
    assert observer.seen == [
        ("called", "doorbell_send", (cap, 3)),
        ("asserted", "bell", 40, True),
        ("settled", "bell", 40, True),
        ("returned", "doorbell_send", (0, 0)),
        ("called", "doorbell_reset", (cap,)),
        ("cleared", "bell", 40),
        ("returned", "doorbell_reset", (0,)),
    ]


def test_the_smccc_encoding_is_told_alike(world):
    cap, _ = ringing(world)
    observer = world.hypervisor.observer = Observer()
    smccc = Smccc(world.hypervisor)
    smccc.call(world.caller, [0xC600_8012, cap, 1, 0, 0, 0, 0, 0])
    smccc.call(world.caller, [0x8000_0001, 0x8000_0000, 0, 0, 0, 0, 0, 0])
    assert [event[:2] for event in observer.seen] == [
        ("called", "doorbell_send"),
        ("asserted", "bell"),
        ("settled", "bell"),
        ("returned", "doorbell_send"),
        ("service", "SMCCC_ARCH_FEATURES"),
    ]


def test_errors_are_told_too(world):
    observer = world.hypervisor.observer = Observer()
    world.call("doorbell_send", doorbell=1)
    assert observer.seen[-1] == ("returned", "doorbell_send", (1,))


def test_switching_off_leaves_no_trace(world):
    cap, controller = ringing(world)
    table = world.hypervisor.calls
    world.hypervisor.observer = observer = Observer()
    world.hypervisor.observer = None
    world.call("doorbell_send", doorbell=cap, new_flags=1)
    assert not observer.seen
    assert table is world.hypervisor.calls
    assert controller.verbs == [("connect", 40), ("level", 40)]


def test_sources_bound_later_are_told_too(world):
    world.hypervisor.observer = observer = Observer()
    cap, controller = ringing(world)
    world.call("doorbell_mask", doorbell=cap)
    world.call("doorbell_send", doorbell=cap)
    world.call("doorbell_unbind_virq", doorbell=cap)
    assert ("asserted", "bell", 40, False) in observer.seen
    assert controller.verbs == [("connect", 40), ("edge", 40), ("disconnect", 40)]
