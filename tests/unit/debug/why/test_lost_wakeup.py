"""The planted lost wake-up is found in one line, from the trace file alone; and the chain leads to the other VM."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.debug.why import Places, Trace, find, parse, verdict
from gunyah_emu.debug.why.chain import causes
from gunyah_emu.events import JsonLinesSink

ROOT = Path(__file__).parents[4]
RECEIVER = ROOT / "guest_images/bad_lost_wakeup/receiver.c"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "run.jsonl"
    with Machine.from_toml(ROOT / "guest_images/bad_lost_wakeup/machine.toml") as machine:
        machine.record(JsonLinesSink(path))
        assert machine.run(max_instructions=10_000_000).exit_status == 125
    return path


def line_of(text: str) -> int:
    """The line of receiver.c that begins with a text."""
    return next(n for n, line in enumerate(RECEIVER.read_text().splitlines(), 1) if line.strip().startswith(text))


def ask(path: Path, words: str) -> str:
    trace = Trace.read(path)
    return verdict(trace, find(trace, parse([words])), Places.of_trace(trace, path.parent, {}))


def test_one_line_names_the_cause_and_who_made_it_so(recorded: Path) -> None:
    line = ask(recorded, "last")
    assert "\n" not in line
    place = rf"main\+0x\w+ \(system.h:\d+, from receiver.c:{line_of('wait_until(')}\)"
    assert re.match(rf"receiver/0 waits at {place} \[\d+\] for ever: doorbell 1 did not interrupt it", line)
    assert "none of its flags is enabled: flags 0x6, enable mask 0x0, since receiver/0 calls doorbell_mask(" in line
    assert f"at on_doorbell+0x18 (receiver.c:{line_of('gunyah_doorbell_mask(doorbell.capability, 0, 0)')}) [" in line


def test_an_interrupt_leads_back_to_the_hvc_in_the_other_vm(recorded: Path) -> None:
    trace = Trace.read(recorded)
    taken = next(entry for entry in trace if entry.kind == "irq_acknowledged")
    assert [(entry.vm, entry.kind) for entry in causes(trace, taken)] == [
        ("sender", "hypercall"),
        ("receiver", "virq_assert"),
        ("receiver", "irq_pending"),
        ("receiver", "irq_acknowledged"),
    ]
    places = Places.of_trace(trace, recorded.parent, {})
    line = verdict(trace, taken, places)
    assert re.search(
        r"because sender/0 calls doorbell_send\(doorbell 1, new_flags=0x1\) at main\+0x\w+ \(sender.c:18\)", line
    )


def test_the_sender_sees_whom_it_interrupted_and_whom_not(recorded: Path) -> None:
    trace = Trace.read(recorded)
    first, second, third = [e for e in trace if e.kind == "hypercall" and e.text("call") == "doorbell_send"]
    places = Places({})
    assert "so receiver/0 takes INTID 40 (SPI 8)" in verdict(trace, first, places)
    assert re.search(r"; it is taken \d+ ns later \[\d+\]$", verdict(trace, second, places))
    assert "later" not in verdict(trace, third, places)


def test_the_command_prints_the_line_first_and_the_chain_below(recorded: Path) -> None:
    command = [sys.executable, "-m", "gunyah_emu", "why", str(recorded), "doorbell", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    first, empty, *chain = done.stdout.splitlines()
    assert first.startswith("doorbell 1 did not interrupt receiver/0 by INTID 40 (SPI 8) [")
    assert empty == ""
    assert re.match(r"> \d+ \d+ ns  sender/0    calls doorbell_send\(doorbell 1, new_flags=0x4\) at main", chain[0])
    assert len(chain) == 4


def test_images_that_moved_or_changed_are_told_of(recorded: Path, tmp_path: Path) -> None:
    trace = Trace.read(recorded)
    text = recorded.read_text().replace("/guest_images/", "/nowhere/")
    (tmp_path / "moved.jsonl").write_text(text)
    moved = Trace.read(tmp_path / "moved.jsonl")
    places = Places.of_trace(moved, tmp_path, {})
    assert [note.rpartition("/")[2] for note in places.notes] == [
        f"{vm}.elf is not there: places in it are numbers only; name it by --image VM=ELF"
        for vm in ("sender", "receiver")
    ]
    assert re.search(r"at 0x\w+ \[\d+\] for ever", verdict(moved, find(moved, parse(["last"])), places))
    given = {"receiver": str(ROOT / "guest_images/bad_lost_wakeup/receiver.elf")}
    assert "on_doorbell+0x18" in verdict(trace, find(trace, parse(["last"])), Places.of_trace(moved, tmp_path, given))
    header, *rest = recorded.read_text().splitlines(keepends=True)
    (tmp_path / "changed.jsonl").write_text(re.sub('"sha256":"[0-9a-f]*"', '"sha256":"00"', header) + "".join(rest))
    changed = Places.of_trace(Trace.read(tmp_path / "changed.jsonl"), tmp_path, {})
    assert all(
        note.endswith("has changed since the trace was written: symbols and lines may be wrong")
        for note in changed.notes
    )
    assert len(changed.notes) == 2
