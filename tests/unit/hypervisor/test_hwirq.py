"""A physical interrupt appears as a virtual one while it is bound."""

import pytest

from gunyah_emu.abi.errors import ARGUMENT_INVALID, BUSY, DENIED, OK, VIRQ_BOUND, VIRQ_NOT_BOUND
from gunyah_emu.gic import GUNYAH, Gic
from gunyah_emu.hypervisor.hwirq import HwIrq
from gunyah_emu.hypervisor.thread import OPTION_PINNED
from gunyah_emu.hypervisor.vic import Vic


@pytest.fixture
def vic(world):
    made = Vic(world.partition, virqs=64)
    made.set_controller(Gic(spis=64, model=GUNYAH))
    return world.active(made)


def test_binding_and_unbinding(world, vic):
    spi, other = (world.cap(world.active(HwIrq(world.partition, intid))) for intid in (79, 80))
    target = world.cap(vic)
    world.ladder(
        "hwirq_bind_virq",
        {"hwirq": spi, "vic": target, "virq": 27},
        (ARGUMENT_INVALID, {"virq": 96}),
        (ARGUMENT_INVALID, {"virq": 79}),
    )
    assert world.error("hwirq_bind_virq", hwirq=spi, vic=target, virq=81) == VIRQ_BOUND
    assert world.error("hwirq_bind_virq", hwirq=other, vic=target, virq=79) == BUSY
    assert world.error("hwirq_unbind_virq", hwirq=spi) == OK
    assert world.error("hwirq_unbind_virq", hwirq=spi) == VIRQ_NOT_BOUND


def test_the_line_is_the_level(world, vic):
    hwirq = world.active(HwIrq(world.partition, 79))
    hwirq.set_level(True)
    hwirq.bind(vic, 50)
    pending = vic.controller.distributor.read(0x204, 4)
    assert pending == 1 << (50 - 32)
    hwirq.set_level(False)
    assert vic.controller.distributor.read(0x204, 4) == 0


def test_a_private_interrupt_goes_to_pinned_vcpus_only(world, vic):
    ppi = world.active(HwIrq(world.partition, 27))
    assert ppi.bind(vic, 27) == OK
    assert ppi.bind(vic, 27) == DENIED
    assert ppi.unbind() == ppi.unbind() == OK
    vcpu = world.vcpu(vic=vic)
    assert ppi.bind(vic, 27) == DENIED
    vcpu.options |= OPTION_PINNED
    assert ppi.bind(vic, 40) == ARGUMENT_INVALID
    assert ppi.bind(vic, 27) == OK


def test_a_bound_interrupt_that_dies_frees_its_place(world, vic):
    first, second = (world.active(HwIrq(world.partition, intid)) for intid in (79, 80))
    assert first.bind(vic, 50) == OK
    first.release()
    assert second.bind(vic, 50) == OK
