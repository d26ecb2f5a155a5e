"""Every folder of guest_images/ runs and prints what its expected files say, on both ways of driving the CPU."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gunyah_emu import Machine

GUEST_IMAGES = Path(__file__).parents[3] / "guest_images"
MACHINES = sorted(path for path in GUEST_IMAGES.glob("*/*.toml") if not path.parent.name.startswith("bad_"))
WAYS = ("auto", "portable")
"""`auto` is the fast way, wherever that can be had."""

SHORT_ROUNDS = {
    "bench_c": 1,
    "bench_doorbell_send": 50,
    "bench_identify": 50,
    "bench_msgqueue": 50,
    "bench_ping_pong": 20,
    "bench_tight": 1000,
    "bench_virq": 50,
}
"""A benchmark's default is minutes on the portable way; these prove the same code."""

ENOUGH = 50_000_000


def shortened(path: Path, folder: Path) -> Path:
    """A copy of a benchmark's machine, in `folder`, with few rounds."""
    shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    rounds = f"rounds={SHORT_ROUNDS[path.parent.name]}"
    text = re.sub(r'^bootargs = "', f'bootargs = "{rounds} ', path.read_text(), flags=re.MULTILINE)
    if text == path.read_text():
        text = re.sub(r"^(image = .*)$", rf'\1\nbootargs = "{rounds}"', text, flags=re.MULTILINE)
    copy = folder / path.name
    copy.write_text(text)
    return copy


def expected_consoles(path: Path, vms: list[str]) -> dict[str, str]:
    """By VM: expected.VM.console, or expected.console for a VM that is alone."""
    consoles = {}
    for vm in vms:
        name = "expected.console" if len(vms) == 1 else f"expected.{vm}.console"
        consoles[vm] = (path.parent / name).read_text()
        if path.parent.name in SHORT_ROUNDS:
            consoles[vm] = re.sub(r"rounds \d+", f"rounds {SHORT_ROUNDS[path.parent.name]}", consoles[vm])
    return consoles


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", MACHINES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_guest_prints_what_its_expected_files_say(path: Path, way: str, tmp_path: Path):
    machine_file = shortened(path, tmp_path) if path.parent.name in SHORT_ROUNDS else path
    with Machine.from_toml(machine_file, way=way) as machine:
        outcome = machine.run(max_instructions=ENOUGH)
        consoles = {vm.name: vm.console.text for vm in machine.vms}
    assert consoles == expected_consoles(path, list(consoles))
    assert outcome.exit_status == 0, outcome.messages


@pytest.mark.parametrize("quantum", [1, 1009, 1_000_000])
@pytest.mark.parametrize("name", ["bench_ping_pong", "doorbell_flags", "doorbell_irq", "message_queue", "smp"])
def test_no_length_of_slices_changes_what_an_example_prints(name: str, quantum: int, tmp_path: Path):
    """An example whose output hangs on who runs first teaches the wrong thing and breaks when the scheduler changes."""
    path = GUEST_IMAGES / name / "machine.toml"
    machine_file = shortened(path, tmp_path) if name in SHORT_ROUNDS else path
    with Machine.from_toml(machine_file) as machine:
        machine.chooser.quantum = quantum
        outcome = machine.run(max_instructions=ENOUGH)
        consoles = {vm.name: vm.console.text for vm in machine.vms}
    assert consoles == expected_consoles(path, list(consoles))
    assert outcome.exit_status == 0, outcome.messages


def test_a_machine_file_runs_from_the_command_line():
    command = [sys.executable, "-m", "gunyah_emu", "run", "guest_images/doorbell_irq/machine.toml"]
    result = subprocess.run(command, cwd=GUEST_IMAGES.parent, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    for vm, console in expected_consoles(GUEST_IMAGES / "doorbell_irq/machine.toml", ["sender", "receiver"]).items():
        lines = [line for line in result.stdout.splitlines() if line.startswith(vm)]
        assert [
            line[-len(text) :] for line, text in zip(lines, console.splitlines(), strict=True)
        ] == console.splitlines()


def test_every_guest_is_tested():
    """A folder without a machine file, or an expected file that no VM prints, would pass unseen."""
    for folder in sorted({path.parent for path in GUEST_IMAGES.glob("*/*.elf")}):
        assert list(folder.glob("*.toml")), f"{folder} has no machine file"
        names = {
            name for path in folder.glob("*.toml") for name in re.findall(r'^name = "(.*)"$', path.read_text(), re.M)
        }
        for expected in folder.glob("expected*.console"):
            vm = expected.name.removeprefix("expected").removesuffix(".console").removeprefix(".")
            assert (vm in names) if vm else len(names) == 1, f"{expected} belongs to no VM"
