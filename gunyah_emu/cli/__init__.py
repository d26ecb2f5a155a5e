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

EXIT_STATUSES = """exit status:
  0..123  the guest's own: PSCI SYSTEM_OFF is 0, semihosting SYS_EXIT_EXTENDED any
  2       also: a mistake in what the user asked for
  124     the budget is spent (--max-instructions, --timeout)
  125     every vCPU waits and nothing can wake one
  126     a guest brought itself or the hypervisor to a stop
  130     Ctrl-C
"""


def _count(text: str) -> int:
    """A positive count: decimal or 0x..., underscores, or with k, M, G (powers of ten)."""
    multiplier = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:], 1)
    digits = text[:-1] if multiplier > 1 else text
    try:
        value = int(digits, 0) * multiplier
    except ValueError:
        value = 0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be a positive count such as 5000, 20M or 1G, not {text!r}")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, not {text!r}")
    return value


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run a machine file, or one or more ELF images, a VM each",
        epilog=EXIT_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("images", nargs="+", metavar="MACHINE.toml | IMAGE.elf", help="what to run")
    run.add_argument("--trace", metavar="FILE.jsonl", help="write every event, one JSON object a line")
    run.add_argument(
        "--max-instructions", type=_count, metavar="N", help="stop after N instructions of all vCPUs together"
    )
    run.add_argument("--timeout", type=_seconds, metavar="S", help="stop after S seconds of wall-clock time")
    run.add_argument(
        "--seed",
        type=lambda text: int(text, 0),
        metavar="N",
        help="where random numbers come from (default: the machine file's)",
    )
    run.add_argument(
        "--way", choices=("auto", "fast", "portable"), help="how to drive the CPU (default: the machine file's; auto)"
    )
    live = run.add_argument_group("for people at a terminal")
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


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="gunyah-emu", description="Runs AArch64 guest binaries under a model of the Gunyah hypervisor."
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo = commands.add_parser("demo", help="two VMs and one doorbell, in a second")
    demo.add_argument("--way", choices=("auto", "fast", "portable"), help="how to drive the CPU (default: auto)")
    _add_run(commands)
    hypercalls = commands.add_parser("hypercalls", help="the table of hypercalls, from their declarations")
    hypercalls.add_argument("pattern", nargs="?", help="only those whose name or number contains this")
    conformance = commands.add_parser(
        "conformance", help="replay sequences recorded on the real hypervisor; status 1 when anything differs"
    )
    conformance.add_argument("files", nargs="+", metavar="FILE.jsonl", help="recordings of the schema gunyah-oracle-1")
    conformance.add_argument(
        "--by",
        choices=("direct", "guest", "both"),
        default="both",
        help="straight into the dispatcher, by a guest's real instructions in a root VM, or both (default)",
    )
    conformance.add_argument("--quiet", action="store_true", help="say nothing of files without a difference")
    doctor = commands.add_parser("doctor", help="test the CPU engine and say which way it takes, and why")
    doctor.add_argument(
        "--way", choices=("auto", "fast", "portable"), default="auto", help="the way that must work (default: auto)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Arguments:
        argv: the arguments without the program's name; `sys.argv` by default.

    Returns: the exit status.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
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
        return STATUS_USER_ERROR
    except KeyboardInterrupt:
        print("\ngunyah-emu: interrupted", file=sys.stderr)
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


def _forget_output() -> None:
    """Nobody takes what is still buffered, and Python must not complain of that at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
