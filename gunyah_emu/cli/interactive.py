"""`gunyah-emu run --interactive`, `--pty`, `--realtime`: a run that somebody watches."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from gunyah_emu.cli.output import ConsolePrinter
from gunyah_emu.cli.pseudo_terminal import INPUT_LIMIT, PseudoTerminal
from gunyah_emu.cli.run import limits
from gunyah_emu.cli.terminal import HELP, Keys, RawMode
from gunyah_emu.errors import UserError
from gunyah_emu.machine.world import World

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from gunyah_emu.machine import Machine, Outcome
    from gunyah_emu.machine.vm import VirtualMachine

CHUNK = 4096
TYPED_LIMIT = 1 << 20
"""Bytes of a paste that wait for a guest; the terminal is read all the same, for Ctrl-A x, and more is dropped."""


class StandardInput:
    """A port of the world: standard input at a VM's console, a terminal or anything else.

    Arguments:
        vm: whose console.
        fd: the descriptor.
        output: where to answer the person.

    Attributes:
        left: whether the person typed Ctrl-A x.
    """

    def __init__(self, vm: VirtualMachine, fd: int, output: Output) -> None:
        self._vm = vm
        self._fd = fd
        self._ended = False
        self._output = output
        self.left = False
        commands = {ord("x"): self._leave, ord("h"): self._help}
        self._keys = Keys(commands) if os.isatty(fd) else None
        self._limit = INPUT_LIMIT if self._keys is None else TYPED_LIMIT
        self._is_heard = False
        vm.console.expects_input = True

    def fileno(self) -> int:
        """Standard input."""
        return self._fd

    @property
    def is_open(self) -> bool:
        """Until the end of the input, or of the VM, and while that keeps up."""
        return not self._ended and self._vm.exit_status is None and self._vm.console.pending_input < self._limit

    @property
    def wants_input(self) -> bool:
        """A terminal always is, for Ctrl-A x; a file as fast as the guest reads it, once it listens.

        A guest that sets up its UART empties it, and what is piped into the run is there from the beginning: nobody
        would see that it is lost, and repeat it.
        """
        if self._keys is not None:
            return not self._ended
        if not self._is_heard:
            uart = self._vm.uart
            self._is_heard = uart is None or uart.is_listening or self._vm.console.is_awaited
        return self._is_heard and self.is_open

    def take_input(self) -> None:
        """Type what was typed, but for our own keys."""
        try:
            data = os.read(self._fd, CHUNK)
        except OSError:  # the terminal is gone
            data = b""
        console = self._vm.console
        if not data:
            self._ended = True
            console.end_input()
            return
        if self._keys is not None:
            data = self._keys.filter(data)
        if self.is_open:
            console.type(data)
        elif self._vm.exit_status is None:
            self._output.say("\a")

    def _leave(self) -> None:
        self._output.say("\n")
        self.left = True

    def _help(self) -> None:
        self._output.say(HELP)

    # output has a port of its own in the world, because it goes to another descriptor

    wants_output = False

    def put_output(self) -> None:
        """Nothing is ever to be written here."""


class Output:
    """Standard output: one console's bytes as they come, other consoles' lines with their VM's name.

    It is a port of the world, which pushes it out between slices.

    Arguments:
        console: the VM whose console the terminal is; None: lines of all VMs.
        names: the VMs that are shown here.
    """

    is_open = wants_input = False

    def __init__(self, console: str | None, names: list[str], stream: BinaryIO | None = None) -> None:
        self._stream = sys.stdout.buffer if stream is None else stream
        self._console = console
        self._lines = ConsolePrinter(names, self._stream)
        self._in_line = False
        self._unflushed = False

    def write(self, name: str, data: bytes) -> None:
        """Take bytes that a VM printed."""
        self._unflushed = True
        if name == self._console:
            self._stream.write(data)
            self._in_line = not data.endswith(b"\n")
            return
        if self._in_line and b"\n" in data:
            self._stream.write(b"\n")
            self._in_line = False
        self._lines.write(name, data)

    def say(self, text: str) -> None:
        """Print something of our own."""
        self._stream.write(text.encode())
        self._unflushed = True

    def fileno(self) -> int:
        """Standard output."""
        return self._stream.fileno()

    @property
    def wants_output(self) -> bool:
        """Whether something was written since the last flush."""
        return self._unflushed

    def put_output(self) -> None:
        """Push it out."""
        self._stream.flush()
        self._unflushed = False

    def take_input(self) -> None:
        """Never asked for."""

    def close(self) -> None:
        """Print what is held back."""
        self._lines.close()


def _chosen(machine: Machine, arguments: argparse.Namespace) -> VirtualMachine | None:
    """The VM whose console the terminal is."""
    if not arguments.interactive:
        if arguments.console is not None:
            raise UserError("--console names the VM that --interactive is for; that is not given")
        return None
    if arguments.console is None:
        return machine.vms[0]
    try:
        return machine.vm(arguments.console)
    except KeyError as error:
        raise UserError(f"--console: {error.args[0]}") from None


def _attach(vm: VirtualMachine, output: Output, world: World, stack: ExitStack) -> Callable[[], bool]:
    """Give the terminal to a VM; tells whether the person has left."""
    if sys.stdin is None:
        raise UserError("--interactive reads standard input, which is closed")
    fd = sys.stdin.fileno()
    source = StandardInput(vm, fd, output)
    world.ports.append(source)
    stack.enter_context(RawMode(fd))
    if os.isatty(fd):
        print(f"gunyah-emu: this is the console of VM '{vm.name}'; Ctrl-A x leaves, Ctrl-A h helps", file=sys.stderr)
    return lambda: source.left


def run(machine: Machine, arguments: argparse.Namespace) -> Outcome:
    """Run with the world let in, until the machine ends or the person leaves."""
    chosen = _chosen(machine, arguments)
    ptys = {vm.name: PseudoTerminal(vm) for vm in machine.vms if vm is not chosen} if arguments.pty else {}
    shown = [vm.name for vm in machine.vms if vm.name not in ptys]
    output = Output(None if chosen is None else chosen.name, shown)

    def show(name: str, data: bytes) -> None:
        if (pty := ptys.get(name)) is not None:
            pty.write(data)
        else:
            output.write(name, data)

    machine.on_console(show)
    is_live = bool(chosen or ptys)
    world = World(machine.clock, realtime=is_live if arguments.realtime is None else arguments.realtime)
    world.ports += [output, *ptys.values()]
    machine.scheduler.world = world
    for name, pty in ptys.items():
        print(f"gunyah-emu: the console of VM '{name}' is at {pty.path}", file=sys.stderr)
    with ExitStack() as stack:
        for pty in ptys.values():
            stack.callback(pty.close)
        stack.callback(output.close)
        until = None
        if chosen is not None:
            until = _attach(chosen, output, world, stack)
        return machine.run(until=until, **limits(arguments))
