"""One client at the other end of a socket: bytes in, bytes out, and Ctrl-C while the machine runs.

Whatever a client does, it only ever loses itself: a connection that breaks, or takes nothing any more, is over.
"""

from __future__ import annotations

import socket
from collections import deque
from select import select
from typing import Final

from gunyah_emu.debug.gdb.framing import Again, Damaged, Framer, Interrupt, Item, frame

PIECE: Final = 1 << 16
MOST_WAITING: Final = 64
"""Items that wait while the machine runs; a client that sends more at once is no debugger."""

PATIENCE: Final = 10.0
"""Seconds until a client that takes nothing is given up."""


class Gone(Exception):  # noqa: N818 - the way that most sessions end
    """The client is not there any more."""


class Connection:
    """A client.

    Arguments:
        client: its socket.
    """

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(PATIENCE)
        self._framer = Framer()
        self._waiting: deque[Item] = deque()
        self._last = b""
        self.acknowledges = True

    def fileno(self) -> int:
        """For `select`."""
        return self.socket.fileno()

    def is_waiting(self) -> bool:
        """Whether something came that nobody has looked at."""
        return bool(self._waiting)

    def receive(self) -> None:
        """Take what has come; Gone when the client has ended its side."""
        try:
            data = self.socket.recv(PIECE)
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        self._waiting.extend(self._framer.feed(data))

    def next(self) -> bytes | None:
        """The next packet, acknowledged; None when none is complete.  What a damaged one needs is done here."""
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, bytes):
                if self.acknowledges:
                    self._send(b"+")
                return item
            if isinstance(item, Again):
                self._send(self._last)
            elif isinstance(item, Damaged):
                self._send(b"-" if self.acknowledges else frame(b"E.damaged packet"))
            elif not isinstance(item, Interrupt):  # whoever stands cannot be interrupted
                self._send(b"+" if self.acknowledges else b"")
                self.reply(b"E.packet too long")
        return None

    def interrupted(self) -> bool:
        """Whether the client wants the machine back; asked while it runs.  Gone when the client is."""
        if select((self.socket,), (), (), 0)[0]:
            self.receive()  # once: a client that never stops sending does not stop the machine either
            if len(self._waiting) > MOST_WAITING:
                raise Gone
        for item in self._waiting:
            if isinstance(item, Interrupt):
                self._waiting.remove(item)
                return True
        return False

    def reply(self, payload: bytes) -> None:
        """Send a packet."""
        self._last = frame(payload)
        self._send(self._last)

    def _send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:
            raise Gone from None

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
