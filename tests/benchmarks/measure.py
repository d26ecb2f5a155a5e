"""One measurement in a process of its own: run a machine file and print what it took as one JSON line.

`python -m tests.benchmarks.measure MACHINE.toml`.  The seconds are those of `Machine.run` alone.
"""

import json
import re
import resource
import sys
import time
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


if __name__ == "__main__":
    if sys.argv[1] == "--create":
        print(json.dumps(create_machines(sys.argv[2])))
    elif sys.argv[1] == "--covered":
        print(json.dumps(run_machine(sys.argv[2], covered=True)))
    else:
        print(json.dumps(run_machine(sys.argv[1])))
