"""`gunyah-emu run`: machine files and images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from gunyah_emu.cli.arguments import EXIT_STATUSES, add_machine, count, seconds, vm_keys
from gunyah_emu.cli.covering import Covering
from gunyah_emu.cli.covering import add_arguments as add_covering
from gunyah_emu.cli.output import ConsolePrinter
from gunyah_emu.cli.recording import Recording
from gunyah_emu.cli.recording import add_arguments as add_recording
from gunyah_emu.errors import UserError
from gunyah_emu.machine import Machine, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gunyah_emu.machine import Outcome
    from gunyah_emu.machine.machine import Way


class Limits(TypedDict):
    """Arguments of `Machine.run`."""

    max_instructions: int | None
    max_virtual_ns: int | None
    timeout: float | None


EPILOG = EXIT_STATUSES

WHOLE = {".toml": "machine file", ".snapshot": "snapshot"}
"""Files that are a whole machine, by the end of their names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, what to keep of it, when to stop, and who takes part."""
    add_machine(parser)
    add_recording(parser)
    add_covering(parser)
    parser.add_argument(
        "--max-instructions", type=count, metavar="N", help="stop after N instructions of all vCPUs together"
    )
    parser.add_argument("--max-virtual-seconds", type=count, metavar="N", help="stop after N seconds of virtual time")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="stop after S seconds of wall-clock time")
    parser.add_argument(
        "--snapshot", metavar="FILE.snapshot", help="write the machine's state at the end; `run FILE.snapshot` goes on"
    )
    live = parser.add_argument_group("for people at a terminal")
    live.add_argument(
        "--interactive", action="store_true", help="standard input is the first VM's console; Ctrl-A x leaves"
    )
    live.add_argument("--console", metavar="VM", help="with --interactive: this VM's console instead")
    live.add_argument("--pty", action="store_true", help="the console of every (other) VM is a pseudo-terminal")
    live.add_argument(
        "--realtime",
        action=argparse.BooleanOptionalAction,
        help="sleep while every vCPU waits, instead of skipping that time (default with --interactive and --pty)",
    )


def load(
    images: list[str],
    *,
    seed: int | None,
    way: Way | None,
    quantum: int | None = None,
    keys: Mapping[str, object] | None = None,
) -> Machine:
    """The machine that the words of a command line mean: one machine file, or images, whose VMs have these keys."""
    named = next((image for image in images if Path(image).suffix in WHOLE), None)
    if named is None:
        return Machine.from_images(images, keys=keys, seed=seed, quantum=quantum, way=way)
    is_snapshot = Path(named).suffix == ".snapshot"
    what = WHOLE[Path(named).suffix]
    if len(images) > 1:
        raise UserError(f"a {what} must stand alone; {len(images)} files were given")
    options = {"seed": seed, "quantum": quantum, "way": way} if is_snapshot else {}
    said = [*(keys or {}), *(option for option, value in options.items() if value is not None)]
    if said:
        option = f"--{said[0].replace('_', '-')}"
        raise UserError(f"{option} must be left out for a {what}, which says it itself", path=named)
    if is_snapshot:
        return Machine.from_snapshot(named)
    return Machine.from_toml(named, seed=seed, quantum=quantum, way=way)


def report(outcome: Outcome) -> None:
    """Say on standard error why the run ended, unless every VM ended by itself with status 0."""
    for line in outcome.messages:
        print(f"gunyah-emu: {line}", file=sys.stderr)
    if outcome.reason not in (Reason.EXITED, Reason.UNTIL):  # until: the person left
        spent = f"{outcome.instructions} instructions ({outcome.virtual_ns} ns of virtual time)"
        print(f"gunyah-emu: {outcome.reason.value} after {spent}", file=sys.stderr)


def limits(arguments: argparse.Namespace) -> Limits:
    """What `Machine.run` may spend."""
    seconds = arguments.max_virtual_seconds
    return {
        "max_instructions": arguments.max_instructions,
        "max_virtual_ns": None if seconds is None else seconds * 1_000_000_000,
        "timeout": arguments.timeout,
    }


def _run(machine: Machine, arguments: argparse.Namespace) -> Outcome:
    """Run to the end, with nothing of the world let in."""
    printer = ConsolePrinter([vm.name for vm in machine.vms])
    machine.on_console(printer.write)
    try:
        return machine.run(**limits(arguments))
    finally:
        printer.close()


def run(arguments: argparse.Namespace) -> int:
    """Run what the arguments name; the exit status is the guest's or one of the documented ones."""
    recording = Recording(arguments)
    quantum, keys = arguments.quantum, vm_keys(arguments)
    with load(arguments.images, seed=arguments.seed, way=arguments.way, quantum=quantum, keys=keys) as machine:
        engine = machine.vms[0].engine
        if machine.way == "auto" and engine.way == "portable" and sys.stderr.isatty():
            print(f"gunyah-emu: some fifty times slower than it could be: {engine.why}", file=sys.stderr)
        recording.attach(machine)
        covering = Covering(arguments, machine)
        try:
            outcome = _run_as_asked(machine, arguments)
        except BaseException as error:
            recording.cut_short(error)
            raise
        recording.ended(outcome)
        report(outcome)  # now: what follows can fail
        covering.write()
        if arguments.snapshot is not None:
            machine.snapshot().save(arguments.snapshot)
    return outcome.exit_status


def _run_as_asked(machine: Machine, arguments: argparse.Namespace) -> Outcome:
    if arguments.interactive or arguments.pty or arguments.realtime is not None or arguments.console is not None:
        from gunyah_emu.cli import interactive

        return interactive.run(machine, arguments)
    return _run(machine, arguments)
