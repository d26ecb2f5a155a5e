"""What a machine holds, gathered for people who debug it: objects, capabilities, interrupts.

Looking changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.object import HypervisorObject
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.gic.why import InterruptState
    from gunyah_emu.hypervisor.cspace import Capability, CSpace
    from gunyah_emu.hypervisor.virq import VirqSource
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine
    from gunyah_emu.machine.wired_gic import WiredGic

Kind = TypeVar("Kind", bound=HypervisorObject)


def cspaces(machine: Machine) -> Iterator[tuple[VirtualMachine, CSpace]]:
    """Every capability space that a vCPU uses, with the first VM that has it."""
    seen: set[CSpace] = set()
    for vm in machine.vms:
        threads = [*vm.threads, *(vcpu.thread for vcpu in vm.vcpus.values())]
        for thread in threads:
            if thread.cspace is not None and thread.cspace not in seen:
                seen.add(thread.cspace)
                yield vm, thread.cspace


def capabilities(machine: Machine, vm: VirtualMachine) -> list[Capability]:
    """A VM's capabilities, by id."""
    mine = [cspace for owner, cspace in cspaces(machine) if owner is vm]
    return sorted((capability for cspace in mine for capability in cspace.table.values()), key=lambda each: each.id)


def objects(machine: Machine, kind: type[Kind]) -> list[Kind]:
    """Every object of a type that somebody has a capability to, in the order of the VMs."""
    found: dict[Kind, None] = {}
    for _, cspace in cspaces(machine):
        for capability in cspace.table.values():
            if isinstance(capability.object, kind):
                found[capability.object] = None
    return list(found)


def doorbells(machine: Machine) -> list[Doorbell]:
    """Every doorbell."""
    return objects(machine, Doorbell)


def message_queues(machine: Machine) -> list[MsgQueue]:
    """Every message queue."""
    return objects(machine, MsgQueue)


def gic_of(vcpu: VCpu) -> tuple[WiredGic, int] | None:
    """A vCPU's GIC and its number there; None when it is attached to none."""
    gic = controller_of(vcpu.thread.vic)
    return None if gic is None else (gic, vcpu.thread.vic_index)


def interrupts(gic: WiredGic, vcpu: int) -> list[InterruptState]:
    """The interrupts of a vCPU that are enabled, pending or active, by number."""
    numbers = range(32 + gic.interrupts.spis)
    found = [each for intid in numbers if (each := gic.describe(vcpu, intid)) is not None]
    return [each for each in found if each.enabled or each.pending or each.active]


def bound_to(source: VirqSource) -> InterruptState | None:
    """The interrupt that a source raises, as the vCPU sees it that it is routed to; None while it is not bound."""
    gic = controller_of(source.vic)
    if gic is None:
        return None
    state = gic.describe(0, source.virq)
    return state if state is None or state.route < 1 else gic.describe(state.route, source.virq)
