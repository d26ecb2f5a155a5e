"""What two ends agree on at first, and how they part: qSupported, QStartNoAckMode, !, ?, D, k, vKill, vAttach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.fields import Refused, nothing, number
from gunyah_emu.debug.gdb.packet import OK, Packet, packet

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub
    from gunyah_emu.machine.vm import VirtualMachine


def parse_features(text: bytes) -> frozenset[bytes]:
    """`FEATURE;FEATURE...`."""
    return frozenset(text.split(b";"))


def supported(stub: Stub, features: frozenset[bytes]) -> bytes:
    """What this server can, read from the table of packets."""
    stub.processes.by_thread_only = b"multiprocess+" not in features
    return ";".join(stub.features()).encode()


def start_no_ack_mode(stub: Stub, _: None) -> bytes:
    """Both ends trust the connection."""
    stub.acknowledges = False
    return OK


def extended(stub: Stub, _: None) -> bytes:
    """!: the connection survives its processes; it does in any case."""
    return OK


def why(stub: Stub, _: None) -> bytes:
    """?: the last stop."""
    return stub.stops.again()


def parse_detach(text: bytes) -> int | None:
    """`;PID`, or nothing for all."""
    return number(text.removeprefix(b";")) if text else None


def _process(stub: Stub, pid: int) -> VirtualMachine:
    vm = stub.processes.vm(pid)
    if vm is None:
        raise Refused("there is no such process")
    return vm


def detach(stub: Stub, pid: int | None) -> bytes:
    """D: let a process go; the machine runs on when the last one is let go."""
    processes = stub.processes
    everyone = processes.shown()
    # A process that is not there has gone by itself.
    processes.detached.update(
        vm.name for vm in everyone if pid is None or processes.by_thread_only or processes.pid(vm) == pid
    )
    if not processes.shown():
        stub.points.clear()
        stub.is_left = True
    return OK


def attach(stub: Stub, pid: int) -> bytes:
    """vAttach: look at a process again that was let go."""
    vm = next((vm for vm in stub.processes.every() if stub.processes.pid(vm) == pid), None)
    if vm is None or vm.name not in stub.processes.detached:
        raise Refused("there is no such process to attach to")
    stub.processes.detached.discard(vm.name)
    return stub.stops.attached(vm)


def kill(stub: Stub, _: bytes) -> None:
    """k: the machine ends, and gets no reply."""
    stub.is_over = True


def kill_process(stub: Stub, pid: int) -> bytes:
    """vKill: a VM executes nothing more; the machine ends with the last one."""
    stub.processes.killed.add(_process(stub, pid).name)
    stub.is_over = not stub.processes.every()
    return OK


PACKETS: Final[tuple[Packet, ...]] = (
    packet(b"qSupported", parse_features, supported),
    packet(b"QStartNoAckMode", nothing, start_no_ack_mode, ("QStartNoAckMode+",)),
    packet(b"!", nothing, extended),
    packet(b"?", nothing, why),
    packet(b"D", parse_detach, detach),
    packet(b"vAttach", number, attach),
    packet(b"k", bytes, kill),
    packet(b"vKill", number, kill_process),
)
