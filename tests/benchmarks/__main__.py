"""`make bench`: medians of five runs, each run a process of its own, what is compared run in turn.

Every figure is a number, or null where it cannot be had here (QEMU is not installed).  Machines are noisy: compare
ratios of one run, not figures of two.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).parents[2]
GUESTS = ROOT / "guest_images"
QEMU = shutil.which("qemu-system-aarch64")
LINUX = Path("~/.cache/gunyah_emu").expanduser()
"""Where tools/fetch_guests.py puts Debian's kernel; without it the boot is not measured."""
EMULATOR = [str(Path(sys.executable).with_name("gunyah-emu")), "run"]

Figures = dict[str, list[float]]


def process(command: list[str]) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=300)
    return time.perf_counter() - began


def measured(machine: Path, *arguments: str) -> dict[str, float]:
    """What `tests.benchmarks.measure` says about one machine file."""
    command = [sys.executable, "-m", "tests.benchmarks.measure", *arguments, str(machine)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=300).stdout)


def qemu(image: Path) -> list[str]:
    """The same ELF on QEMU's virt machine."""
    assert QEMU is not None
    machine = ["-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-m", "64", "-nographic", "-net", "none"]
    return [QEMU, *machine, "-semihosting-config", "enable=on,target=native", "-kernel", str(image)]


def speed(workload: str, mmu: str) -> Callable[[Figures], None]:
    image = GUESTS / f"bench_{workload}" / f"bench_{workload}_mmu_{mmu}.elf"
    machine = GUESTS / f"bench_{workload}" / f"mmu_{mmu}.toml"

    def measure(figures: Figures) -> None:
        one = measured(machine)
        key = f"guest_mips.{workload}.mmu_{mmu}"
        figures.setdefault(f"{key}.emulator", []).append(one["instructions"] / one["seconds"] / 1e6)
        if QEMU is not None:
            figures.setdefault(f"{key}.qemu", []).append(one["instructions"] / process(qemu(image)) / 1e6)

    return measure


def rate(key: str, folder: str, per_round: int = 1) -> Callable[[Figures], None]:
    def measure(figures: Figures) -> None:
        one = measured(GUESTS / folder / "machine.toml")
        figures.setdefault(key, []).append(one["rounds"] * per_round / one["seconds"])

    return measure


def cold_start(figures: Figures) -> None:
    hello = str(GUESTS / "hello" / "hello.elf")
    figures.setdefault("cold_start_s.emulator", []).append(process([*EMULATOR, hello]))
    figures.setdefault("cold_start_s.import_unicorn", []).append(process([sys.executable, "-c", "import unicorn"]))


def creation(figures: Figures) -> None:
    figures.setdefault("machine_create_ms", []).append(
        measured(GUESTS / "hello" / "machine.toml", "--create")["machine_create_ms"]
    )


def coverage_cost(load: str, folder: str, file: str) -> Callable[[Figures], None]:
    """How much longer a run takes that is covered: lines, functions and hypercalls."""

    def measure(figures: Figures) -> None:
        machine = GUESTS / folder / file
        plain, covered = measured(machine)["seconds"], measured(machine, "--covered")["seconds"]
        figures.setdefault(f"coverage_cost.{load}", []).append(covered / plain)

    return measure


def memory(figures: Figures) -> None:
    figures.setdefault("peak_memory_mib", []).append(
        measured(GUESTS / "doorbell_irq" / "machine.toml")["peak_memory_mib"]
    )


def linux_boot(figures: Figures) -> None:
    """Debian's kernel from the start of the process to its power-off, running two commands between."""
    machine = LINUX / "linux_commands.toml"
    if not machine.exists():
        return
    figures.setdefault("linux_boot_s.emulator", []).append(process([*EMULATOR, str(machine)]))
    if QEMU is not None:
        with machine.open("rb") as file:
            vm = tomllib.load(file)["vm"][0]
        board = [QEMU, "-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-m", "256", "-nographic", "-net", "none"]
        images = ["-kernel", str(LINUX / vm["image"]), "-initrd", str(LINUX / vm["initrd"]), "-append", vm["bootargs"]]
        figures.setdefault("linux_boot_s.qemu", []).append(process([*board, "-no-reboot", *images]))


def snapshots(figures: Figures) -> None:
    """States of a machine of 64 MiB."""
    for key, value in measured(GUESTS / "hello" / "hello.elf", "--snapshots").items():
        figures.setdefault(key, []).append(value)


