"""A machine's state, taken and brought back: what comes after it comes again, in every detail."""

import json
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.events import DigestSink, JsonLinesSink, MemorySink

GUESTS = Path(__file__).parents[3] / "guest_images"


def rest_of(machine, digest):
    outcome = machine.run(max_instructions=3_000_000)
    return digest.hexdigest(), outcome.reason, outcome.instructions, [vm.console.text for vm in machine.vms]


@pytest.mark.parametrize("way", ["fast", "portable"])
@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("doorbell_irq", 70_000),
        ("message_queue", 60_000),
        ("smp", 300_000),
        ("root_vm", 40_000),
        ("root_vm", 150_000),
        ("arch_code", 90_000),
    ],
)
def test_what_follows_a_state_follows_it_again(name, after, way):
    with Machine.from_toml(GUESTS / name / "machine.toml", way=way) as machine:
        digest = DigestSink()
        machine.record(digest)
        machine.run(max_instructions=after)
        state = machine.snapshot()
        first = rest_of(machine, digest)
        machine.restore(state)
        assert machine.clock.instructions == state.instructions
        assert rest_of(machine, digest) == first
        machine.restore(state)
        assert rest_of(machine, digest) == first


def test_what_the_caller_holds_stays_valid():
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        vm, doorbell = machine.vm("receiver"), machine.doorbell(1)
        machine.run(max_instructions=50_000)
        state = machine.snapshot()
        text = vm.console.text
        machine.run()
        assert doorbell.flags == 1
        assert vm.exit_status == 0
        machine.restore(state)
        assert machine.vm("receiver") is vm
        assert (vm.console.text, vm.exit_status, doorbell.flags) == (text, None, 0)
        assert machine.run().exit_status == 0


def test_a_state_costs_what_has_changed_since_the_one_before():
    with Machine.from_toml(GUESTS / "smp" / "machine.toml") as machine:
        machine.run(max_instructions=100_000)
        first = machine.snapshot()
        machine.run(max_instructions=10_000)
        assert machine.snapshot(first).size <= first.size


def test_memory_that_a_guest_never_touched_costs_nothing():
    with Machine.from_toml(GUESTS / "root_vm" / "machine.toml") as machine:
        assert machine.snapshot().size < 4 << 20


def test_sinks_forget_what_has_not_happened(tmp_path):
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        kept = MemorySink()
        machine.record(JsonLinesSink(tmp_path / "trace.jsonl"))
        machine.record(kept)
        machine.run(max_instructions=75_000)
        state = machine.snapshot()
        events = list(kept.events)
        machine.run(max_instructions=20_000)
        assert len(kept.events) > len(events)
        machine.restore(state)
        assert list(kept.events) == events
    written = [json.loads(line)["seq"] for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert written == list(range(1, events[-1].seq + 1))


def test_a_state_belongs_to_its_machine():
    path = GUESTS / "hello" / "machine.toml"
    with Machine.from_toml(path) as one, Machine.from_toml(path) as other:
        state = one.snapshot()
        with pytest.raises(AssertionError, match="the machine that it was taken from"):
            other.restore(state)
