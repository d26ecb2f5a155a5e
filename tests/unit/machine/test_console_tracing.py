"""A trace holds what guests printed, by lines, at the time it was printed."""

from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.devices.console import Console
from gunyah_emu.events import MemorySink, Recorder
from gunyah_emu.machine.console_tracing import LONGEST, ConsoleTracing

GUESTS = Path(__file__).parents[3] / "guest_images"


class Vm:
    name = "guest"

    def __init__(self):
        self.console = Console()


@pytest.fixture
def traced():
    vm, memory = Vm(), MemorySink()
    return vm.console, ConsoleTracing(vm, Recorder(lambda: vm.console.total, [memory])), memory


def texts(memory: MemorySink) -> list[str]:
    return [event.fields[0] for event in memory.events]


def test_a_line_is_one_event_however_it_was_written(traced):
    console, _, memory = traced
    for byte in b"one\ntwo":
        console.write(bytes([byte]))
    console.write(b"\n\nthree")
    assert texts(memory) == ["one\n", "two\n", "\n"]
    assert [event.time for event in memory.events] == [4, 14, 14]


def test_a_prompt_is_recorded_when_its_vm_waits(traced):
    console, tracing, memory = traced
    console.write("login: é".encode())
    tracing.flush()
    tracing.flush()
    assert texts(memory) == ["login: é"]


def test_a_line_without_end_costs_a_fixed_amount_of_memory(traced):
    console, tracing, memory = traced
    for _ in range(5000):
        console.write(b"x")
    console.write(b"y" * 5000 + b"\nz")
    tracing.close(keep=True)
    assert max(map(len, texts(memory))) <= LONGEST
    assert "".join(texts(memory)) == console.text
    console.write(b"unseen\n")
    assert "".join(texts(memory)) == console.text.removesuffix("unseen\n")


@pytest.mark.parametrize("guest", ["doorbell_irq", "message_queue", "root_vm"])
def test_the_texts_of_a_run_are_its_consoles(guest):
    memory = MemorySink()
    with Machine.from_toml(GUESTS / guest / "machine.toml") as machine:
        machine.record(memory)
        machine.run(max_instructions=50_000_000)
        consoles = {vm.name: vm.console.text for vm in machine.vms if vm.console.text}
    found = {}
    for event in memory.events:
        if event.kind == "console":
            found[event.vm] = found.get(event.vm, "") + event.fields[0]
    assert found == consoles
