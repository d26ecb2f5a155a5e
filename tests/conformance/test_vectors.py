"""A guest sees here what the real hypervisor showed when the sequences were recorded."""

from pathlib import Path

import pytest

from gunyah_emu.testing.conformance import WAYS, Replay, read_steps, replay
from gunyah_emu.testing.conformance_direct import DirectTarget

VECTORS = Path(__file__).parent / "vectors"
FILES = sorted(VECTORS.glob("*/*.jsonl"))


def test_all_recordings_are_here():
    assert len(FILES) == 48


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_behaves_as_recorded(path, way):
    report = replay(path, way)
    assert report.steps > 0
    assert not report.differences, str(report)


@pytest.mark.parametrize("name", ["scripted/01_identify_caps", "scripted/04_msgqueue", "random/0003", "random/0016"])
def test_random_capability_ids_change_nothing(name):
    path = VECTORS / f"{name}.jsonl"
    report = Replay(str(path), DirectTarget("root", capability_ids="random")).run(read_steps(path))
    assert not report.differences, str(report)
