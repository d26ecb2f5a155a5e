"""A machine that is halted anywhere, thousands of times, is the same run as one that nobody looked at."""

import random
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.debug.session import Session
from gunyah_emu.events import DigestSink

GUESTS = Path(__file__).parents[3] / "guest_images"


def undisturbed(path, way):
    with Machine.from_toml(path, way=way) as machine:
        digest = DigestSink()
        machine.record(digest)
        end = machine.run()
        return digest.hexdigest(), end.instructions, end.virtual_ns, [vm.console.text for vm in machine.vms]


def halted(path, way, longest, seed, prepare=None):
    with Machine.from_toml(path, way=way) as machine:
        digest = DigestSink()
        machine.record(digest)
        session = Session(machine)
        if prepare is not None:
            prepare(session)
        chance = random.Random(seed)
        while (halt := session.resume(limit=session.position + chance.randrange(1, longest))).outcome is None:
            pass
        clock = machine.clock
        assert halt.position == clock.instructions
        return digest.hexdigest(), clock.instructions, clock.now(), [vm.console.text for vm in machine.vms]


@pytest.mark.parametrize("way", ["fast", "portable"])
@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("doorbell_irq", 150),
        ("doorbell_flags", 200),
        ("message_queue", 200),
        ("timer", 9),
        ("exceptions", 150),
        ("smp", 4000),
    ],
)
def test_halts_at_random_positions(name, longest, way):
    path = GUESTS / name / "machine.toml"
    assert halted(path, way, longest, seed=name) == undisturbed(path, way)


@pytest.mark.parametrize("name", ["arch_exceptions", "arch_mmu", "arch_code", "root_vm", "root_proxy"])
def test_halts_at_random_positions_of_guests_that_do_everything(name):
    path = GUESTS / name / "machine.toml"
    assert halted(path, "fast", 2000, seed=name) == undisturbed(path, "fast")


@pytest.mark.parametrize("way", ["fast", "portable"])
def test_every_call_caught_and_a_watched_page_in_the_stack(way):
    path = GUESTS / "doorbell_irq" / "machine.toml"

    def prepare(session):
        session.catch_calls(returns=True)
        session.catch_interrupts()
        for vm in session.machine.vms:
            session.add_watchpoint(vm, vm.images[0].address_of("main"), 4, "access")

    assert halted(path, way, 500, 3, prepare) == undisturbed(path, way)
