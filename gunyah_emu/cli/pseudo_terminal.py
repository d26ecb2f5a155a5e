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

DRAIN_SECONDS = 2.0
"""Seconds at the end of a run without anything being read, after which whoever was attached is taken to have left."""

DRAIN_STEP, DRAIN_QUIET = 0.02, 3
"""Seconds between two looks at what is unread, and how many must find nothing."""


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
        self._put = 0
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
                count = os.write(self._master, waiting[:CHUNK])
                self._put += count
                del waiting[:count]
        except BlockingIOError:
            pass

    def _unread(self) -> int:
        """Bytes that are on their way to whoever is attached; what waits for room counts when it is there."""
        import fcntl
        import termios

        return int.from_bytes(fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)), "little")

    def close(self) -> None:
        """Let whoever is attached read the rest, which hanging up would destroy; then hang up."""
        left, end, quiet = -1, 0.0, 0
        while quiet < DRAIN_QUIET:
            self.put_output()
            time.sleep(DRAIN_STEP)  # the kernel hands it over behind our back
            unread = self._unread()
            if unread == self._put:  # nobody has ever read anything
                break
            if unread != left:
                left, end = unread, time.monotonic() + DRAIN_SECONDS
            elif time.monotonic() > end:
                break
            quiet = 0 if unread else quiet + 1
        os.close(self._master)
        os.close(self._slave)
