"""`gunyah-emu step`: from hypercall to hypercall and from interrupt to interrupt, forwards and backwards."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.cli.arguments import add_machine, count
from gunyah_emu.cli.run import load
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gunyah_emu.machine import Machine

EPILOG = """exit status:
  0       the script is done, or the person left
  2       a mistake in what the user asked for, or an `expect` of the script that is not met
  130     Ctrl-C

`gunyah-emu step MACHINE --batch -` reads verbs from standard input; `help` lists them.
"""

LIMIT = 1_000_000_000
"""Instructions after which a move of a script gives up."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to step through, and by whom."""
    add_machine(parser)
    parser.add_argument("--batch", metavar="SCRIPT | -", help="perform a script of verbs instead of opening a screen")
    parser.add_argument(
        "--limit", type=count, default=LIMIT, metavar="N", help="a script's move gives up after N instructions (1G)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Open the screen, or perform the script."""
    if arguments.batch is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("the stepper's screen needs a terminal; --batch SCRIPT or --batch - does without")
    script = _script(arguments.batch) if arguments.batch is not None else None
    with load(arguments.images, seed=arguments.seed, way=arguments.way) as machine:
        if script is None:
            from gunyah_emu.debug.stepper.app import run_app

            return run_app(machine)
        _batch(machine, script, arguments)
    return 0


def _script(path: str) -> Iterable[str]:
    """The lines of a script; of standard input as they come, so that a program can ask according to the answers."""
    if path == "-":
        return sys.stdin
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"the script cannot be read: {error.strerror}", path=path) from None
    except UnicodeDecodeError:
        raise UserError("a script must be UTF-8", path=path) from None


def _batch(machine: Machine, script: Iterable[str], arguments: argparse.Namespace) -> None:
    from gunyah_emu.cli.output import ConsolePrinter
    from gunyah_emu.debug.consoles import FirstTime
    from gunyah_emu.debug.stepper.batch import run_script
    from gunyah_emu.debug.stepper.stepper import Stepper
    from gunyah_emu.debug.stepper.verbs import Context
    from gunyah_emu.debug.stepper.views import Views

    printer = ConsolePrinter([vm.name for vm in machine.vms], always_named=True)
    machine.on_console(FirstTime(machine, printer.write))
    stepper = Stepper(machine, limit=arguments.limit)
    name = "standard input" if arguments.batch == "-" else arguments.batch
    try:
        # Flushed at once: what guests print goes around this buffer.
        run_script(Context(stepper, Views(stepper)), script, name, partial(print, flush=True))
    finally:
        printer.close()
        stepper.session.close()
