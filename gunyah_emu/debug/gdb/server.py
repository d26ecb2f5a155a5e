"""The server: waits for a client, answers its packets, waits for the next one.

One client at a time: a second one is turned away at once.  While nobody is there the machine stands where it stood,
unless the last client let go of it.  One thread does all of it: packets are answered between instructions.
"""

from __future__ import annotations

import socket
from select import select
from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.connection import Connection, Gone
from gunyah_emu.debug.gdb.stub import Stub
from gunyah_emu.debug.gdb.table import TABLE
from gunyah_emu.debug.points import HaltKind
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from gunyah_emu.debug.points import Halt
    from gunyah_emu.debug.session import Session
    from gunyah_emu.machine.machine import Machine

LOOPBACK: Final = "127.0.0.1"
SAY_BYTES: Final = 2000
"""Bytes of text that one packet to the person at the client holds."""

OVER: Final = (HaltKind.EXITED, HaltKind.IDLE, HaltKind.FATAL)
"""Where a machine that runs alone can go no further."""


class Server:
    """Serves one machine.

    Arguments:
        machine: the machine.
        session: what moves it.
        host, port: where to listen; port 0 lets the system choose.

    Errors: UserError when nobody can listen there.
    """

    def __init__(self, machine: Machine, session: Session, host: str = LOOPBACK, port: int = 0) -> None:
        self.stub = Stub(machine, session, TABLE)
        self._client: Connection | None = None
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._listener = socket.create_server((host, port), family=family, backlog=4)
        except (OSError, OverflowError) as error:
            raise UserError(f"GDB cannot be waited for at {host}:{port}: {error}") from None
        self.stub.interrupted = self._interrupted
        self.stub.say = self._say

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    def serve(self) -> Halt | None:
        """Serve clients until one ends the machine, or the machine ends while it runs alone.

        Returns: the halt that ended it; None when a client did.
        """
        while not self.stub.is_over:
            if self.stub.is_left:
                halt = self.stub.session.resume(interrupted=self._someone_waits)
                if halt.kind in OVER:
                    return halt
                self.stub.stops.remember(halt)
            client, _ = self._listener.accept()
            self._serve(client)
        return None

    def _serve(self, client: socket.socket) -> None:
        connection = self._client = Connection(client)
        try:
            self.stub.connected()
            while not self.stub.is_over:
                self._wait(connection)
                while (payload := connection.next()) is not None and not self.stub.is_over:
                    reply = self.stub.answer(payload)
                    if reply is not None:
                        connection.reply(reply)
                    connection.acknowledges = self.stub.acknowledges
                if self.stub.is_left and not connection.is_waiting():
                    break
        except Gone:
            self.stub.points.clear()
        finally:
            self._client = None
            connection.close()

    def _wait(self, connection: Connection) -> None:
        """Until the client has sent something."""
        while True:
            ready = select([connection.socket, self._listener], [], [])[0]
            if connection.socket in ready:
                connection.receive()  # first: whoever finds that it is gone makes room for the next
                return
            self._turn_away()

    def _turn_away(self) -> None:
        client, _ = self._listener.accept()
        client.close()

    def _interrupted(self) -> bool:
        """Asked while the machine runs for a client."""
        assert self._client is not None
        try:
            if self._client.interrupted():
                return True
        except Gone:
            return True  # the stop that is reported now finds nobody
        if select((self._listener,), (), (), 0)[0]:
            self._turn_away()
        return False

    def _someone_waits(self) -> bool:
        return bool(select((self._listener,), (), (), 0)[0])

    def _say(self, text: str) -> None:
        client = self._client
        data = (text + "\n").encode()
        for at in range(0, len(data) if client is not None else 0, SAY_BYTES):
            assert client is not None
            client.reply(b"O" + data[at : at + SAY_BYTES].hex().encode())

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()
