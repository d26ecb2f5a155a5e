"""One measurement in a process of its own: run a machine file and print what it took as one JSON line.

`python -m tests.benchmarks.measure MACHINE.toml`.  The seconds are those of `Machine.run` alone.
"""

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from gunyah_emu import Machine


def run_machine(path: str, *, covered: bool = False) -> dict[str, float]:
    with Machine.from_toml(path) as machine:
        if covered:
            from gunyah_emu.testing.coverage import Coverage

            Coverage().watch(machine)
        began = time.perf_counter()
        outcome = machine.run()
        seconds = time.perf_counter() - began
        said = "\n".join(vm.console.text for vm in machine.vms)
    assert outcome.exit_status == 0, (path, outcome, said)
    printed = re.search(r"rounds (\d+)", said)
    return {
        "seconds": seconds,
        "instructions": outcome.instructions,
        "rounds": int(printed[1]) if printed else 0,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def create_machines(path: str) -> dict[str, float]:
    """Creation alone, in a process that is warm: what a test suite pays for each machine."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        machine = Machine.from_toml(path)
        times.append(time.perf_counter() - began)
        machine.close()
    return {"machine_create_ms": median(times[1:]) * 1e3}


def restore_states(path: str) -> dict[str, float]:
    """Taking and bringing back a state of 64 MiB, all of it touched: when all of it has changed, and when none has."""
    times: dict[str, list[float]] = {"take": [], "restore_all": [], "restore_none": []}

    def timed(name: str, call: Callable[[], object]) -> object:
        began = time.process_time()
        result = call()
        times[name].append((time.process_time() - began) * 1e3)
        return result

    with Machine.from_images([path], keys={"memory": {"base": 0x4000_0000, "size": "64MiB"}}) as machine:
        ram = machine.vms[0].engine.ram[0].memory
        assert len(ram) == 64 << 20
        machine.run(max_instructions=1000)
        ram[::4096] = bytes([1]) * (len(ram) // 4096)
        first = machine.snapshot()
        for number in range(2, 12):
            ram[8::4096] = bytes([number]) * (len(ram) // 4096)
            state = timed("take", partial(machine.snapshot, first))
            ram[16::4096] = bytes([number]) * (len(ram) // 4096)
            timed("restore_all", partial(machine.restore, state))
            timed("restore_none", partial(machine.restore, state))
    return {f"snapshot_64mib_ms.{name}": median(measured) for name, measured in times.items()}


if __name__ == "__main__":
    if sys.argv[1] == "--snapshots":
        print(json.dumps(restore_states(sys.argv[2])))
    elif sys.argv[1] == "--create":
        print(json.dumps(create_machines(sys.argv[2])))
    elif sys.argv[1] == "--covered":
        print(json.dumps(run_machine(sys.argv[2], covered=True)))
    else:
        print(json.dumps(run_machine(sys.argv[1])))
