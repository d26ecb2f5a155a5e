"""A machine ends when it must, says why in words a person can act on, and gives the host back what it took."""

import gc
import resource
from pathlib import Path

import pytest
from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks

from gunyah_emu import Machine, Reason
from gunyah_emu.machine.config import MachineConfig

GUESTS = Path(__file__).parents[3] / "guest_images"
SYSTEM_OFF = "movz x0, #0x8400, lsl #16\nmovk x0, #8\nhvc #0\n"
WAYS = ("auto", "portable")


@pytest.fixture
def machine_of(tmp_path):
    """Makes a machine of one VM from assembly, linked to the start of its memory."""
    made: list[Machine] = []

    def make(source: str, *, way: str = "auto", machine: dict[str, object] | None = None, **vm: object) -> Machine:
        image = tmp_path / f"guest{len(made)}.bin"
        image.write_bytes(bytes(Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(source, 0x4000_0000)[0]))
        described = {"name": "guest", "image": str(image), "image_type": "raw", **vm}
        made.append(Machine(MachineConfig({"machine": {"way": way, **(machine or {})}, "vm": [described]})))
        return made[-1]

    yield make
    for machine in made:
        machine.close()


@pytest.mark.parametrize("way", WAYS)
def test_system_off_ends_the_vm_with_status_0(machine_of, way):
    outcome = machine_of(SYSTEM_OFF, way=way).run()
    assert (outcome.reason, outcome.exit_status, outcome.messages) == (Reason.EXITED, 0, ())
    assert outcome.instructions == outcome.virtual_ns == 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_semihosting_ends_the_vm_with_any_status(machine_of, way, status):
    source = (
        f"ldr x2, =0x20026\nmov x3, #{status}\nldr x1, =0x40090000\nstp x2, x3, [x1]\nmov w0, #0x20\nhlt #0xf000\nb .\n"
    )
    assert machine_of(source, way=way).run(max_instructions=1000).exit_status == status


@pytest.mark.parametrize("way", WAYS)
def test_a_guest_that_waits_for_nothing_is_told_apart_from_one_that_ended(machine_of, way):
    outcome = machine_of("again: wfi\nb again\n", way=way).run()
    assert (outcome.reason, outcome.exit_status) == (Reason.IDLE, 125)
    assert outcome.messages == ("VM 'guest' waits and nothing can wake it",)


@pytest.mark.parametrize("way", WAYS)
def test_a_register_write_that_stops_the_real_hypervisor_stops_the_machine_and_says_where(machine_of, way):
    source = "mov x0, #1023\nmsr S3_0_C12_C12_1, x0\n" + SYSTEM_OFF
    outcome = machine_of(source, way=way, gic="gunyah").run(max_instructions=1000)
    assert (outcome.reason, outcome.exit_status) == (Reason.FATAL, 126)
    (message,) = outcome.messages
    assert message.startswith("VM 'guest' vCPU 0 at 0x4008000")
    assert message.endswith("this stops the real hypervisor and everything on it")


def test_by_policy_it_goes_on(machine_of):
    source = "mov x0, #1023\nmsr S3_0_C12_C12_1, x0\n" + SYSTEM_OFF
    outcome = machine_of(source, gic="gunyah", machine={"on_fatal": "error"}).run(max_instructions=1000)
    assert (outcome.reason, outcome.exit_status) == (Reason.EXITED, 0)


def test_the_instruction_budget_counts_from_each_run(machine_of):
    machine = machine_of("again: nop\nb again\n")
    for expected in (1000, 2000, 3000):
        outcome = machine.run(max_instructions=1000)
        assert outcome.reason is Reason.INSTRUCTIONS
        assert outcome.instructions == expected


def test_a_condition_ends_the_run_and_the_run_goes_on():
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        sender = machine.vm("sender").console
        outcome = machine.run(until=sender.contains("doorbell 1"))
        assert outcome.reason is Reason.UNTIL
        assert "doorbell 2" not in sender.text
        assert machine.run().reason is Reason.EXITED
        assert "doorbell 2" in sender.text
        assert machine.doorbell(1).flags == 1


def test_a_name_that_no_vm_has_is_told_with_those_there_are():
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine, pytest.raises(KeyError) as caught:
        machine.vm("reciever")
    assert "there is no VM 'reciever'; there are sender, receiver" in str(caught.value)


def test_the_seed_decides_what_is_random(machine_of):
    # prng_get_entropy(16); the words end up in x1..x4
    source = "mov x0, #16\nmov x1, #0\nhvc #0x6057\nagain: b again\n"

    def drawn(seed: int) -> list[int]:
        machine = machine_of(source, machine={"seed": seed})
        machine.run(max_instructions=20)
        return list(machine.vm("guest").engine.registers(0).x[:5])

    first = drawn(1)
    assert first[0] == 0
    assert len(set(first[1:])) == 4
    assert drawn(1) == first != drawn(2)


def test_production_like_capability_ids_do_as_well(tmp_path):
    text = (GUESTS / "doorbell_flags" / "machine.toml").read_text()
    for elf in (GUESTS / "doorbell_flags").glob("*.elf"):
        (tmp_path / elf.name).write_bytes(elf.read_bytes())
    (tmp_path / "machine.toml").write_text('[machine]\ncapability_ids = "random"\nseed = 5\n' + text)
    with Machine.from_toml(tmp_path / "machine.toml") as machine:
        assert machine.run(max_instructions=50_000_000).exit_status == 0


def test_two_hundred_machines_leave_no_memory_behind():
    def one() -> None:
        with Machine.from_toml(GUESTS / "hello" / "machine.toml") as machine:
            assert machine.run().exit_status == 0

    for _ in range(40):
        one()
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        one()
    gc.collect()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 20 * 1024, f"{grown} KiB"


@pytest.mark.parametrize("way", WAYS)
def test_registers_written_by_hypercall_are_there_when_the_vcpu_starts(machine_of, way):
    machine = machine_of("again: wfi\nb again\n", way=way, vcpus=2)
    second = machine.vm("guest").threads[1]
    for kind, index, value in ((0, 7, 0x77), (0, 30, 0x1234_5678_9ABC_DEF0), (2, 0, 0x5000), (2, 1, 0x6000)):
        second.registers[kind, index] = value
    assert second.power_on(0x4008_0000, 5) == 0
    registers = machine.vm("guest").engine.registers(1)
    assert (registers.x[0], registers.x[7], registers.x[30]) == (5, 0x77, 0x1234_5678_9ABC_DEF0)
    assert (registers["SP_EL0"], registers["SP_EL1"], registers.sp) == (0x5000, 0x6000, 0x6000)
