"""Why an interrupt does not reach a vCPU: what the GIC says, and what lies between the GIC and the vCPU's next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.hypervisor.run_state import BLOCK_FAULT, BLOCK_PROXY, BLOCK_VMMIO
from gunyah_emu.machine.vm import PSTATE_I

if TYPE_CHECKING:
    from gunyah_emu.machine.vm import VCpu
    from gunyah_emu.machine.wired_gic import WiredGic

SPI_BASE = 32

STOPPED = (
    (BLOCK_FAULT, "it stopped at a fault"),
    (BLOCK_VMMIO, "its access waits for an answer of its proxy scheduler"),
    (BLOCK_PROXY, "only a vcpu_run executes it, and none does"),
)


def reasons(gic: WiredGic, interface: int, intid: int) -> dict[str, str]:
    """Everything that keeps an interrupt from being taken by a vCPU now, as names and sentences; empty: it is taken.

    Arguments:
        gic: whose interrupt it is.
        interface: which of the GIC's CPU interfaces; -1: the one that an SPI is routed to.
        intid: the interrupt.
    """
    if gic.interrupts.slot(0, intid) < 0:
        return gic.explain(0, intid)
    if interface < 0 and intid >= SPI_BASE:
        interface = gic.route_of(intid)
    interface = max(interface, 0)
    return gic.explain(interface, intid) | _of_vcpu(gic.lines[interface], interface)


def _of_vcpu(vcpu: VCpu | None, interface: int) -> dict[str, str]:
    if vcpu is None:
        return {"vcpu_off": f"vCPU {interface} was never powered on, or is gone"}
    if vcpu.vm.exit_status is not None:
        return {"vm_ended": f"the VM has ended ({vcpu.vm.exit_reason})"}
    if not vcpu.on:
        return {"vcpu_off": f"vCPU {interface} is off"}
    registers = vcpu.vm.engine.registers(vcpu.index)
    found = {}
    # A vCPU that waits with interrupts masked goes on behind its WFI; the interrupt is not taken there either.
    if registers.pstate & PSTATE_I:
        found["irqs_masked"] = f"the vCPU masks interrupts (PSTATE.I is 1), at {registers.pc:#x}"
    blocks = vcpu.thread.blocks
    for bit, what in STOPPED:
        if blocks & bit and vcpu.thread.proxy is None:
            found["vcpu_stopped"] = f"the vCPU does not execute: {what}"
            break
    return found
