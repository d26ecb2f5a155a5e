"""Four CPUs with timers and SGIs, for a bounded number of instructions: the host's memory stays, the run repeats.

`python tools/soak.py` does the same for an hour, and with Linux.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "soak.py"
_spec = importlib.util.spec_from_file_location("soak", TOOL)
assert _spec is not None
assert _spec.loader is not None
soak = importlib.util.module_from_spec(_spec)
sys.modules["soak"] = soak
_spec.loader.exec_module(soak)

INSTRUCTIONS = 60_000_000


def test_a_load_with_timers_and_sgis_repeats_and_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "PIECE", INSTRUCTIONS // 10)
    path = soak.endless(tmp_path)
    first, second = (soak.soak(path, instructions=INSTRUCTIONS) for _ in range(2))
    assert soak.complaints(first, second) == []
    assert first.events > 10_000


def test_growth_and_a_difference_are_told() -> None:
    run = soak.Soaked(100, "a", 1, 0, 1.0)
    assert soak.complaints(run, run) == []
    assert "must not grow" in soak.complaints(run._replace(growth=1 << 30), run)[0]
    assert "must be alike" in soak.complaints(run, run._replace(digest="b"))[0]


def test_ctrl_c_ends_it_at_once() -> None:
    process = subprocess.Popen([sys.executable, str(TOOL)], stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm"})
    try:
        assert process.stderr is not None
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, process.stderr.read().decode()[-2000:]
    finally:
        process.kill()
        process.stderr.close()
