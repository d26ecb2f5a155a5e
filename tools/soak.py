"""Runs a machine for as long as one likes, twice, and fails unless both are the same run and the host's memory stays.

    python tools/soak.py                                 an hour of guest_images/soak: four CPUs, timers, SGIs
    python tools/soak.py --minutes 5 --machine FILE.toml   another machine
    python tools/soak.py --linux                         Debian's kernel with four busy shells (tools/fetch_guests.py)

Half the time goes to a first run, as far as it gets; the second run gets as many instructions, and must have the same
digest over every event.  Memory is looked at between pieces of a run, after a first part that fills every cache.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress, TaskID

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from gunyah_emu import Machine, Reason  # noqa: E402 - from this checkout, wherever it is run from
from gunyah_emu.events import DigestSink  # noqa: E402

PIECE = 5_000_000
"""Instructions between two looks at the clock and at memory."""

WARM = 0.5
"""Part of a run after which memory must not grow any more."""

GROWTH_LIMIT = 16 << 20
"""Bytes by which the process may be larger at the end than when it was warm: allocators are not exact."""

FOR_EVER = 1 << 40

LINUX_LOAD = (
    "for n in 1 2 3 4; do (while :; do x=$((x + n)); echo $x | sha256sum > /dev/null; usleep 1000; done) & done; wait"
)


class Soaked(NamedTuple):
    """What a run was.

    Arguments:
        instructions: retired by all vCPUs.
        digest: over every event.
        events: how many.
        growth: bytes of the host's memory, from when it was warm to the end.
        seconds: wall-clock time.
    """

    instructions: int
    digest: str
    events: int
    growth: int
    seconds: float


def resident() -> int:
    """Bytes of this process that are in memory now, but for what is backed by files."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def soak(
    path: Path,
    *,
    seconds: float | None = None,
    instructions: int | None = None,
    commands: str | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Soaked:
    """Run a machine for a time, or for a number of instructions.

    Arguments:
        path: the machine file.
        seconds: wall-clock time, kept to a piece; or
        instructions: of all vCPUs, kept to a block.
        commands: typed at the first prompt of its first VM.
        progress: told the part that is done, 0..1.
    """
    gc.collect()  # the machine of an earlier run, and with it its RAM
    digest = DigestSink()
    began = time.monotonic()
    warm = 0
    with Machine.from_toml(path) as machine:
        machine.record(digest)
        if commands is not None:
            machine.vms[0].console.script([("\n# ", commands + "\n")])
        for vm in machine.vms:
            for ram in vm.engine.ram:  # a guest's use of its own RAM is no growth: have all of it now
                ram.memory[::4096] = bytes(ram.memory[::4096])
        part = 0.0
        while part < 1:
            left = PIECE if instructions is None else min(PIECE, instructions - machine.clock.instructions)
            outcome = machine.run(max_instructions=left)
            if outcome.reason is not Reason.INSTRUCTIONS:
                raise SystemExit(f"{path} must run for ever; it ended: {outcome.reason.value}, {outcome.messages}")
            if instructions is not None:
                part = outcome.instructions / instructions
            else:
                assert seconds is not None
                part = (time.monotonic() - began) / seconds
            if not warm and part >= WARM:
                warm = resident()
            progress(min(part, 1.0))
        growth = resident() - warm
        return Soaked(outcome.instructions, digest.hexdigest(), digest.count, growth, time.monotonic() - began)


def complaints(first: Soaked, second: Soaked) -> list[str]:
    """What is wrong with two runs that must be the same and must not grow; a sentence each."""
    found = [
        f"the {name} run must not grow by more than {GROWTH_LIMIT >> 20} MiB; it grew by {run.growth >> 20} MiB"
        for name, run in (("first", first), ("second", second))
        if run.growth > GROWTH_LIMIT
    ]
    if (first.instructions, first.events, first.digest) != (second.instructions, second.events, second.digest):
        found.append(f"two runs must be alike; they are {first[:3]} and {second[:3]}")
    return found


def endless(folder: Path) -> Path:
    """guest_images/soak with more rounds than anybody waits for."""
    source = ROOT / "guest_images/soak"
    path = folder / "soak.toml"
    text = (source / "machine.toml").read_text().replace("soak.elf", str(source / "soak.elf"))
    path.write_text(text + f'bootargs = "rounds={FOR_EVER}"\n')
    return path


def linux() -> Path:
    """The machine file of Debian's kernel on four vCPUs."""
    command = [sys.executable, str(ROOT / "tools/fetch_guests.py")]
    folder = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return Path(folder) / "linux_4_vcpus.toml"


def show(bar: Progress, task: TaskID, part: float) -> None:
    """Move a bar to where the run is."""
    bar.update(task, completed=part)


def main() -> int:
    """Soak with a progress bar; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="of both runs together (default: 60)")
    parser.add_argument("--machine", type=Path, help="a machine file that runs for ever (default: guest_images/soak)")
    parser.add_argument("--linux", action="store_true", help="Debian's kernel under load, fetched where it is missing")
    options = parser.parse_args()
    errors = Console(stderr=True)
    with tempfile.TemporaryDirectory() as scratch, Progress(console=errors) as bar:
        path = linux() if options.linux else options.machine or endless(Path(scratch))
        runs: list[Soaked] = []
        for name in ("first run", "second run"):
            task = bar.add_task(name, total=1.0)
            runs.append(
                soak(
                    path,
                    seconds=None if runs else options.minutes * 30,
                    instructions=runs[0].instructions if runs else None,
                    commands=LINUX_LOAD if options.linux else None,
                    progress=partial(show, bar, task),
                )
            )
    for run in runs:
        print(
            f"{run.instructions} instructions, {run.events} events in {run.seconds:.0f} s, "
            f"digest {run.digest[:16]}, memory {run.growth / (1 << 20):+.1f} MiB"
        )
    found = complaints(*runs)
    for complaint in found:
        print(complaint, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
