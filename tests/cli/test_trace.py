"""`gunyah-emu trace diff` tells what is different between two runs, and how it came about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gunyah_emu.cli import main

GUESTS = Path(__file__).parents[2] / "guest_images"


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """a.jsonl and b.jsonl, of one machine with two quanta, and c.jsonl, in which an interrupt is another."""
    monkeypatch.chdir(tmp_path)
    for name, quantum in (("a", "30000"), ("b", "10")):
        machine = str(GUESTS / "doorbell_irq" / "machine.toml")
        assert main(["run", machine, "--trace", f"{name}.jsonl", "--quantum", quantum]) == 0
    text = Path("a.jsonl").read_text()
    Path("c.jsonl").write_text(re.sub(r'("kind":"irq_acknowledged".*"intid":)41', r"\g<1>43", text))
    capsys.readouterr()


@pytest.mark.usefixtures("traces")
def test_the_same_run_is_the_same(capsys: pytest.CaptureFixture[str]):
    assert main(["trace", "diff", "a.jsonl", "a.jsonl", "--varies", "none"]) == 0
    assert capsys.readouterr().err == "the same: 14 events\n"


@pytest.mark.usefixtures("traces")
def test_what_may_vary_is_left_out(capsys: pytest.CaptureFixture[str]):
    assert main(["trace", "diff", "a.jsonl", "b.jsonl", "--varies", "none"]) == 1
    assert main(["trace", "diff", "a.jsonl", "b.jsonl", "--varies", "time,order"]) == 0


@pytest.mark.usefixtures("traces")
def test_a_difference_is_shown_with_its_cause(capsys: pytest.CaptureFixture[str]):
    assert main(["trace", "diff", "a.jsonl", "c.jsonl"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith("-receiver/0 irq_acknowledged SPI 9 <- sender/0 hypercall doorbell_send") for line in lines
    )
    assert any(line.startswith("+receiver/0 irq_acknowledged SPI 11") for line in lines)
    assert any("virq_assert doorbell 2: SPI 9" in line for line in lines)


@pytest.mark.usefixtures("traces")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jsonl", "none.jsonl"], "none.jsonl: a trace must be a file that can be read; No such file or directory"),
        (["a.jsonl", "bad.jsonl"], "bad.jsonl:1:1: a trace must have an event in each line; this is none"),
        (
            ["a.jsonl", "b.jsonl", "--varies", "weather"],
            "varies[0] must be 'time', 'order' or 'causes'; it is 'weather'",
        ),
        (["a.jsonl", "b.jsonl", "--kinds", "hypercal"], "compares[0] must be "),
    ],
)
def test_a_mistake_is_told(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    Path("bad.jsonl").write_text('{"seq": 1}\n')
    assert main(["trace", "diff", *arguments]) == 2
    assert message in capsys.readouterr().err
