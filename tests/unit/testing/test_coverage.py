"""Coverage in files: the same on both ways, with one process or several, and nothing but what can be reached."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.errors import UserError
from gunyah_emu.testing import call_coverage, lcov
from gunyah_emu.testing.coverage import Coverage

GUESTS = Path(__file__).parents[3] / "guest_images"
ECHO = GUESTS / "message_queue" / "machine.toml"


def covered(path: Path, way: str = "auto") -> Coverage:
    coverage = Coverage()
    with Machine.from_toml(path, way=way) as machine:
        coverage.watch(machine)
        machine.run(max_instructions=5_000_000)
        coverage.take(machine)
    return coverage


@pytest.mark.parametrize("name", ["message_queue", "exceptions", "smp"])
def test_both_ways_give_the_same_file(name):
    fast, portable = (covered(GUESTS / name / "machine.toml", way) for way in ("auto", "portable"))
    assert fast.lcov().text() == portable.lcov().text()
    assert fast.calls == portable.calls


def test_a_line_that_runs_is_covered_and_one_that_does_not_is_not():
    found = covered(GUESTS / "planted" / "machine.toml").lcov().sources["guest_images/planted/main.c"]
    text = (GUESTS / "planted" / "main.c").read_text().splitlines()
    by_text = {text[line - 1].strip(): hits for line, hits in found.lines.items()}
    assert by_text['printf("rung\\n");'] == 1
    assert by_text['printf("the doorbell cannot be configured: error %d\\n", error);'] == 0
    assert found.functions["on_doorbell"] == 1
    assert found.functions["main"] == 1


def test_code_that_the_linker_left_out_is_in_no_file():
    lines = covered(GUESTS / "hello" / "machine.toml").lcov()
    assert all(name.startswith(("guest_images/hello/", "firmware/")) for name in lines.sources)
    assert all(line > 0 for source in lines.sources.values() for line in source.lines)


def test_vms_of_one_image_count_each():
    found = covered(GUESTS / "doorbell_flags" / "machine.toml").lcov()
    sender = found.sources["guest_images/doorbell_flags/sender.c"]
    assert max(sender.lines.values()) == 2  # and the third VM's image is another


def test_a_file_is_read_as_it_was_written_and_added_to_itself(tmp_path):
    whole = covered(ECHO).lcov()
    path = tmp_path / "a.info"
    path.write_text(whole.text())
    again = lcov.read(str(path))
    assert again.text() == whole.text()
    again.add(whole)
    assert again.totals() == whole.totals()
    assert "DA:" in again.text()


def test_a_file_that_is_none_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.info"
    path.write_text("TN:\nSF:a.c\nDA:one,1\n")
    with pytest.raises(UserError, match=r"a\.info:3:1: must be a line of an LCOV file; it is 'DA:one,1'"):
        lcov.read(str(path))


def test_every_result_that_a_call_gave_is_one_that_its_declaration_allows():
    for name in ("message_queue", "doorbell_flags", "root_vm", "root_proxy"):
        for (call, encoding, result), hits in covered(GUESTS / name / "machine.toml").calls.items():
            assert hits > 0
            assert result in (*call_coverage.allowed(call, encoding), "(blocked)"), (call, encoding)


def test_both_encodings_are_told_apart():
    calls = covered(GUESTS / "doorbell_flags" / "machine.toml").calls
    assert calls["doorbell_send", "native", "OK"]
    assert calls["doorbell_send", "smccc", "OK"]


def test_injected_errors_count_as_seen():
    coverage = Coverage()
    with Machine.from_toml(ECHO) as machine:
        machine.inject(call="msgqueue_send", error="CSPACE_CAP_REVOKED")
        coverage.watch(machine)
        machine.run(max_instructions=5_000_000)
    assert coverage.calls["msgqueue_send", "native", "CSPACE_CAP_REVOKED"] == 1


def test_hypercall_coverage_is_read_as_it_was_written(tmp_path):
    calls = covered(ECHO).calls
    path = tmp_path / "a.json"
    path.write_text(call_coverage.as_json(calls))
    assert call_coverage.read(str(path)) == calls
    assert "doorbell_send" in json.loads(path.read_text())["never_called"]
    path.write_text("{}")
    with pytest.raises(UserError, match="must be a hypercall coverage that gunyah_emu wrote"):
        call_coverage.read(str(path))


def test_a_test_run_has_one_coverage_however_many_workers_it_has(tmp_path):
    for number in range(3):
        text = ECHO.read_text() if number else (GUESTS / "doorbell_irq" / "machine.toml").read_text()
        folder = ECHO.parent if number else GUESTS / "doorbell_irq"
        text = text.replace('image = "', f'image = "{folder}/')
        (tmp_path / f"n{number}.machine.toml").write_text(text + "\n[expect]\nexit_status = 0\n")
    written = []
    for workers in ("0", "2"):
        files = [tmp_path / f"{workers}.info", tmp_path / f"{workers}.json"]
        options = ["--gunyah-coverage", str(files[0]), "--gunyah-hypercall-coverage", str(files[1])]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-n", workers, *options, str(tmp_path)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert f"{files[0]}: " in ran.stdout
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert b"client.c" in written[0][0]
