"""`run --trace`, `run --report` and `report` as a user types them: formats, mistakes, interruptions, full disks."""

import json
import re
import resource
import signal
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from zlib import decompress

import pytest

GUESTS = Path(__file__).parents[2] / "guest_images"
COMMAND = [sys.executable, "-m", "gunyah_emu"]
DOORBELLS = GUESTS / "doorbell_irq" / "machine.toml"


def emulator(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def data_of(path: Path) -> dict[str, object]:
    return json.loads(decompress(b64decode(re.search(r'<script id="data"[^>]*>([^<]*)</script>', path.read_text())[1])))


def test_one_run_gives_traces_and_report_and_they_hold_the_same_events(tmp_path):
    jsonl, perfetto, html = (tmp_path / f"run.{suffix}" for suffix in ("jsonl", "pftrace", "html"))
    done = emulator("run", DOORBELLS, "--trace", jsonl, "--trace", perfetto, "--report", html)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.html", "run.jsonl", "run.pftrace"]
    data = data_of(html)
    assert len(data["seq"]) == len(jsonl.read_text().splitlines())
    assert dict(data["summary"])["ended"] == "every VM exited, status 0"


def test_a_report_is_made_of_a_trace_afterwards_with_symbols_and_lines(tmp_path):
    assert emulator("run", DOORBELLS, "--trace", tmp_path / "run.jsonl").returncode == 0
    done = emulator("report", tmp_path / "run.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{tmp_path}/run\.html: \d+ events\n", done.stdout)
    data = data_of(tmp_path / "run.html")
    assert data["title"] == str(DOORBELLS)
    assert data["vms"][:2] == ["sender", "receiver"]
    assert dict(data["summary"])["receiver"] == "PSCI SYSTEM_OFF, status 0"
    call = next(dict(pairs) for _, label, pairs in data["pool"] if label == "doorbell_send")
    assert re.fullmatch(r"0x[0-9a-f]+ main\+0x[0-9a-f]+ \(sender\.c:\d+(, from sender\.c:\d+)?\)", call["lr"])


def test_a_part_of_a_trace_is_shown(tmp_path):
    assert emulator("run", DOORBELLS, "--trace", tmp_path / "run.jsonl").returncode == 0
    done = emulator("report", tmp_path / "run.jsonl", "--from", "1ms", "--to", "1.1ms", "-o", tmp_path / "part.html")
    assert done.returncode == 0, done.stderr
    data = data_of(tmp_path / "part.html")
    assert data["time"][0] >= 1_000_000
    assert sum(data["time"]) <= 1_100_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--trace", "run.vcd"],
            "run.vcd: --trace must name one of *.jsonl (one JSON object a line), *.pftrace (for ui.perfetto.dev)",
        ),
        (["--report", "run.pdf"], "run.pdf: --report must name one of *.html (one page for a browser)"),
        (["--trace", "a.jsonl", "--trace", "a.jsonl"], "a.jsonl: --trace names this file twice"),
        (
            ["--report", "nowhere/run.html"],
            "nowhere/run.html: the report cannot be written: No such file or directory",
        ),
        (
            ["--trace", "nowhere/run.pftrace"],
            "nowhere/run.pftrace: the trace file cannot be written: No such file or directory",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_the_guest_runs(tmp_path, options, message):
    done = emulator("run", DOORBELLS, *options, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gunyah-emu: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_what_is_no_trace_names_the_line(tmp_path):
    (tmp_path / "run.jsonl").write_text('{"seq": 1}\n')
    done = emulator("report", tmp_path / "run.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith(f"gunyah-emu: {tmp_path}/run.jsonl:1:1: a line of a trace must be an event as JSON")


def test_fields_of_any_type_make_a_report(tmp_path):
    """A trace may have been written by anything."""
    event = {"seq": 1, "time": 0, "vm": "a", "vcpu": 0, "kind": "hypercall", "cause": 99}
    event |= {"call": ["x"], "arguments": {"a": [1], "b": 1.5}, "objects": "?", "pc": -1, "lr": 1 << 200}
    result = {"seq": 2, "time": 0, "vm": "a", "vcpu": -7, "kind": "hypercall_return", "cause": 1, "call": 3}
    other = {"seq": 3, "time": 5, "vm": "", "vcpu": 0, "kind": "of the future", "cause": 1}
    lines = [event, result | {"results": ["x", 1]}, other]
    (tmp_path / "run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = emulator("report", tmp_path / "run.jsonl")
    assert done.returncode == 0, done.stderr
    data = data_of(tmp_path / "run.html")
    assert "1 events are of kinds that this version does not know, and are left out." in data["notes"]


def test_ctrl_c_leaves_a_whole_report_of_the_run_so_far_under_another_name(tmp_path):
    report = tmp_path / "run.html"
    report.write_text("old")
    running = subprocess.Popen(
        [*COMMAND, "run", str(GUESTS / "bad_flood" / "machine.toml"), "--report", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout.read(1000)  # it prints, so it runs
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 130, errors
    partial = tmp_path / "run.partial.html"
    assert errors.decode() == f"\ngunyah-emu: interrupted\ngunyah-emu: {partial} holds the run as far as it came\n"
    assert report.read_text() == "old"
    assert data_of(partial)["notes"][0] == "This run was cut short: interrupted (Ctrl-C)."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.html", "run.partial.html"]


def small_files() -> None:
    """No file of this process may become longer than 20 kB: what a full disk is to a report."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_no_room_for_the_report_is_told_and_leaves_nothing_half_written(tmp_path):
    report = tmp_path / "run.html"
    report.write_text("old")
    done = emulator("run", DOORBELLS, "--report", report, preexec_fn=small_files)
    assert done.returncode == 2
    assert "SPI 8 (INTID 40) taken" in done.stdout
    assert done.stderr == f"gunyah-emu: {report}: the report cannot be written: File too large\n"
    assert report.read_text() == "old"
    assert list(tmp_path.iterdir()) == [report]


def test_no_room_for_the_trace_ends_the_run_and_the_rest_of_it_can_be_read(tmp_path):
    trace = tmp_path / "run.jsonl"
    done = emulator("run", GUESTS / "message_queue" / "machine.toml", "--trace", trace, preexec_fn=small_files)
    assert done.returncode == 2
    assert done.stderr == (
        f"gunyah-emu: {trace}: the trace file cannot be written: File too large\n"
    ) or done.stderr.endswith(f"{trace}.partial holds the run as far as it came\n")
    assert not trace.exists()
    done = emulator("report", f"{trace}.partial")
    assert done.returncode == 0, done.stderr
    assert any("cut off" in note for note in data_of(tmp_path / "run.html")["notes"])
