"""Random hypercalls by a running root VM: nothing of ours breaks, nothing grows, and nothing is left to chance."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gunyah_emu import Machine, Reason
from gunyah_emu.events import DigestSink

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "tools/fuzz_hypercalls.py"

LONG, SHORT = 50_000, 3_000
"""Calls; the tool makes a million of them, in the same way."""

LIMIT = 100
"""MiB that a long run may add to the process; a million calls take no more."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_hypercalls", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("capability_ids", ["sequential", "random"])
def test_a_long_run_ends_alike_twice(tool: ModuleType, capability_ids: str) -> None:
    first, second = (tool.fuzz(1, LONG, capability_ids=capability_ids) for _ in range(2))
    assert (first.reason, first.exit_status) == (Reason.EXITED, 0)
    assert second == first
    assert first.succeeded > LONG // 10, "it must not be all about the first check of a call"
    assert first.kinds > 65, "most kinds of calls must succeed at times"


def test_another_seed_is_another_run(tool: ModuleType) -> None:
    assert tool.fuzz(1, SHORT).digest != tool.fuzz(2, SHORT).digest


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_ways_of_driving_the_cpu_give_the_same_run(tool: ModuleType, seed: int) -> None:
    assert tool.fuzz(seed, SHORT, way="portable") == tool.fuzz(seed, SHORT)


def test_memory_is_bounded() -> None:
    command = [sys.executable, str(TOOL), "--count", str(LONG), "--seed", "1", "2"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    peaks = [int(mebibytes) for mebibytes in re.findall(r"(\d+)(?= ->| MiB)", result.stdout)]
    assert max(peaks) - peaks[0] < LIMIT


def test_every_event_is_the_same_in_two_runs(images: Path) -> None:
    digests = []
    for _ in range(2):
        digest = DigestSink()
        with Machine.from_toml(images / "root_fuzz/machine.toml") as machine:
            machine.record(digest)
            outcome = machine.run(max_instructions=20_000_000)
        digests.append((digest.hexdigest(), outcome.instructions, outcome.messages))
    assert digests[1] == digests[0]
