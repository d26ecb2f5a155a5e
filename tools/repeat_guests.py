"""Runs every guest again and again while other processes take the CPU: each run must be the one before it.

    python tools/repeat_guests.py [--runs 20] [--load 1] [--way auto]

Every machine file of guest_images/ and docs/examples/ is run once a round, each round in a process of its own; what is
compared is the digest of all events, the instructions, the exit status and every console.  The status is 1 when
anything differed in any round.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("guest_images", "docs/examples")
ROUNDS = "rounds=20"
"""What a benchmark is given: it runs for minutes otherwise."""

ENOUGH = 20_000_000
"""Instructions of each run: bad_loop never ends."""

BUSY = "while True: sum(range(100_000))"


def machine_files() -> list[Path]:
    """Those whose images are checked in."""
    from gunyah_emu.errors import UserError
    from gunyah_emu.machine.config import MachineConfig

    found = []
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*/*.toml")):
        try:
            MachineConfig.from_toml(path)
        except UserError:
            continue  # an example whose kernel must be fetched first
        found.append(path.relative_to(ROOT))
    return found


def one_run(path: Path, way: str) -> list[object]:
    """What a run came to."""
    from gunyah_emu import Machine
    from gunyah_emu.events import DigestSink
    from gunyah_emu.machine.config import MachineConfig

    config = MachineConfig.from_toml(path)
    if path.parent.name.startswith("bench_"):
        for vm in config.vms:
            vm.bootargs = f"{ROUNDS} {vm.bootargs}"
    with Machine(config, way=way) as machine:  # type: ignore[arg-type]  # one of argparse's choices
        digest = DigestSink()
        machine.record(digest)
        outcome = machine.run(max_instructions=ENOUGH, max_virtual_ns=10_000_000_000)
        consoles = hashlib.sha256(b"\0".join(vm.console.data for vm in machine.vms)).hexdigest()
        return [digest.hexdigest(), digest.count, outcome.instructions, outcome.exit_status, consoles]


def one_round(way: str) -> None:
    """Run all of them, and print what each came to: a round's process."""
    for path in machine_files():
        print(json.dumps([str(path), *one_run(path, way)]), flush=True)


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that compute and nothing else."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main() -> int:
    """Compare the rounds; 1 when any differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="rounds (default: 20)")
    parser.add_argument("--load", type=int, default=1, help="processes that only compute meanwhile (default: 1)")
    parser.add_argument("--way", choices=("auto", "fast", "portable"), default="auto")
    parser.add_argument("--round", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.round:
        one_round(arguments.way)
        return 0
    from rich.progress import track

    first: dict[str, str] = {}
    differ = 0
    began = time.monotonic()
    with load(arguments.load):
        for number in track(range(1, arguments.runs + 1), description="rounds", transient=True):
            command = [sys.executable, __file__, "--round", "--way", arguments.way]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            for line in done.stdout.splitlines():
                name = json.loads(line)[0]
                if first.setdefault(name, line) != line:
                    differ += 1
                    print(f"round {number} differs: {line}\n      the first was: {first[name]}")
    events = sum(json.loads(line)[2] for line in first.values())
    print(
        f"{arguments.runs} rounds of {len(first)} machines ({events:,} events each) beside {arguments.load} busy "
        f"processes in {time.monotonic() - began:.0f} s: {differ} differ"
    )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
