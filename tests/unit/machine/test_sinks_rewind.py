"""A machine that is brought back records its second future as if the first had not been."""

from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.events import JsonLinesSink
from gunyah_emu.events.perfetto import PerfettoSink
from gunyah_emu.machine.report import ReportSink

MACHINE = Path(__file__).parents[3] / "guest_images" / "doorbell_irq" / "machine.toml"
SINKS = {
    "run.jsonl": lambda path, machine: JsonLinesSink(path),
    "run.pftrace": lambda path, machine: PerfettoSink(path),
    "run.html": ReportSink,
}


@pytest.mark.parametrize("name", SINKS)
def test_a_run_with_a_detour_leaves_the_same_file(tmp_path, name):
    files = []
    for detour in (False, True):
        path = tmp_path / str(detour) / name
        path.parent.mkdir()
        with Machine.from_toml(MACHINE) as machine:
            machine.record(SINKS[name](path, machine))
            machine.run(max_instructions=60_000)
            saved = machine.snapshot()
            if detour:
                machine.run(max_instructions=40_000)
                machine.restore(saved)
            machine.run()
        files.append(path.read_bytes())
    assert files[0] == files[1]