def report(figures: Figures) -> None:
    """Writing a report of 100,000 events, opening it in Chromium where there is one, and what traces cost."""
    command = [sys.executable, "-m", "tests.benchmarks.report"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=300)
    for key, value in json.loads(found.stdout).items():
        figures.setdefault(key, []).append(value)


def suite(what: str) -> Callable[[Figures], None]:
    """What the pytest plugin costs, by `tests.benchmarks.suite`."""

    def measure(figures: Figures) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.suite", what]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=900)
        for key, value in json.loads(done.stdout).items():
            figures.setdefault(f"pytest.{key}", []).append(value)

    return measure


BENCHMARKS: dict[str, Callable[[Figures], None]] = {
    **{f"guest_mips.{load}.mmu_{mmu}": speed(load, mmu) for load in ("tight", "c") for mmu in ("off", "on")},
    "hypercalls_per_s.identify": rate("hypercalls_per_s.identify", "bench_identify"),
    "hypercalls_per_s.doorbell_send": rate("hypercalls_per_s.doorbell_send", "bench_doorbell_send"),
    "msgqueue_pairs_per_s": rate("msgqueue_pairs_per_s", "bench_msgqueue"),
    "virq_round_trips_per_s": rate("virq_round_trips_per_s", "bench_virq"),
    "ping_pong_round_trips_per_s": rate("ping_pong_round_trips_per_s", "bench_ping_pong"),
    "coverage_cost.tight": coverage_cost("tight", "bench_tight", "mmu_on.toml"),
    "coverage_cost.c": coverage_cost("c", "bench_c", "mmu_on.toml"),
    "coverage_cost.hypercalls": coverage_cost("hypercalls", "bench_doorbell_send", "machine.toml"),
    "coverage_cost.ping_pong": coverage_cost("ping_pong", "bench_ping_pong", "machine.toml"),
    "linux_boot_s": linux_boot,
    "cold_start_s": cold_start,
    "machine_create_ms": creation,
    "peak_memory_mib": memory,
    "snapshot_64mib_ms": snapshots,
    "report": report,
    "pytest.overhead": suite("overhead"),
    "pytest.speed_up": suite("speed-up"),
}
KEYS = [
    *(
        f"guest_mips.{load}.mmu_{mmu}.{who}"
        for load in ("tight", "c")
        for mmu in ("off", "on")
        for who in ("emulator", "qemu")
    ),
    "hypercalls_per_s.identify",
    "hypercalls_per_s.doorbell_send",
    "msgqueue_pairs_per_s",
    "virq_round_trips_per_s",
    "ping_pong_round_trips_per_s",
    *(f"coverage_cost.{load}" for load in ("tight", "c", "hypercalls", "ping_pong")),
    "linux_boot_s.emulator",
    "linux_boot_s.qemu",
    "cold_start_s.emulator",
    "cold_start_s.import_unicorn",
    "machine_create_ms",
    "peak_memory_mib",
    *(f"snapshot_64mib_ms.{what}" for what in ("take", "restore_all", "restore_none")),
    *(f"report_{what}" for what in ("write_s", "size_kib", "open_s", "draw_ms.whole", "draw_ms.part")),
    *(f"trace_us_per_event.{name}" for name in ("jsonl", "pftrace")),
    *(f"pytest.{what}" for what in ("test_own_ms", "test_overhead_ms.python", "test_overhead_ms.files")),
    *(f"pytest.suite_{what}" for what in ("n0_s", "n2_s", "speed_up")),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench BENCH=...", description=__doc__)
    parser.add_argument("names", nargs="*", help="only benchmarks whose name starts so")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, the median counts (default: 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "bench.json")
    arguments = parser.parse_args()
    chosen = {
        name: benchmark
        for name, benchmark in BENCHMARKS.items()
        if not arguments.names or name.startswith(tuple(arguments.names))
    }
    figures: Figures = {}
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=len(chosen) * arguments.runs)
        for name, benchmark in chosen.items():
            for _ in range(arguments.runs):
                progress.update(task, description=name)
                benchmark(figures)
                progress.advance(task)
    result = {key: round(median(figures[key]), 6) if key in figures else None for key in KEYS}
    table = Table("figure", "median", "min", "max", title=f"medians of {arguments.runs}")
    for key, value in result.items():
        if value is not None:
            table.add_row(
                key,
                *(
                    f"{number:,.4g}" if number < 1000 else f"{number:,.0f}"
                    for number in (value, min(figures[key]), max(figures[key]))
                ),
            )
    console.print(table)
    partial = arguments.output.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n")
    partial.replace(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
