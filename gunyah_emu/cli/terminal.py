"""The terminal that a person sits at: raw while a guest has it, as it was before however the run ends.

Output processing stays on, as in QEMU's `-serial stdio`: a guest that ends its lines with a line feed alone must not
print a staircase, and one that sends CR LF looks the same.  A serial line carries no window size; a guest learns it as
from any serial terminal, by asking the terminal (`resize`).
"""

from __future__ import annotations

import atexit
import os
import signal
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

ESCAPE = 0x01
HELP = """
Ctrl-A h       this help
Ctrl-A x       leave: every VM stops
Ctrl-A Ctrl-A  send Ctrl-A
"""

FATAL_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Keys:
    """Finds Ctrl-A and what follows it in what is typed.

    Arguments:
        commands: what to call, by the byte behind Ctrl-A; an unknown one is dropped.
    """

    __slots__ = ("_commands", "_escaped")

    def __init__(self, commands: dict[int, Callable[[], None]]) -> None:
        self._commands = commands
        self._escaped = False

    def filter(self, data: bytes) -> bytes:
        """What the guest gets of this."""
        if not self._escaped and ESCAPE not in data:
            return data
        kept = bytearray()
        for byte in data:
            if not self._escaped:
                self._escaped = byte == ESCAPE
                if not self._escaped:
                    kept.append(byte)
                continue
            self._escaped = False
            if byte == ESCAPE:
                kept.append(byte)
            elif (command := self._commands.get(byte)) is not None:
                command()
        return bytes(kept)


class RawMode:
    """A terminal in raw mode, for a `with` statement; nothing happens to what is no terminal.

    It is given back at the end of the block, at the exit of the process, and before a signal that ends or stops the
    process does so.

    Arguments:
        fd: the terminal's descriptor.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._saved = termios.tcgetattr(fd) if os.isatty(fd) else None
        self._handlers: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> RawMode:
        if self._saved is not None:
            atexit.register(self._restore)
            for number in FATAL_SIGNALS:
                self._handlers[number] = signal.signal(number, self._on_end)
            self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._on_stop)
            self._handlers[signal.SIGCONT] = signal.signal(signal.SIGCONT, self._on_continue)
            self._make_raw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._saved is not None:
            self._restore()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            atexit.unregister(self._restore)

    def _make_raw(self) -> None:
        assert self._saved is not None
        iflag, oflag, cflag, lflag, ispeed, ospeed, characters = self._saved
        iflag &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        characters = list(characters)
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, characters])

    def _restore(self) -> None:
        """As it was.  What was typed for the guest and not read must not be taken for commands by the shell."""
        assert self._saved is not None
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
            termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)
        except termios.error:  # the terminal is gone, its window was closed: nothing is left to restore
            pass

    def _on_end(self, number: int, _frame: FrameType | None) -> None:
        self._restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        self._restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # returns when somebody continues the process
        signal.signal(number, self._on_stop)
        self._make_raw()

    def _on_continue(self, _number: int, _frame: FrameType | None) -> None:
        self._make_raw()
