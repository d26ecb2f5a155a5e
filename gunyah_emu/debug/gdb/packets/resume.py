"""Everything that moves the machine: vCont, c, s, bs, bc.

Time is one for all VMs: going back takes every one of them back, whichever thread asks.  Going forward, threads without
an action stand still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.debug.gdb.fields import ALL, Malformed, Refused, ThreadId, nothing, number, split, thread_id
from gunyah_emu.debug.gdb.packet import Packet, packet
from gunyah_emu.debug.points import HaltKind

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub
    from gunyah_emu.debug.points import Halt
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

CONTINUE, STEP, RANGE = b"c", b"s", b"r"
WITH_SIGNAL: Final = {b"C": CONTINUE, b"S": STEP}
"""Signals are not delivered: a machine has none."""

VERBS: Final = (CONTINUE, *WITH_SIGNAL, STEP, RANGE)
"""What `vCont?` says is there: GDB takes vCont only where c, C, s and S are."""


class Action(NamedTuple):
    """What becomes of some threads.

    Arguments:
        verb: CONTINUE, STEP or RANGE.
        threads: whose it is.
        start, end: of a RANGE: step while the PC is in it.
    """

    verb: bytes
    threads: ThreadId
    start: int = 0
    end: int = 0


def parse(text: bytes) -> list[Action]:
    """`ACTION[:THREAD];ACTION[:THREAD]...`; an action without thread is everybody's."""
    return [_action(field) for field in text.split(b";")]


def _action(field: bytes) -> Action:
    what, colon, who = field.partition(b":")
    threads = thread_id(who) if colon else ThreadId(None, ALL)
    verb, operand = what[:1], what[1:]
    if verb == RANGE:
        start, end = split(operand, b",", 2)
        return Action(RANGE, threads, number(start), number(end))
    if verb in WITH_SIGNAL:
        number(operand, 0xFF)
        return Action(WITH_SIGNAL[verb], threads)
    if operand or verb not in (CONTINUE, STEP):
        raise Malformed
    return Action(verb, threads)


def verbs(stub: Stub, _: None) -> bytes:
    """What vCont can do."""
    return b";".join((b"vCont", *VERBS))


def assign(stub: Stub, actions: list[Action]) -> dict[VCpu, Action]:
    """The action of each thread: the first that names it."""
    found: dict[VCpu, Action] = {}
    for action in actions:
        for vcpu in stub.processes.meant(action.threads):
            found.setdefault(vcpu, action)
    return found


def resume(stub: Stub, actions: list[Action]) -> bytes:
    """Run threads, or step one while others run or stand; the reply is the stop."""
    assigned = assign(stub, actions)
    if not assigned:
        raise Refused("there is no such thread")
    untold = stub.stops.before()
    if untold is not None:
        return untold
    moving = [vcpu for vcpu in assigned if assigned[vcpu].verb != CONTINUE]
    if not moving:
        return stub.stops.report(stub.session.resume(only=_only(stub, assigned), interrupted=stub.interrupted))
    current = stub.session.current
    chosen = current if current is not None and current in moving else moving[0]
    return stub.stops.report(_step(stub, chosen, assigned))


def _only(stub: Stub, assigned: dict[VCpu, Action]) -> list[VCpu | VirtualMachine] | None:
    """Who may run; None for everybody.

    A VM of whose threads none stands may run as a whole, with those that it will power on; so may one that was let go.
    """
    whole = [
        vm for vm in stub.machine.vms
        if vm.name in stub.processes.detached or all(vcpu in assigned for vcpu in vm.vcpus.values())
    ]  # fmt: skip
    if len(whole) == len(stub.machine.vms):
        return None
    return [*whole, *(vcpu for vcpu in assigned if vcpu.vm not in whole)]


def _step(stub: Stub, vcpu: VCpu, assigned: dict[VCpu, Action]) -> Halt:
    """One instruction, or as many as a range has."""
    action = assigned[vcpu]
    while True:
        # Whoever executes the next instruction needs nobody held back, and the future stays what it was.
        only = None if vcpu is stub.session.current else _only(stub, assigned)
        halt = stub.session.step(vcpu, only=only, interrupted=stub.interrupted)
        if halt.kind is not HaltKind.STEP or action.verb != RANGE:
            return halt
        if not action.start <= vcpu.vm.engine.registers(vcpu.index).pc < action.end:
            return halt


def _alone(verb: bytes, stub: Stub) -> bytes:
    return resume(stub, [Action(verb, stub.continuing())])


def parse_signal(text: bytes) -> None:
    """`SIGNAL`; a new PC behind it is not taken."""
    number(text, 0xFF)


def back_step(stub: Stub, _: None) -> bytes:
    """bs: one instruction of the thread that Hc chose, backwards."""
    found = stub.processes.meant(stub.continuing())
    if not found:
        raise Refused("there is no such thread")
    stub.stops.before_back()
    vcpu = stub.stops.vcpu if stub.stops.vcpu in found else found[0]
    return stub.stops.report(stub.session.reverse_step(vcpu, interrupted=stub.interrupted))


def back(stub: Stub, _: None) -> bytes:
    """bc: backwards to the last point that was passed, or to where history begins."""
    stub.stops.before_back()
    return stub.stops.report(stub.session.reverse_resume(interrupted=stub.interrupted))


PACKETS: Final[tuple[Packet, ...]] = (
    packet(b"vCont", parse, resume),
    packet(b"vCont?", nothing, verbs, ("vContSupported+",)),
    packet(b"c", nothing, lambda stub, _: _alone(CONTINUE, stub)),
    packet(b"C", parse_signal, lambda stub, _: _alone(CONTINUE, stub)),
    packet(b"s", nothing, lambda stub, _: _alone(STEP, stub)),
    packet(b"S", parse_signal, lambda stub, _: _alone(STEP, stub)),
    packet(b"bs", nothing, back_step, ("ReverseStep+",)),
    packet(b"bc", nothing, back, ("ReverseContinue+",)),
)
