"""What the pytest plugin costs: a suite of 200 small machines, alone and on two workers.

`python -m tests.benchmarks.suite speed-up` and `... overhead` each print one JSON line.  The machines are two VMs that
ring each other's doorbells, some 200 milliseconds each; half of the tests are machine files, half are in Python.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gunyah_emu import Machine

PING_PONG = Path(__file__).parents[2] / "guest_images" / "bench_ping_pong"
TESTS = 200
ROUNDS = 8_000
PER_FILE = 10

EXPECT = """
[expect]
max_instructions = 1_000_000_000

[[expect.console]]
vm = "client"
contains = "rounds"
"""
MODULE = """
import pytest

@pytest.mark.parametrize("n", range({per_file}))
@pytest.mark.machine("machine.toml", max_instructions=1_000_000_000)
def test_ping_pong(machine, n):
    machine.vm("client").expect("rounds {rounds}")
    machine.expect_exit()
"""


def write(folder: Path, rounds: int, tests: int = TESTS) -> None:
    """A suite of so many tests, in the folders `files` and `python`."""
    text = (PING_PONG / "machine.toml").read_text().replace('bootargs = "', f'bootargs = "rounds={rounds} ')
    assert text.count("rounds=") == 2
    (folder / "pytest.ini").write_text("[pytest]\n")
    for kind in ("files", "python"):
        (folder / kind).mkdir()
        for image in PING_PONG.glob("*.elf"):
            shutil.copy(image, folder / kind)
    (folder / "python/machine.toml").write_text(text)
    for n in range(tests // 2):
        (folder / f"files/ring_{n}.machine.toml").write_text(text + EXPECT)
    for n in range(tests // 2 // PER_FILE):
        (folder / f"python/test_{n}.py").write_text(MODULE.format(per_file=PER_FILE, rounds=rounds))


def run(folder: Path, *arguments: str) -> float:
    """Seconds of a test run, which must pass."""
    began = time.perf_counter()
    # Only what these tests use, compiled, as in any environment but a developer's.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return time.perf_counter() - began


def computing(folder: Path, *arguments: str) -> float:
    """Seconds of computing that a test run in one process takes: what others do meanwhile does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(folder, *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def speed_up(folder: Path) -> dict[str, float]:
    """Alone, and on two workers."""
    write(folder, ROUNDS)
    run(folder, "--collect-only")
    alone = run(folder, "-n", "0")
    two = run(folder, "-n", "2")
    return {"suite_n0_s": alone, "suite_n2_s": two, "suite_speed_up": alone / two}


def overhead(folder: Path) -> dict[str, float]:
    """Of a test, over what its machine takes without pytest and with nothing recorded."""
    write(folder, 10)

    def machine() -> None:
        with Machine.from_toml(folder / "python/machine.toml") as made:
            made.run()

    machine()
    began = time.process_time()
    for _ in range(TESTS):
        machine()
    own = (time.process_time() - began) / TESTS
    tests = {}
    for kind, first in (("python", "python/test_0.py::test_ping_pong[0]"), ("files", "files/ring_0.machine.toml")):
        one = computing(folder, first)
        many = computing(folder, kind)
        tests[f"test_overhead_ms.{kind}"] = ((many - one) / (TESTS // 2 - 1) - own) * 1e3
    return {"test_own_ms": own * 1e3, **tests}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps({"speed-up": speed_up, "overhead": overhead}[sys.argv[1]](Path(scratch))))
