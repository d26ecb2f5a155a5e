"""The server at a real socket: clients that come, go, vanish, say nonsense, or are one too many."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.debug.gdb.framing import Framer, frame
from gunyah_emu.debug.gdb.server import Server
from gunyah_emu.debug.points import Halt, HaltKind
from gunyah_emu.debug.session import Session
from gunyah_emu.errors import UserError

GUESTS = Path(__file__).resolve().parents[4] / "guest_images"

ENDLESS = """
[[vm]]
name = "busy"
image = "{guests}/bench_tight/bench_tight_mmu_off.elf"
"""
TIMEOUT = 60


class Peer:
    """A client of few words."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.framer = Framer()
        self.packets: list[bytes] = []

    def send(self, payload: bytes) -> None:
        self.socket.sendall(frame(payload))

    def receive(self) -> bytes | None:
        """The next packet; None when the server hung up."""
        while not self.packets:
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self.packets += [item for item in self.framer.feed(data) if isinstance(item, bytes)]
        return self.packets.pop(0)

    def ask(self, payload: bytes) -> bytes | None:
        self.send(payload)
        return self.receive()

    def vanish(self) -> None:
        """Be gone without a word, as when a process is killed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Served:
    """A machine that is served from another thread."""

    def __init__(self, machine: Machine) -> None:
        self.session = Session(machine)
        self.server = Server(machine, self.session)
        self.port = self.server.address[1]
        self.peers: list[Peer] = []
        self.halt: Halt | None = None
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        try:
            self.halt = self.server.serve()
        except BaseException as error:
            self.failure = error

    def connect(self) -> Peer:
        self.peers.append(Peer(self.port))
        return self.peers[-1]

    def wait_until_it_moves(self) -> None:
        """Or the last packet might be lost together with the client."""
        for _ in range(TIMEOUT * 100):
            if self.session.position:
                return
            time.sleep(0.01)
        raise AssertionError("the machine does not run")

    def close(self) -> None:
        for peer in self.peers:
            peer.socket.close()
        if self.thread.is_alive():
            last = Peer(self.port)
            last.send(b"k")
            last.receive()
            last.socket.close()
        self.thread.join(TIMEOUT)
        self.server.close()
        assert not self.thread.is_alive()
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """serve(text of a machine file) -> the machine at a socket; two VMs and a doorbell without a text."""
    made: list[Served] = []
    machines: list[Machine] = []

    def start(text: str | None = None) -> Served:
        path = GUESTS / "doorbell_irq" / "machine.toml"
        if text is not None:
            path = tmp_path / "machine.toml"
            path.write_text(text.format(guests=GUESTS))
        machines.append(Machine.from_toml(path))
        made.append(Served(machines[-1]))
        return made[-1]

    yield start
    for each in made:
        each.close()
    for machine in machines:
        machine.close()


def test_a_client_runs_the_machine_to_its_end(serve) -> None:
    peer = serve().connect()
    peer.ask(b"qSupported:multiprocess+")
    peer.send(b"vCont;c")
    assert bytes.fromhex(peer.receive()[1:].decode()) == (
        b"The machine has ended: sender with status 0, receiver with status 0.  Go back, or continue to leave it.\n"
    )
    assert peer.receive().startswith(b"T11thread:")
    assert peer.ask(b"vCont;c") == b"W00;process:1"
    assert peer.ask(b"vCont;c") == b"W00;process:2"


def test_packets_are_acknowledged_until_both_ends_trust_the_line(serve) -> None:
    peer = serve().connect()
    peer.send(b"?")
    assert peer.socket.recv(1) == b"+"
    peer.receive()
    assert peer.ask(b"QStartNoAckMode") == b"OK"
    peer.send(b"!")
    assert peer.socket.recv(100) == frame(b"OK")


def test_the_last_packet_is_sent_again_when_it_was_not_understood(serve) -> None:
    peer = serve().connect()
    first = peer.ask(b"qC")
    peer.socket.sendall(b"-")
    assert peer.receive() == first
    peer.socket.sendall(b"$qC#00")
    assert peer.socket.recv(1) == b"-"


def test_ctrl_c_halts_a_machine_that_runs_for_ever(serve) -> None:
    served = serve(ENDLESS)
    peer = served.connect()
    peer.send(b"vCont;c")
    peer.socket.sendall(b"\x03")
    assert peer.receive().startswith(b"T02thread:")
    before = served.session.position
    peer.send(b"c")
    peer.socket.sendall(b"\x03")
    assert peer.receive().startswith(b"T02thread:")
    assert served.session.position > before


def test_a_client_that_vanishes_leaves_a_machine_for_the_next(serve) -> None:
    served = serve(ENDLESS)
    peer = served.connect()
    assert peer.ask(b"Z0,40100000,4") == b"OK"
    peer.send(b"vCont;c")
    served.wait_until_it_moves()
    peer.vanish()
    second = served.connect()
    assert second.ask(b"?").startswith(b"T02")
    assert not served.session.sights.points
    position = served.session.position
    second.send(b"vCont;c")
    second.socket.sendall(b"\x03")
    assert second.receive().startswith(b"T02")
    assert served.session.position > position


def test_a_client_that_closes_half_of_its_connection_is_gone(serve) -> None:
    served = serve()
    peer = served.connect()
    peer.send(b"?")
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.receive().startswith(b"T05")
    assert peer.receive() is None
    assert served.connect().ask(b"?").startswith(b"T05")


def test_a_client_that_takes_nothing_is_given_up(serve, monkeypatch) -> None:
    monkeypatch.setattr("gunyah_emu.debug.gdb.connection.PATIENCE", 0.2)
    served = serve()
    peer = served.connect()
    peer.socket.settimeout(0.05)

    def ask_for_ever():
        while True:
            peer.socket.sendall(frame(b"m40100000,2000") * 50)

    with pytest.raises((ConnectionError, TimeoutError)):
        ask_for_ever()
    assert served.connect().ask(b"?").startswith(b"T05")


def test_a_second_client_is_turned_away_at_once(serve) -> None:
    served = serve(ENDLESS)
    first = served.connect()
    first.ask(b"?")
    assert served.connect().receive() is None
    first.send(b"vCont;c")
    assert served.connect().receive() is None  # also while the machine runs
    first.socket.sendall(b"\x03")
    assert first.receive().startswith(b"T02")


def test_noise_is_survived(serve) -> None:
    served = serve()
    peer = served.connect()
    peer.socket.sendall(bytes(range(256)) * 200 + b"$" + b"x" * 50_000 + b"#00")
    peer.socket.sendall(frame(b"qC"))
    assert peer.receive() is not None
    peer.vanish()
    assert served.connect().ask(b"?").startswith(b"T05")


def test_a_machine_that_is_let_go_runs_to_its_end_alone(serve) -> None:
    served = serve()
    assert served.connect().ask(b"D") == b"OK"
    served.thread.join(TIMEOUT)
    assert served.halt is not None
    assert served.halt.kind is HaltKind.EXITED
    assert served.halt.outcome.exit_status == 0


def test_a_machine_that_runs_alone_halts_for_the_next_client(serve) -> None:
    served = serve(ENDLESS)
    assert served.connect().ask(b"D") == b"OK"
    peer = served.connect()
    assert peer.ask(b"?").startswith(b"T02thread:")
    position = served.session.position
    assert peer.ask(b"qC").startswith(b"QC")
    assert served.session.position == position > 0


def test_k_ends_the_server(serve) -> None:
    served = serve()
    peer = served.connect()
    peer.send(b"k")
    assert peer.receive() is None
    served.thread.join(TIMEOUT)
    assert served.halt is None
    assert served.failure is None


def test_a_port_that_is_taken_is_the_users_to_mend(serve, two_vms) -> None:
    served = serve()
    with pytest.raises(UserError, match=f"GDB cannot be waited for at 127.0.0.1:{served.port}: "):
        Server(two_vms, served.session, port=served.port)
