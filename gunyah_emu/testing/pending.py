"""Which interrupts of a VM are not done with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic.why import Reason
from gunyah_emu.machine.wired_gic import controller_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.machine.vm import VirtualMachine


def pending_in(vm: VirtualMachine) -> Iterator[str]:
    """Each interrupt that is enabled and pending, or active, in words.

    A level that a device holds and that the guest has disabled is the guest's way to have done with it.
    """
    gics = list(dict.fromkeys(gic for thread in vm.threads if (gic := controller_of(thread.vic)) is not None))
    for gic in gics:
        for vcpu in range(gic.interrupts.vcpus):
            for intid in range(32 + gic.interrupts.spis if vcpu == 0 else 32):
                state = _state(gic.why_not(vcpu, intid))
                if state:
                    vcpu_name = f" vCPU {vcpu}" if intid < 32 else ""
                    yield f"INTID {intid} of VM '{vm.name}'{vcpu_name} is {state}"


def _state(reasons: list[Reason]) -> str:
    if Reason.NO_SUCH_INTERRUPT in reasons:
        return ""
    if Reason.ACTIVE in reasons:
        return "active"
    if Reason.NOT_PENDING in reasons or Reason.DISABLED in reasons:
        return ""
    return "pending"
