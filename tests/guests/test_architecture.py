"""The architecture's rules hold for a guest: guests of ours check them, each check names its section of the manual.

The same ELF files run under QEMU, and must come to the same verdict there.  test_guest_images.py runs them with the
default schedule; here they run under others, because what depends on the schedule is what goes wrong between vCPUs.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections import deque
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.machine.chooser import Chooser
from gunyah_emu.machine.vm import VCpu

GUEST_IMAGES = Path(__file__).parents[2] / "guest_images"
GUESTS = sorted(path.name for path in GUEST_IMAGES.glob("arch_*"))
SEVERAL_VCPUS = ("arch_code", "arch_debug", "arch_gic", "arch_mmu", "arch_psci", "arch_smp", "arch_timer")
"""Those whose vCPUs work together; the others use one."""

ENOUGH = 100_000_000
CHECK = re.compile(r"(not )?ok (\d+) - (Arm ARM|IHI 0069|DEN 0022|DEN 0028) ([A-Z]?\d+(\.\d+)*) \S.*")

QEMU = shutil.which("qemu-system-aarch64")
QEMU_CPUS = {"machine": "cortex-a72", "max": "max"}
"""QEMU's model for a machine file, by the file's stem."""


class RandomSlices(Chooser):
    """Any ready vCPU comes next, for 1 to 16,384 instructions; short slices are as likely as long ones."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._random = random.Random(seed)

    def next_vcpu(self, ready: deque[VCpu]) -> VCpu:
        ready.rotate(self._random.randrange(len(ready)))
        return ready.popleft()

    def slice_length(self, vcpu: VCpu, others_ready: bool) -> int:
        return 1 << self._random.randrange(15)


def verdict(name: str, way: str, chooser: Chooser, file: str = "machine.toml") -> tuple[str, int]:
    """The console and the exit status of a guest."""
    with Machine.from_toml(GUEST_IMAGES / name / file, way=way) as machine:
        machine.chooser = machine.scheduler.chooser = chooser
        outcome = machine.run(max_instructions=ENOUGH)
        return machine.vm(name).console.text, outcome.exit_status


def expected(name: str) -> tuple[str, int]:
    """What every way, schedule and emulator must come to."""
    return (GUEST_IMAGES / name / "expected.console").read_text(), 0


@pytest.mark.parametrize("quantum", [20, 300, 3_000, 40_000])
@pytest.mark.parametrize("name", SEVERAL_VCPUS)
def test_the_length_of_slices_changes_no_verdict(name: str, quantum: int):
    assert verdict(name, "fast", Chooser(quantum=quantum)) == expected(name)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SEVERAL_VCPUS)
def test_no_schedule_changes_a_verdict(name: str, seed: int):
    assert verdict(name, "fast", RandomSlices(seed)) == expected(name)


@pytest.mark.parametrize("name", SEVERAL_VCPUS)
def test_the_portable_way_agrees_under_short_slices(name: str):
    assert verdict(name, "portable", Chooser(quantum=2_000)) == expected(name)


@pytest.mark.parametrize("name", GUESTS)
def test_each_check_holds_and_names_its_section(name: str):
    text, _status = expected(name)
    lines = text.splitlines()
    checks = [CHECK.fullmatch(line) for line in lines[:-2]]
    assert all(check is not None and check[1] is None for check in checks)
    assert [int(check[2]) for check in checks if check is not None] == list(range(1, len(checks) + 1))
    assert lines[-2:] == [f"1..{len(checks)}", f"# {name}: {len(checks)} checks, 0 failed"]


if QEMU is not None:

    @pytest.mark.parametrize(
        "machine_file",
        sorted(path for name in GUESTS for path in (GUEST_IMAGES / name).glob("*.toml")),
        ids=lambda path: f"{path.parent.name}/{path.stem}",
    )
    def test_qemu_comes_to_the_same_verdict(machine_file: Path):
        name = machine_file.parent.name
        command = [
            str(QEMU),
            *("-machine", "virt,gic-version=3", "-cpu", QEMU_CPUS[machine_file.stem], "-smp", "4"),
            *("-semihosting-config", "enable=on,target=native", "-nodefaults", "-display", "none"),
            *("-serial", "stdio", "-kernel", str(machine_file.with_name(f"{name}.elf"))),
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
        assert (result.stdout.replace("\r", ""), result.returncode) == expected(name)
