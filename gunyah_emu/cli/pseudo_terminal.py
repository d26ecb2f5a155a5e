"""A VM's console at a pseudo-terminal, for another window to attach to: `screen /dev/pts/7`.

We keep the other end open ourselves: so the path stays valid while nobody is attached, and whoever attaches sees what
was printed before.
"""

from __future__ import annotations

import os
import time
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.machine.vm import VirtualMachine

CHUNK = 4096
INPUT_LIMIT = 1 << 16
"""Bytes that wait for a guest before the line is not read any more: whoever writes there is held up."""

OUTPUT_LIMIT = 1 << 20
"""Bytes that wait for somebody to attach; then the older half is dropped."""

DRAIN_SECONDS, DRAIN_STEP = 1.0, 0.02


class PseudoTerminal:
    """A port of the world: a pseudo-terminal at a VM's console.

    Arguments:
        vm: whose console.

    Attributes:
        path: what to attach to.
    """

    def __init__(self, vm: VirtualMachine) -> None:
        self._vm = vm
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._waiting = bytearray()
        vm.console.expects_input = True

    def write(self, data: bytes) -> None:
        """Take output of the guest; it is passed on in larger pieces."""
        waiting = self._waiting
        waiting += data
        if len(waiting) > OUTPUT_LIMIT:
            del waiting[: OUTPUT_LIMIT // 2]

    def fileno(self) -> int:
        """Our end."""
        return self._master

    @property
    def is_open(self) -> bool:
        """While the VM lives and keeps up: somebody may attach at any time."""
        return self._vm.exit_status is None and self._vm.console.pending_input < INPUT_LIMIT

    @property
    def wants_input(self) -> bool:
        """The same."""
        return self.is_open

    @property
    def wants_output(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def take_input(self) -> None:
        """Type what was typed."""
        self._vm.console.type(os.read(self._master, CHUNK))

    def put_output(self) -> None:
        """Pass on as much as there is room for."""
        waiting = self._waiting
        try:
            while waiting:
                del waiting[: os.write(self._master, waiting[:CHUNK])]
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Let whoever is attached read the rest, if somebody does, and hang up."""
        import fcntl
        import termios

        end = time.monotonic() + DRAIN_SECONDS
        left = None
        while time.monotonic() < end:
            self.put_output()
            unread = int.from_bytes(fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)), "little")
            if not unread + len(self._waiting) or unread + len(self._waiting) == left:
                break
            left = unread + len(self._waiting)
            time.sleep(DRAIN_STEP)
        os.close(self._master)
        os.close(self._slave)
