"""Hostile packets: each is answered or dropped, nothing is kept without a bound, and the server goes on.

A hundred thousand of them, from the bytes of a socket to the replies, over a machine that stands: damaged, cut, swollen
and invented variants of what GDB really sends.
"""

from __future__ import annotations

import random
from pathlib import Path

from gunyah_emu import Machine
from gunyah_emu.debug.gdb.framing import PACKET_SIZE, Framer, frame
from gunyah_emu.debug.gdb.points import LIMIT
from gunyah_emu.debug.gdb.stub import Stub
from gunyah_emu.debug.gdb.table import TABLE
from gunyah_emu.debug.points import Halt, HaltKind
from gunyah_emu.debug.session import Session

GUESTS = Path(__file__).resolve().parents[2] / "guest_images"
PACKETS = 100_000

SEEDS = [
    b"qSupported:multiprocess+;swbreak+", b"vMustReplyEmpty", b"!", b"?", b"Hgp0.0", b"Hgp2.1", b"Hcp1.-1", b"Hc-1",
    b"qC",
    b"qXfer:features:read:target.xml:0,1000", b"qXfer:threads:read::0,1000", b"qXfer:exec-file:read:1:0,1000",
    b"qAttached:1",
    b"qfThreadInfo", b"qsThreadInfo", b"qThreadExtraInfo,p1.1", b"Tp2.1", b"g", b"p4b", b"P4b=0000000000000000", b"p0",
    b"P0=1122334455667788", b"m40100000,40", b"m0,ffffffff", b"M40100000,4:00000000", b"X40100000,4:\x00\x01\x02\x03",
    b"Z0,40101224,4", b"z0,40101224,4", b"Z1,ffffffffffffffff,4", b"Z2,40103000,8", b"Z4,0,ffffffff",
    b"QCatchSyscalls:1;6012",
    b"QCatchSyscalls:0", b"vCont?", b"vCont;c:p1.-1", b"vCont;s:p2.1;c", b"vCont;r40100000,40100040:p1.1", b"c", b"s",
    b"bs", b"bc",
    b"D;2", b"vAttach;2", b"qRcmd,68656c70", b"qRcmd,646f6f7262656c6c73", b"qRcmd,6361707320736e6f6f7a65",
    b"qRcmd,6769632032",
    b"qRcmd,78702030783430313030303030203332", b"qRcmd,7472616365206c617374203130", b"QStartNoAckMode",
]  # fmt: skip
"""What GDB sends.  k and vKill are tested by themselves: the server would end."""


class Standing(Session):
    """A session whose machine never moves, so that a hundred thousand packets take seconds."""

    steps = 0

    def resume(self, only=None, limit=None, interrupted=None):
        return Halt(HaltKind.INTERRUPTED, self.position, self.current)

    def step(self, vcpu, count=1, only=None, interrupted=None):
        self.steps += 1  # or a range as large as memory would never be left
        return Halt(HaltKind.STEP if self.steps % 4 else HaltKind.INTERRUPTED, self.position, vcpu)

    def reverse_resume(self, interrupted=None):
        return Halt(HaltKind.BEGINNING, self.position, self.current)

    def reverse_step(self, vcpu, count=1, interrupted=None):
        return Halt(HaltKind.BEGINNING, self.position, vcpu)


def mutated(choose: random.Random) -> bytes:
    """One of the seeds, mostly spoilt."""
    packet = bytearray(choose.choice(SEEDS))
    for _ in range(choose.randrange(4)):
        at = choose.randrange(len(packet) + 1)
        match choose.randrange(6):
            case 0:
                packet[at : at + 1] = bytes([choose.randrange(256)])
            case 1:
                del packet[at : at + choose.randrange(1, 4)]
            case 2:
                packet[at:at] = choose.choice(
                    (b",", b";", b":", b"-1", b"p", b".", b"ffffffffffffffff", b"\xff\x00", b"0")
                )
            case 3:
                packet += choose.choice(SEEDS)
            case 4:
                packet[at:at] = choose.choice(b"0123456789abcdef:;,=").to_bytes() * choose.choice((1, 9, 33, 500))
            case 5:
                packet = bytearray(choose.randbytes(choose.randrange(40)))
    return bytes(packet)


def wire(choose: random.Random, packet: bytes) -> bytes:
    """The packet as bytes of a socket, now and then damaged there, too."""
    sent = frame(packet.replace(b"#", b"").replace(b"$", b""))
    match choose.randrange(30):
        case 0:
            return sent[: choose.randrange(len(sent))]
        case 1:
            return sent[:-2] + b"zz"
        case 2:
            return b"\x03" + sent
        case 3:
            return choose.randbytes(10) + sent
        case _:
            return sent


def test_a_hundred_thousand_hostile_packets_are_answered_or_dropped() -> None:
    choose = random.Random(2026)
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        stub = Stub(machine, Standing(machine), TABLE)
        framer = Framer()
        longest = answered = errors = 0
        for _ in range(PACKETS):
            for item in framer.feed(wire(choose, mutated(choose))):
                if isinstance(item, bytes) and item[:1] != b"k" and not item.startswith(b"vKill"):
                    reply = stub.answer(item)
                    assert reply is not None
                    longest = max(longest, len(reply))
                    answered += 1
                    errors += reply.startswith(b"E")
                    if stub.is_left:
                        stub.connected()
        assert longest <= PACKET_SIZE
        assert answered > PACKETS * 0.8
        assert 0.2 < errors / answered < 0.8, "both the accepted and the refused must be reached"
        assert len(stub.points._set) <= LIMIT
        assert len(framer._held) <= PACKET_SIZE + 1000
        assert stub.answer(b"Hgp1.1") == b"OK"
