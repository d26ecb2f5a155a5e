"""The same question to a machine that stands: what keeps an interrupt from a vCPU now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.debug.why.places import Places
from gunyah_emu.debug.why.question import parse
from gunyah_emu.debug.why.words import ADDRESS, interrupt
from gunyah_emu.errors import UserError
from gunyah_emu.hypervisor.silence import silence
from gunyah_emu.machine.blocked import SPI_BASE, reasons
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.virq import VirqSource
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VirtualMachine
    from gunyah_emu.machine.wired_gic import WiredGic

LAST_INTID = 1019


def why(machine: Machine, question: str, vm: str = "") -> str:
    """One line: whether an interrupt reaches its vCPU, and if not, every reason.

    Arguments:
        machine: as it stands; nothing in it changes.
        question: `[VM[/VCPU]] irq INTID`, `doorbell LABEL` or `queue LABEL`.
        vm: whose interrupt is meant where the question names no VM.

    Errors: UserError: another question, or a VM, vCPU, interrupt, doorbell or queue that is not there.
    """
    asked = parse([question])
    if asked.what == "irq":
        return _of_interrupt(machine, _vm(machine, asked.vm or vm), asked.vcpu, asked.number)
    try:
        if asked.what == "doorbell":
            return _of_source(machine, machine.doorbell(asked.number).source)
        if asked.what == "queue":
            return _of_source(machine, machine.message_queue(asked.number).receive_source)
    except KeyError:
        raise UserError(f"the machine file has no {asked.what} {asked.number}") from None
    raise UserError(f"ask for `[VM[/VCPU]] irq INTID`, `doorbell LABEL` or `queue LABEL`, not {question!r}")


def _vm(machine: Machine, name: str) -> VirtualMachine:
    if not name and len(machine.vms) == 1:
        return machine.vms[0]
    try:
        return machine.vm(name)
    except KeyError:
        names = ", ".join(vm.name for vm in machine.vms)
        raise UserError(f"a VM must be named: one of {names}" + (f", not {name!r}" if name else "")) from None


def _gic_of(vm: VirtualMachine) -> WiredGic | None:
    """The GIC of its vCPUs."""
    for thread in (*(vcpu.thread for vcpu in vm.vcpus.values()), *vm.threads):
        if (gic := controller_of(thread.vic)) is not None:
            return gic
    return None


def _of_interrupt(machine: Machine, vm: VirtualMachine, vcpu: int, intid: int) -> str:
    gic = _gic_of(vm)
    if gic is None:
        raise UserError(f"VM '{vm.name}' has no interrupt controller")
    if intid > LAST_INTID or vcpu >= len(gic.lines):
        raise UserError(f"VM '{vm.name}' has vCPUs 0..{len(gic.lines) - 1} and INTIDs 0..{LAST_INTID}")
    vic = next(vic for vic in machine.hypervisor.vics if vic.controller is gic)
    return _line(machine, vm.name, gic, vcpu, intid, vic.sources.get(intid))


def _of_source(machine: Machine, source: VirqSource) -> str:
    vic, gic = source.vic, controller_of(source.vic)
    if vic is None or gic is None:
        return f"{source.title} does not interrupt anybody: {'; and '.join(silence(source).values())}"
    return _line(machine, vic.label, gic, -1, source.virq, source)


def _line(machine: Machine, vm: str, gic: WiredGic, vcpu: int, intid: int, source: VirqSource | None) -> str:
    found = reasons(gic, vcpu, intid)
    if source is not None and "not_pending" in found and (silent := silence(source)):
        del found["not_pending"]
        found = silent | found
    interface = vcpu if vcpu >= 0 else max(gic.route_of(intid), 0) if intid >= SPI_BASE else 0
    who = f"{interrupt(intid)} of {source.title}" if source is not None else interrupt(intid)
    if not found:
        return f"{who} is signalled to {vm}/{interface}: it is taken with the next instruction"
    places = Places.of_machine(machine)
    shown = [ADDRESS.sub(lambda match: f"at {places.of(vm, int(match[1], 16))}", reason) for reason in found.values()]
    return f"{who} does not interrupt {vm}/{interface}: {'; and '.join(shown)}"
