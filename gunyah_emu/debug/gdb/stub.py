"""What all packets share: the session, the client's choices, and what stands at which address because of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.debug.gdb.fields import ALL, ANY, Malformed, Refused, ThreadId
from gunyah_emu.debug.gdb.framing import PACKET_SIZE
from gunyah_emu.debug.gdb.packet import take_name
from gunyah_emu.debug.gdb.points import Points
from gunyah_emu.debug.gdb.processes import Processes
from gunyah_emu.debug.gdb.stops import Stops

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gunyah_emu.debug.gdb.packet import Packet
    from gunyah_emu.debug.session import Session
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine


class Stub:
    """One machine, as a client sees it; it outlives clients.

    Arguments:
        machine: the machine.
        session: what moves it.
        table: the packets by name.

    Attributes:
        interrupted: whether whoever resumed the machine wants it back; asked often while it runs.
        say: shows a line to the person at the client while the machine runs.
        acknowledges: packets are acknowledged (until QStartNoAckMode).
        is_over: the client ended the machine.
        is_left: the client let go of every process: the machine runs on without it.
    """

    def __init__(self, machine: Machine, session: Session, table: Mapping[bytes, Packet]) -> None:
        self.machine = machine
        self.session = session
        self.processes = Processes(machine)
        self.points = Points(session)
        self.stops = Stops(self)
        self.interrupted: Callable[[], bool] = lambda: False
        self.say: Callable[[str], None] = _silent
        self.acknowledges = True
        self.is_over = False
        self.is_left = False
        self._table = table
        self._general = ThreadId(None, ANY)
        self._continuing = ThreadId(None, ALL)

    def connected(self) -> None:
        """A client came: nothing is left of what another one chose."""
        self.points.clear()
        self.processes.by_thread_only = False
        self.processes.detached.clear()
        self.acknowledges = True
        self.is_left = False
        self._general = ThreadId(None, ANY)
        self._continuing = ThreadId(None, ALL)

    def answer(self, payload: bytes) -> bytes | None:
        """The reply to a packet; empty for one that is not supported, None for one that gets no reply."""
        name, text = take_name(payload)
        known = self._table.get(name)
        if known is None:
            return b""
        try:
            return known.handle(self, text)
        except Malformed:
            return b"E.malformed %b packet" % name
        except Refused as refused:
            return b"E." + str(refused).encode("ascii", "replace")

    def features(self) -> list[str]:
        """What qSupported says: nothing that has no handler."""
        return [f"PacketSize={PACKET_SIZE:x}", *(each for known in self._table.values() for each in known.features)]

    # which thread

    def choose(self, operation: bytes, name: ThreadId) -> None:
        """H: for memory and registers (g), or for the packets that resume (c)."""
        if operation == b"g":
            self._general = name
        else:
            self._continuing = name

    def thread(self) -> VCpu:
        """The thread whose memory and registers are meant; Refused when there is none."""
        found = self._one(self._general)
        if found is None:
            raise Refused("there is no such thread")
        return found

    def vm(self) -> VirtualMachine:
        """The VM whose memory is meant; Refused when there is none."""
        return self.thread().vm

    def vm_if_any(self) -> VirtualMachine | None:
        """The VM whose memory is meant; None when it is over."""
        found = self._one(self._general)
        return None if found is None else found.vm

    def continuing(self) -> ThreadId:
        """The threads that packets without thread resume."""
        return self._continuing

    def _one(self, name: ThreadId) -> VCpu | None:
        found = self.processes.meant(name)
        preferred = self.stops.vcpu
        return preferred if preferred in found else next(iter(found), None)

    def select(self, vcpu: VCpu) -> None:
        """A stop was reported for this thread: it is the one that is meant now."""
        self._general = ThreadId(self.processes.pid(vcpu.vm), vcpu.index + 1)


def _silent(_: str) -> None:
    """Nobody is there to be told."""
