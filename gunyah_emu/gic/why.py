"""What an interrupt is and why it is not delivered, computed from the state as it is now."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.gic.state import (
    EDGE_TRIGGERED,
    ENABLE_GROUP1,
    ENABLED,
    GROUP1,
    IDLE,
    LISTED,
    PRIORITY_SHIFT,
    SLOT_MASK,
)

if TYPE_CHECKING:
    from gunyah_emu.gic.cpu_interface import CpuInterface
    from gunyah_emu.gic.delivery import Delivery


class Reason(Enum):
    """What stands between an interrupt and a vCPU; the value says it to a person."""

    NO_SUCH_INTERRUPT = "this GIC has no interrupt of that INTID"
    NOT_PENDING = "it is not pending"
    ACTIVE = "it is active: acknowledged and not yet ended"
    DISABLED = "it is disabled (ISENABLER)"
    GROUP_0 = "it is in group 0 (IGROUPR), which is not signalled as an IRQ"
    DISTRIBUTOR_OFF = "the distributor forwards no group 1 interrupts (GICD_CTLR.EnableGrp1 is 0)"
    ROUTED_ELSEWHERE = "it is routed to another vCPU, or to none (GICD_IROUTER)"
    INTERFACE_OFF = "the vCPU takes no group 1 interrupts (ICC_IGRPEN1_EL1 is 0)"
    PRIORITY_MASKED = "its priority is not above the mask (IPRIORITYR is not below ICC_PMR_EL1)"
    RUNNING_PRIORITY = "the vCPU is handling an interrupt of the same or a higher priority (ICC_RPR_EL1)"
    OUTRANKED = "another pending interrupt is more urgent"
    NOT_LISTED = "it is in no list register: others hold them all, or nothing made the hypervisor look at it since"


class InterruptState(NamedTuple):
    """An interrupt as one vCPU sees it.

    Arguments:
        intid: its number.
        enabled, pending, active, edge, group1: as in the GIC's registers.
        listed: it is in a list register of the hypervisor's.
        priority: 0 is the most urgent.
        route: the vCPU that it goes to; -1 for none.
        why_not: what keeps it from this vCPU; empty when it is signalled.
    """

    intid: int
    enabled: bool
    pending: bool
    active: bool
    edge: bool
    group1: bool
    listed: bool
    priority: int
    route: int
    why_not: tuple[Reason, ...]


def describe(delivery: Delivery, cpu: CpuInterface, intid: int) -> InterruptState | None:
    """Everything about an interrupt; None when the GIC has none of that INTID.  Looking changes nothing."""
    interrupts = delivery.interrupts
    slot = interrupts.slot(cpu.vcpu, intid)
    if slot < 0:
        return None
    state = interrupts.states[slot]
    return InterruptState(
        intid,
        state & ENABLED != 0,
        delivery.is_pending(slot),
        delivery.is_active(slot),
        state & EDGE_TRIGGERED != 0,
        state & GROUP1 != 0,
        state & LISTED != 0,
        interrupts.priorities[slot],
        delivery.route_of(slot),
        tuple(reasons(delivery, cpu, intid)),
    )


def reasons(delivery: Delivery, cpu: CpuInterface, intid: int) -> list[Reason]:
    """Everything that keeps interrupt `intid` from being signalled to a vCPU; empty when it is signalled."""
    interrupts = delivery.interrupts
    slot = interrupts.slot(cpu.vcpu, intid)
    if slot < 0:
        return [Reason.NO_SUCH_INTERRUPT]
    state = interrupts.states[slot]
    key = next((key for key in cpu.candidates if key & SLOT_MASK == slot), None)
    checks = (
        (Reason.NOT_PENDING, not delivery.is_pending(slot)),
        (Reason.ACTIVE, delivery.is_active(slot)),
        (Reason.DISABLED, not state & ENABLED),
        (Reason.GROUP_0, not state & GROUP1),
        (Reason.DISTRIBUTOR_OFF, not delivery.group_enables & ENABLE_GROUP1),
        (Reason.ROUTED_ELSEWHERE, delivery.route_of(slot) != cpu.vcpu),
        (Reason.INTERFACE_OFF, not cpu.group1_enabled),
    )
    found = [reason for reason, applies in checks if applies]
    # In the list-register model a listed interrupt keeps what it was listed with, whatever its registers say by now.
    listed = key is not None
    if listed:
        found = [reason for reason in found if reason is Reason.INTERFACE_OFF]
    priority = interrupts.priorities[slot] if key is None else key >> PRIORITY_SHIFT
    if priority >= cpu.pmr:
        found.append(Reason.PRIORITY_MASKED)
    if priority & cpu.group_mask >= cpu.running_priority & cpu.group_mask and cpu.active_priorities:
        found.append(Reason.RUNNING_PRIORITY)
    if key is not None and key != cpu.best:
        found.append(Reason.OUTRANKED)
    if not listed and not found:
        found.append(Reason.NOT_LISTED)
    return found


def explain(delivery: Delivery, cpu: CpuInterface, intid: int) -> dict[str, str]:
    """The same with the figures that a person needs, by the names of the reasons in small letters."""
    return {
        reason.name.lower(): reason.value + _figures(reason, delivery, cpu, intid)
        for reason in reasons(delivery, cpu, intid)
    }


def _figures(reason: Reason, delivery: Delivery, cpu: CpuInterface, intid: int) -> str:
    """What makes a reason true now, to be appended to it; empty where the reason says everything."""
    interrupts = delivery.interrupts
    slot = interrupts.slot(cpu.vcpu, intid)
    if reason is Reason.PRIORITY_MASKED:
        return f": priority {interrupts.priorities[slot]:#04x}, ICC_PMR_EL1 {cpu.pmr:#04x}"
    if reason is Reason.RUNNING_PRIORITY:
        return f": priority {interrupts.priorities[slot]:#04x}, running {cpu.running_priority:#04x}"
    if reason is Reason.ROUTED_ELSEWHERE:
        route = delivery.route_of(slot)
        return f": to vCPU {route}" if route >= 0 else f": {interrupts.routes[slot]:#x} is no vCPU's affinity"
    if reason is Reason.OUTRANKED and cpu.best != IDLE:
        return f": INTID {interrupts.intids[cpu.best & SLOT_MASK]}"
    return ""
