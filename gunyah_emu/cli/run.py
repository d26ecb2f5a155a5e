"""`gunyah-emu run`: machine files and images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.cli.arguments import EXIT_STATUSES, add_machine, count, seconds, vm_keys
from gunyah_emu.cli.output import ConsolePrinter
from gunyah_emu.errors import UserError
from gunyah_emu.machine import Machine, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gunyah_emu.machine import Outcome
    from gunyah_emu.machine.machine import Way


EPILOG = EXIT_STATUSES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, what to keep of it, when to stop, and who takes part."""
    add_machine(parser)
    parser.add_argument("--trace", metavar="FILE.jsonl", help="write every event, one JSON object a line")
    parser.add_argument(
        "--max-instructions", type=count, metavar="N", help="stop after N instructions of all vCPUs together"
    )
    parser.add_argument("--timeout", type=seconds, metavar="S", help="stop after S seconds of wall-clock time")
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


def load(images: list[str], *, seed: int | None, way: Way | None, keys: Mapping[str, object] | None = None) -> Machine:
    """The machine that the words of a command line mean: one machine file, or images, whose VMs have these keys."""
    tomls = [image for image in images if Path(image).suffix == ".toml"]
    if tomls and len(images) > 1:
        raise UserError(f"a machine file must stand alone; {len(images)} files were given")
    if tomls and keys:
        option = f"--{next(iter(keys)).replace('_', '-')}"
        raise UserError(f"{option} must be left out for a machine file, which says it itself", path=tomls[0])
    if tomls:
        return Machine.from_toml(tomls[0], seed=seed, way=way)
    return Machine.from_images(images, keys=keys, seed=seed, way=way)


def report(outcome: Outcome) -> None:
    """Say on standard error why the run ended, unless every VM ended by itself with status 0."""
    for line in outcome.messages:
        print(f"gunyah-emu: {line}", file=sys.stderr)
    if outcome.reason not in (Reason.EXITED, Reason.UNTIL):  # until: the person left
        spent = f"{outcome.instructions} instructions ({outcome.virtual_ns} ns of virtual time)"
        print(f"gunyah-emu: {outcome.reason.value} after {spent}", file=sys.stderr)


def _run(machine: Machine, arguments: argparse.Namespace) -> Outcome:
    """Run to the end, with nothing of the world let in."""
    printer = ConsolePrinter([vm.name for vm in machine.vms])
    machine.on_console(printer.write)
    try:
        return machine.run(max_instructions=arguments.max_instructions, timeout=arguments.timeout)
    finally:
        printer.close()


def run(arguments: argparse.Namespace) -> int:
    """Run what the arguments name; the exit status is the guest's or one of the documented ones."""
    with load(arguments.images, seed=arguments.seed, way=arguments.way, keys=vm_keys(arguments)) as machine:
        engine = machine.vms[0].engine
        if machine.way == "auto" and engine.way == "portable" and sys.stderr.isatty():
            print(f"gunyah-emu: some fifty times slower than it could be: {engine.why}", file=sys.stderr)
        if arguments.trace is not None:
            from gunyah_emu.events import JsonLinesSink

            machine.record(JsonLinesSink(arguments.trace))
        if arguments.interactive or arguments.pty or arguments.realtime is not None or arguments.console is not None:
            from gunyah_emu.cli import interactive

            outcome = interactive.run(machine, arguments)
        else:
            outcome = _run(machine, arguments)
    report(outcome)
    return outcome.exit_status
