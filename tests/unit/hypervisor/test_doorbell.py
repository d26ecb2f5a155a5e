"""A doorbell on a virtual GIC: what the receiver sees of it, for level and for edge (recorded behaviour)."""

import pytest

from gunyah_emu.abi.errors import ARGUMENT_INVALID, BUSY, OBJECT_STATE, OK, VIRQ_BOUND
from gunyah_emu.gic import GUNYAH, Gic
from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.vic import Vic

SPI = 40
SPURIOUS = 1023
ALL = 0xFFFF_FFFF_FFFF_FFFF


class Receiver:
    """A doorbell bound to an SPI that its receiver has enabled."""

    def __init__(self, world, *, edge):
        self.world = world
        self.irq = False
        self.gic = Gic(spis=64, raise_irq=self.line, model=GUNYAH)
        self.vic = Vic(world.partition, virqs=64)
        self.vic.set_controller(self.gic)
        self.doorbell = Doorbell(world.partition)
        world.active(self.vic)
        world.active(self.doorbell)
        self.cap, self.vic_cap = world.cap(self.doorbell), world.cap(self.vic)
        assert self.call("doorbell_bind_virq", vic=self.vic_cap, virq=SPI) == OK
        write = self.gic.distributor.write
        for offset, value in ((0x0, 0x12), (0x84, 0x100), (0xC08, 0x20000 * edge), (0x104, 0x100)):
            assert write(offset, 4, value)
        self.cpu = self.gic.cpu_interfaces[0]
        self.cpu.write_pmr(0xFF)
        self.cpu.write_igrpen1(1)

    def line(self, _vcpu, level):
        self.irq = level

    def call(self, name, **arguments):
        return self.world.error(name, doorbell=self.cap, **arguments)

    def send(self, flags=1):
        return self.call("doorbell_send", new_flags=flags)

    def receive(self, flags=ALL):
        return self.world.call("doorbell_receive", doorbell=self.cap, clear_flags=flags)[1]

    def take(self):
        """Acknowledge and end; the interrupt taken."""
        intid = self.cpu.read_iar1()
        if intid != SPURIOUS:
            self.cpu.write_eoir1(intid)
        return intid


@pytest.fixture(params=[False, True], ids=["level", "edge"])
def either(world, request):
    return Receiver(world, edge=request.param)


@pytest.fixture
def level(world):
    return Receiver(world, edge=False)


@pytest.fixture
def edge(world):
    return Receiver(world, edge=True)


def test_sending_interrupts_the_receiver(either):
    either.send(5)
    assert either.irq
    assert either.cpu.read_iar1() == SPI
    assert not either.irq
    assert either.receive() == 5
    either.cpu.write_eoir1(SPI)
    assert not either.irq
    assert either.take() == SPURIOUS


def test_a_level_comes_again_until_the_flags_are_received(level):
    level.send()
    assert [level.take(), level.take()] == [SPI, SPI]
    level.receive()
    assert [level.take(), level.take()] == [SPI, SPURIOUS]


def test_an_edge_comes_once_whatever_the_flags(edge):
    edge.send()
    assert [edge.take(), edge.take()] == [SPI, SPURIOUS]


def test_edges_coalesce_while_pending_and_count_while_active(edge):
    edge.send()
    edge.send()
    assert edge.cpu.read_iar1() == SPI
    edge.send()
    edge.cpu.write_eoir1(SPI)
    assert [edge.take(), edge.take()] == [SPI, SPURIOUS]


def test_a_masked_flag_still_is_an_edge(edge, level):
    for receiver in (edge, level):
        receiver.call("doorbell_mask", enable_mask=0, ack_mask=0)
        receiver.send()
    assert edge.irq
    assert not level.irq


def test_acknowledged_flags_are_gone_when_the_interrupt_is_raised(either):
    either.call("doorbell_mask", enable_mask=0b11, ack_mask=0b01)
    either.send(0b111)
    assert either.doorbell.flags == 0b110
    assert either.take() == SPI


@pytest.mark.parametrize(
    "withdraw",
    [
        pytest.param(lambda it: it.call("doorbell_mask", enable_mask=0, ack_mask=0), id="mask"),
        pytest.param(lambda it: it.call("doorbell_reset"), id="reset"),
        pytest.param(lambda it: it.call("doorbell_unbind_virq"), id="unbind"),
    ],
)
def test_a_pending_level_is_retracted_and_a_pending_edge_stays(level, edge, withdraw):
    for receiver in (level, edge):
        receiver.send()
        withdraw(receiver)
    assert not level.irq
    assert edge.irq


def test_receiving_retracts_nothing(level):
    level.send()
    level.receive()
    assert level.irq
    assert [level.take(), level.take()] == [SPI, SPURIOUS]


def test_binding_raises_nothing_and_the_next_send_does(level):
    level.call("doorbell_unbind_virq")
    level.send(2)
    assert level.call("doorbell_bind_virq", vic=level.vic_cap, virq=SPI) == OK
    assert not level.irq
    level.send(0)
    assert level.irq


def test_binding_checks_in_the_recorded_order(world, level):
    second = world.cap(world.active(Doorbell(world.partition)))
    inactive = world.cap(Vic(world.partition, virqs=64))
    assert level.call("doorbell_bind_virq", vic=level.vic_cap, virq=0) == VIRQ_BOUND
    world.ladder(
        "doorbell_bind_virq",
        {"doorbell": second, "vic": inactive, "virq": 31},
        (OBJECT_STATE, {"vic": level.vic_cap}),
        (ARGUMENT_INVALID, {"virq": 96}),
        (ARGUMENT_INVALID, {"virq": 1020}),
        (ARGUMENT_INVALID, {"virq": SPI}),
        (BUSY, {"virq": 1 << 32 | 41}),
    )


def test_a_doorbell_that_dies_frees_its_interrupt(world, level):
    own = world.cap(world.cspace)
    assert world.error("cspace_delete_cap_from", cspace=own, cap=level.cap) == OK
    second = world.cap(world.active(Doorbell(world.partition)))
    assert world.error("doorbell_bind_virq", doorbell=second, vic=level.vic_cap, virq=SPI) == OK


def test_nothing_to_receive_is_a_mistake(level):
    assert level.call("doorbell_receive", clear_flags=0) == ARGUMENT_INVALID
