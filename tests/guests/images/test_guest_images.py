"""Every folder of guest_images/ runs and prints what its expected files say, on both ways of driving the CPU."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gunyah_emu import Machine

GUEST_IMAGES = Path(__file__).parents[3] / "guest_images"
MACHINES = sorted(path for path in GUEST_IMAGES.glob("*/*.toml") if not path.parent.name.startswith("bad_"))
WAYS = ("fast", "portable")

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


def test_every_guest_is_tested():
    """A folder without a machine file, or an expected file that no VM prints, would pass unseen."""
    for folder in sorted(path for path in GUEST_IMAGES.iterdir() if path.is_dir()):
        assert list(folder.glob("*.toml")), f"{folder} has no machine file"
        names = {
            name for path in folder.glob("*.toml") for name in re.findall(r'^name = "(.*)"$', path.read_text(), re.M)
        }
        for expected in folder.glob("expected*.console"):
            vm = expected.name.removeprefix("expected").removesuffix(".console").removeprefix(".")
            assert (vm in names) if vm else len(names) == 1, f"{expected} belongs to no VM"
