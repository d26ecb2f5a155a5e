"""What a person looks at: each view is lines, and none ever ends the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.debug.points import Breakpoint
from gunyah_emu.debug.stepper import code, state
from gunyah_emu.debug.stepper.guard import safely
from gunyah_emu.debug.stepper.lines import Line, line
from gunyah_emu.debug.stepper.next_call import next_call
from gunyah_emu.debug.stepper.symbols import find_place
from gunyah_emu.debug.why import Trace, find, parse, verdict, why
from gunyah_emu.debug.why.words import result
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from gunyah_emu.debug.stepper.stepper import Stepper
    from gunyah_emu.debug.why.trace import Entry
    from gunyah_emu.machine.vm import VCpu

MOST_BYTES = 4096
"""Of memory that is shown at once."""

TELLING = ("idle", "irq_blocked", "irq_acknowledged")
"""Kinds of events that a person means who only asks why: the last of these."""


class Views:
    """What there is to see of a stepper's machine.

    Arguments:
        stepper: whose.
    """

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper

    @property
    def _vcpu(self) -> VCpu:
        if self._stepper.focus is None:
            raise UserError("no vCPU was ever on")
        return self._stepper.focus

    def code(self, *, before: int = 5, after: int = 10) -> list[Line]:
        """The code around the vCPU."""
        vcpu, points = self._vcpu, self._stepper.points
        marked = {point.address for point in points if isinstance(point, Breakpoint) and point.vm is vcpu.vm}
        return code.code(vcpu, before=before, after=after, breakpoints=marked)

    def registers(self, *, columns: int = state.COLUMNS) -> list[Line]:
        """The vCPU's registers; what the last move changed stands out."""
        return state.registers(self._vcpu, self._stepper.before.get(self._vcpu, {}), columns=columns)

    def call(self) -> list[Line]:
        """The call that the vCPU is about to make, and what its last one returned."""
        vcpu = self._vcpu
        found, last = next_call(vcpu), self._stepper.last_call(vcpu, returned=True)
        lines = state.call(found) if found is not None else [line(("the next instruction is no call", "dim"))]
        if last is not None:
            name = last.text("call") or last.text("function")
            lines.append(
                line(("last: ", "dim"), (name, "call"), f" returned {result(last)}", (f"  [{last.seq}]", "dim"))
            )
        return lines

    def objects(self) -> list[Line]:
        """Doorbells and message queues."""
        return state.objects(self._stepper.machine)

    def gic(self) -> list[Line]:
        """The vCPU's interrupts."""
        return state.interrupts(self._vcpu)

    def console(self, height: int = 5) -> list[Line]:
        """What the VMs printed last."""
        return state.consoles(self._stepper.machine.vms, height=height)

    def events(self, count: int = 10) -> list[Line]:
        """The last events."""
        return state.events(self._stepper.trace(count), self._stepper.places)

    def memory(self, place: str, size: int = 64) -> list[Line]:
        """Bytes at a place."""
        stepper = self._stepper
        vm, address = find_place(stepper.likely_vms(), place)
        vcpu = self._vcpu if self._vcpu.vm is vm else next(iter(vm.vcpus.values()), None)
        if vcpu is None:
            raise UserError(f"VM '{vm.name}' has no vCPU whose tables would say where that is")
        return state.memory(address, stepper.session.read_memory(vcpu, address, min(size, MOST_BYTES)))

    def all(self) -> list[Line]:
        """Everything at once."""
        lines: list[Line] = []
        for name in ("call", "code", "registers", "objects", "gic", "console"):
            lines += [line((f"--- {name}", "head")), *safely(getattr(self, name))]
        return lines

    def why(self, *words: str) -> list[Line]:
        """Why something happened, or did not: of an interrupt, doorbell or queue as it is now, then as it last was."""
        question = parse(words) if words else None
        now: list[Line] = []
        if question is not None and question.what in ("irq", "doorbell", "queue"):
            now = [line(why(self._stepper.machine, " ".join(words), self._vcpu.vm.name))]
        trace = self._stepper.trace()
        try:
            entry = find(trace, question) if question is not None else _telling(trace)
        except UserError:
            if now:
                return now  # nothing of the kind has happened yet
            raise
        return now + [
            line((text, "dim" if now else "")) for text in verdict(trace, entry, self._stepper.places).splitlines()
        ]


def _telling(trace: Trace) -> Entry:
    return next((entry for entry in trace.backwards() if entry.kind in TELLING), next(trace.backwards()))
