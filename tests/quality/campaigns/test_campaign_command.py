"""`gunyah-emu campaign` runs every combination and groups what came of it."""

import json
import subprocess
import sys
from pathlib import Path

GUESTS = Path(__file__).parents[3] / "guest_images"


def campaign(*words: str):
    command = [sys.executable, "-m", "gunyah_emu", "campaign", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_runs_that_end_alike_are_one_group_whoever_runs_them(tmp_path):
    files = []
    for jobs in ("1", "2"):
        files.append(tmp_path / f"{jobs}.json")
        ran = campaign(
            str(GUESTS / "doorbell_irq" / "machine.toml"),
            *("--seeds", "0-1", "--quanta", "1000,30000", "--cpus", "cortex-a72,max", "-j", jobs),
            *("--json", str(files[-1])),
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.splitlines()[-1] == "8 runs, 1 different end"
    assert files[0].read_bytes() == files[1].read_bytes()
    runs = json.loads(files[0].read_text())
    assert [(run["seed"], run["quantum"], run["cpu"]) for run in runs][:3] == [
        (0, 1000, "cortex-a72"),
        (0, 1000, "max"),
        (0, 30000, "cortex-a72"),
    ]


def test_a_machine_that_crashes_is_no_success():
    ran = campaign(str(GUESTS / "bad_jump" / "machine.toml"), "-j", "1", "--max-instructions", "1M")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "1 runs, 1 different end"


def test_wrong_options_are_refused_with_a_cure():
    hello = str(GUESTS / "hello" / "machine.toml")
    assert (
        "must be numbers and ranges such as 0-99 or 1000,30000, not '9-1'" in campaign(hello, "--seeds", "9-1").stderr
    )
    assert (
        "must be some of cortex-a53, cortex-a57, cortex-a72, max, not 'z80'" in campaign(hello, "--cpus", "z80").stderr
    )
    ran = campaign(hello, "--dask", "tcp://127.0.0.1:1", "-j", "1")
    assert ran.returncode == 2
    assert "--dask must be the address of a Dask scheduler; tcp://127.0.0.1:1" in ran.stderr
    assert "Traceback" not in ran.stderr
