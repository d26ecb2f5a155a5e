"""The same machine and seed is the same run: every event, every count, in one process and in two, on either way."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.events import DigestSink

GUESTS = Path(__file__).parents[3] / "guest_images"
SEVERAL_VCPUS = ("doorbell_irq", "doorbell_flags", "message_queue", "smp", "timer")


def digest_in_this_process(name: str, way: str, *, quantum: int | None = None) -> tuple[str, int, int]:
    with Machine.from_toml(GUESTS / name / "machine.toml", way=way) as machine:
        if quantum is not None:
            machine.chooser.quantum = quantum
        digest = DigestSink()
        machine.record(digest)
        outcome = machine.run(max_instructions=50_000_000)
        assert digest.count > 0
        return digest.hexdigest(), outcome.instructions, outcome.virtual_ns


def trace_of_another_process(name: str, way: str, path: Path) -> str:
    command = [sys.executable, "-m", "gunyah_emu", "run", str(GUESTS / name / "machine.toml")]
    subprocess.run([*command, "--way", way, "--trace", str(path)], check=True, capture_output=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", SEVERAL_VCPUS)
@pytest.mark.parametrize("way", ["auto", "portable"])
def test_twice_in_one_process(name, way):
    assert digest_in_this_process(name, way) == digest_in_this_process(name, way)


@pytest.mark.parametrize("name", ["doorbell_irq", "smp"])
@pytest.mark.parametrize("way", ["auto", "portable"])
def test_in_two_processes(name, way, tmp_path):
    first, second = (trace_of_another_process(name, way, tmp_path / f"{n}.jsonl") for n in range(2))
    assert first == second


@pytest.mark.parametrize("name", [*SEVERAL_VCPUS, "bad_jump", "root_proxy"])
def test_both_ways_are_one_run(name):
    assert digest_in_this_process(name, "auto") == digest_in_this_process(name, "portable")


def test_another_order_of_slices_is_another_run():
    """What the tests above compare is fine enough to see a different schedule."""
    assert digest_in_this_process("smp", "auto") != digest_in_this_process("smp", "auto", quantum=777)
