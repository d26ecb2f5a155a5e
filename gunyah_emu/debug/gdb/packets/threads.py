"""Threads and processes: H, T, qC, the lists of threads, and what a thread is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.debug.gdb.fields import Malformed, Refused, ThreadId, nothing, number, thread_id
from gunyah_emu.debug.gdb.packet import OK, Packet, packet

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub
    from gunyah_emu.machine.vm import VCpu


class Choice(NamedTuple):
    """H."""

    operation: bytes
    thread: ThreadId


def parse_choice(text: bytes) -> Choice:
    """`OPERATION THREAD` without the space."""
    operation = text[:1]
    if operation not in (b"g", b"c"):
        raise Malformed
    return Choice(operation, thread_id(text[1:]))


def choose(stub: Stub, choice: Choice) -> bytes:
    """Hg and Hc; a thread that does not exist cannot be chosen."""
    if not stub.processes.meant(choice.thread):
        raise Refused("there is no such thread")
    stub.choose(choice.operation, choice.thread)
    return OK


def is_alive(stub: Stub, thread: ThreadId) -> bytes:
    """T."""
    if not stub.processes.meant(thread):
        raise Refused("there is no such thread")
    return OK


def current(stub: Stub, _: None) -> bytes:
    """qC: the thread that is meant."""
    return f"QC{stub.processes.write(stub.thread())}".encode()


def first_threads(stub: Stub, _: None) -> bytes:
    """qfThreadInfo: all of them; a machine has not so many that they need a second packet."""
    return b"m" + ",".join(stub.processes.write(vcpu) for vcpu in stub.processes.threads()).encode()


def further_threads(stub: Stub, _: None) -> bytes:
    """There are no further ones: qsThreadInfo."""
    return b"l"


def name_of(vcpu: VCpu) -> str:
    """A thread's name: its VM's and its number."""
    return f"{vcpu.vm.name}/{vcpu.index}"


def state_of(stub: Stub, vcpu: VCpu) -> str:
    """What a thread is doing, in a few words."""
    if vcpu is stub.session.current:
        return "executes the next instruction"
    if not vcpu.on:
        return "off"
    if vcpu.waiting:
        return "waits for an interrupt"
    if vcpu.blocked or vcpu.thread.blocks:
        return "blocked in a call"
    return "ready"


def extra(stub: Stub, thread: ThreadId) -> bytes:
    """What a thread is and does: qThreadExtraInfo."""
    found = stub.processes.meant(thread)
    if not found:
        raise Refused("there is no such thread")
    return f"{name_of(found[0])}, {state_of(stub, found[0])}".encode().hex().encode()


def parse_process(text: bytes) -> int | None:
    """`PID`, or nothing."""
    return number(text) if text else None


def is_attached(stub: Stub, pid: int | None) -> bytes:
    """qAttached: the machine was there before the client, and outlives it."""
    if pid is not None and stub.processes.vm(pid) is None:
        raise Refused("there is no such process")
    return b"1"


PACKETS: Final[tuple[Packet, ...]] = (
    packet(b"H", parse_choice, choose, ("multiprocess+",)),
    packet(b"T", thread_id, is_alive),
    packet(b"qC", nothing, current),
    packet(b"qfThreadInfo", nothing, first_threads),
    packet(b"qsThreadInfo", nothing, further_threads),
    packet(b"qThreadExtraInfo", thread_id, extra),
    packet(b"qAttached", parse_process, is_attached),
)
