"""What a move answers: where the machine came to stand, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.debug.points import HaltKind
from gunyah_emu.debug.stepper.lines import Line, Piece, line
from gunyah_emu.debug.stepper.next_call import next_call
from gunyah_emu.debug.why import verdict
from gunyah_emu.debug.why.words import result

if TYPE_CHECKING:
    from gunyah_emu.debug.points import Halt
    from gunyah_emu.debug.stepper.stepper import Stepper
    from gunyah_emu.machine.vm import VCpu

RECENT = 2_000
"""How many of the newest events the cause of an interrupt is looked for in."""


def where(stepper: Stepper) -> Line:
    """Where the vCPU that is looked at stands."""
    vcpu = stepper.focus
    if vcpu is None:
        return line(("no vCPU was ever on", "dim"))
    registers = vcpu.vm.engine.registers(vcpu.index)
    place = stepper.places.of_call(vcpu.vm.name, registers.pc, None)
    if next_call(vcpu) is not None:
        place = stepper.places.of_call(vcpu.vm.name, registers.pc, registers.x[30])
    position = f"@{stepper.session.position}  ", "address"
    return line(position, (f"{vcpu.vm.name}/{vcpu.index}", "head"), f"{_doing(stepper, vcpu)} at {place}")


def _doing(stepper: Stepper, vcpu: VCpu) -> str:
    if vcpu is stepper.session.current:
        return ""
    return " is off" if not vcpu.on else " waits" if vcpu.waiting else " is blocked" if vcpu.blocked else " is ready"


def answer(stepper: Stepper, halt: Halt, returned: VCpu | None) -> list[Line]:
    """One line; where every vCPU waits for ever, one more for each.

    Arguments:
        stepper: after a move.
        halt: how it ended.
        returned: a vCPU whose call was to return.
    """
    at = where(stepper)
    if halt.kind is HaltKind.IDLE:
        trace = stepper.trace()
        lines = verdict(trace, next(trace.backwards()), stepper.places).splitlines()
        return [at + line((f"  {halt.kind.value}", "bad")), *(line((one, "bad")) for one in lines)]
    text, style = _why(stepper, halt, returned)
    return [at + line((f"  {text}", style))] if text else [at]


def _why(stepper: Stepper, halt: Halt, returned: VCpu | None) -> Piece:
    vcpu = halt.vcpu
    if returned is not None and halt.outcome is None:
        made, last = stepper.last_call(returned), stepper.last_call(returned, returned=True)
        name = "" if made is None else made.text("call") or made.text("function")
        if made is not None and last is not None and last.cause == made.seq:
            return f"{name} returned {result(last)}", "good"
        return f"{name} does not return now", "good"
    if halt.kind is HaltKind.INTERRUPT and (taken := stepper.last("irq_acknowledged", vcpu)) is not None:
        return verdict(stepper.trace(RECENT), taken, stepper.places), "good"
    if halt.outcome is not None:
        return "; ".join([halt.kind.value, *halt.outcome.messages, f"status {halt.outcome.exit_status}"]), "good"
    if halt.kind is HaltKind.POSITION and stepper.limit is not None and halt.position == stepper.gives_up_at:
        return f"gave up after {stepper.limit} instructions", "bad"
    if halt.kind in (HaltKind.INTERRUPTED, HaltKind.BEGINNING, HaltKind.WATCHPOINT):
        return halt.kind.value, "good"
    found = next_call(vcpu) if vcpu is not None else None
    return (f"next: {found.text}", "call") if found is not None else ("", "")
