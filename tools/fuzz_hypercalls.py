"""Random hypercalls by a running root VM: how many, how fast, in how much memory; and that nothing of ours breaks.

    python tools/fuzz_hypercalls.py                            a million calls with seed 1
    python tools/fuzz_hypercalls.py --count 50000 --seed 7     others
    python tools/fuzz_hypercalls.py --seed 1 2 3 --way portable

The guest is guest_images/root_fuzz.  What comes back depends on seed and count alone.  A Python exception ends this
with its traceback, a guest that does not finish with status 1.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from array import array
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gunyah_emu import Machine, Reason  # noqa: E402 - after the path, so that a checkout needs no install
from gunyah_emu.hypervisor.hypervisor import CapabilityIdMode  # noqa: E402
from gunyah_emu.machine.config import MachineConfig  # noqa: E402
from gunyah_emu.machine.machine import Way  # noqa: E402

IMAGE = ROOT / "guest_images/root_fuzz/machine.toml"
INSTRUCTIONS_PER_CALL = 20_000
"""More than any run has needed; a guest that spends them hangs."""


class Result(NamedTuple):
    """One run, all of it a function of seed and count."""

    reason: Reason
    exit_status: int
    instructions: int
    messages: int
    succeeded: int
    kinds: int
    digest: int


def fuzz(seed: int, count: int, *, way: Way = "auto", capability_ids: CapabilityIdMode | None = None) -> Result:
    """Run the guest, with its parameters written into its memory before it starts."""
    config = MachineConfig.from_toml(IMAGE)
    if capability_ids is not None:
        config.capability_ids = capability_ids
    with Machine(config, way=way) as machine:
        words(machine, "fuzz_parameters", 2)[:] = memoryview(array("Q", [seed, count]))
        outcome = machine.run(max_instructions=1_000_000 + count * INSTRUCTIONS_PER_CALL)
        results = words(machine, "fuzz_results", 3)
        return Result(outcome.reason, outcome.exit_status, outcome.instructions, len(outcome.messages), *results)


def words(machine: Machine, symbol: str, count: int) -> memoryview:
    """The guest's own 64-bit words behind a symbol."""
    address = machine.vm("root").images[0].address_of(symbol)
    assert address is not None
    memory = machine.memory.view(address, 8 * count)
    assert memory is not None
    return memory.cast("Q")


def main() -> int:
    """Run each seed and report; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--count", type=int, default=1_000_000, help="calls (default: a million)")
    parser.add_argument("--way", choices=("auto", "fast", "portable"), default="auto")
    parser.add_argument("--capability-ids", choices=("sequential", "random"))
    options = parser.parse_args()
    failed = False
    for seed in options.seed:
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        result = fuzz(seed, options.count, way=options.way, capability_ids=options.capability_ids)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"seed {seed}: {options.count} calls, {result.succeeded} succeeded, of {result.kinds} kinds; "
            f"digest {result.digest:016x}\n"
            f"  {result.reason.name}, {result.instructions} instructions, {seconds:.1f} s, "
            f"{options.count / seconds:.0f} calls/s, peak memory {before >> 10} -> {after >> 10} MiB",
            flush=True,
        )
        failed |= (result.reason, result.exit_status) != (Reason.EXITED, 0)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
