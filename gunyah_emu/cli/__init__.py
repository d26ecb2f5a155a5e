"""The command line: `gunyah-emu COMMAND`.

argparse, not a richer library: the whole of `gunyah-emu run hello.elf` takes about 100 ms, of which cyclopts or typer
would be another 70 (measured: import 73 and 61 ms against 8).  Each command's module is imported when it is chosen.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from importlib import import_module

from gunyah_emu.errors import UserError

STATUS_USER_ERROR = 2
STATUS_INTERRUPTED = 130

COMMANDS: dict[str, str] = {
    "demo": "two VMs and one doorbell, in a second",
    "run": "run a machine file, or one or more images, a VM each",
    "debug": "a machine that GDB moves, forwards and backwards: an inferior for each VM, a thread for each vCPU",
    "step": "step from hypercall to hypercall, from interrupt to interrupt, forwards and backwards",
    "why": "what led to an event of a trace, what came of it, and why an interrupt did not arrive",
    "trace": "what is different between two traces, and how it came about",
    "report": "make a page with timeline, consoles and events of a trace",
    "campaign": "run a machine with many seeds, quanta and CPU models, and say what that changes",
    "coverage": "add coverage files of runs, and say what they hold",
    "faults": "let every hypercall of a machine fail in every way it may, and say what came of it",
    "hypercalls": "the table of hypercalls, from their declarations",
    "conformance": "replay sequences recorded on the real hypervisor; status 1 when anything differs",
    "doctor": "test the CPU engine and say which way it takes, and why",
}
"""Each is a module of this package, imported when it is chosen: `add_arguments(parser)`, `run(arguments) -> status`; a
module's `EPILOG`, where it has one, ends its help."""


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command line; only the command that it names has its arguments."""
    parser = argparse.ArgumentParser(
        prog="gunyah-emu", description="Runs AArch64 guest binaries under a model of the Gunyah hypervisor."
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, about in COMMANDS.items():
        if name not in argv:
            commands.add_parser(name, help=about)
            continue
        module = import_module(f"gunyah_emu.cli.{name}")
        module.add_arguments(
            commands.add_parser(
                name,
                help=about,
                description=f"{about[0].upper()}{about[1:]}.",
                epilog=getattr(module, "EPILOG", None),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Arguments:
        argv: the arguments without the program's name; `sys.argv` by default.

    Returns: the exit status.
    """
    words = sys.argv[1:] if argv is None else argv
    parser = build_parser(words)
    arguments = parser.parse_args(words)
    if arguments.version:
        from gunyah_emu import __version__

        print(f"gunyah-emu {__version__}")
        return 0
    if arguments.command is None:
        parser.print_help()
        return STATUS_USER_ERROR
    try:
        status: int = import_module(f"gunyah_emu.cli.{arguments.command}").run(arguments)
        sys.stdout.flush()
    except UserError as error:
        sys.stdout.flush()
        print(f"gunyah-emu: {error}", file=sys.stderr)
        _print_notes(error)
        return STATUS_USER_ERROR
    except KeyboardInterrupt as interrupt:
        print("\ngunyah-emu: interrupted", file=sys.stderr)
        _print_notes(interrupt)
        return STATUS_INTERRUPTED
    except BrokenPipeError:
        _forget_output()  # its reader went away (`| head`)
        return STATUS_INTERRUPTED
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT, EFBIG, EIO):
            raise
        _forget_output()
        print(f"gunyah-emu: the output cannot be written: {error.strerror}", file=sys.stderr)
        return STATUS_USER_ERROR
    return status


def _print_notes(error: BaseException) -> None:
    """What was left behind, by whoever knew."""
    for note in getattr(error, "__notes__", ()):
        print(f"gunyah-emu: {note}", file=sys.stderr)


def _forget_output() -> None:
    """Nobody takes what is still buffered, and Python must not complain of that at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
