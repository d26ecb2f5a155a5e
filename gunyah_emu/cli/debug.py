"""`gunyah-emu debug`: a machine that GDB moves."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from gunyah_emu.cli.arguments import EXIT_STATUSES, add_machine, vm_keys
from gunyah_emu.cli.output import ConsolePrinter
from gunyah_emu.cli.run import load, report

if TYPE_CHECKING:
    from gunyah_emu.machine import Machine

EPILOG = EXIT_STATUSES
STATUS_KILLED = 130


def address(text: str) -> tuple[str, int]:
    """`[HOST:]PORT`; without a host nobody but this one can connect."""
    host, _, port_text = text.rpartition(":")
    port = int(port_text) if port_text.isdecimal() and port_text.isascii() else -1
    if not 0 <= port < 1 << 16:
        raise argparse.ArgumentTypeError(f"must be [HOST:]PORT with a port from 0 to 65535, not {text!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", port


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, and where GDB finds it."""
    add_machine(parser)
    parser.add_argument(
        "--gdb",
        type=address,
        default=("127.0.0.1", 0),
        metavar="[HOST:]PORT",
        help="where to wait for GDB (default: a free port of this host, for this host only)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve GDB until it ends the machine, or lets go of it and it ends."""
    with load(arguments.images, seed=arguments.seed, way=arguments.way, keys=vm_keys(arguments)) as machine:
        from gunyah_emu.debug.consoles import FirstTime

        printer = ConsolePrinter([vm.name for vm in machine.vms])
        machine.on_console(FirstTime(machine, printer.write))
        try:
            return _serve(machine, *arguments.gdb)
        finally:
            printer.close()


def _serve(machine: Machine, host: str, port: int) -> int:
    from gunyah_emu.debug.gdb.client_files import command_line
    from gunyah_emu.debug.gdb.server import Server
    from gunyah_emu.debug.session import Session

    server = Server(machine, Session(machine), host, port)
    try:
        print(f"gunyah-emu: waiting for GDB: {command_line(*server.address)}", file=sys.stderr, flush=True)
        halt = server.serve()
    finally:
        server.close()
    if halt is None or halt.outcome is None:
        return STATUS_KILLED
    report(halt.outcome)
    return halt.outcome.exit_status
