"""A GIC whose IRQ lines end at the machine's vCPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.gic import Gic, Model
from gunyah_emu.hypervisor.fatal import HypervisorFatal

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.vic import Vic
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu


class WiredGic(Gic):
    """A VIC's GIC.

    Arguments:
        machine: where its vCPUs run.
        vic: whose it is; its geometry is final.
        model: which GIC it is.

    Attributes:
        lines: the vCPU at each CPU interface, as far as they were powered on.
    """

    def __init__(self, machine: Machine, vic: Vic, model: Model) -> None:
        vcpus = vic.max_vcpus
        self.lines: list[VCpu | None] = [None] * vcpus
        lines = self.lines

        def raise_irq(index: int, level: bool) -> None:
            vcpu = lines[index]
            if vcpu is None:
                return
            vcpu.set_irq(vcpu.index, level)
            if level:
                if vcpu.waiting:
                    machine.wake(vcpu)
                elif vcpu.blocked:
                    machine.scheduler.preempt(vcpu.thread)

        affinities = [vic.mpidr_mapping.mpidr(index) for index in range(vcpus)]
        super().__init__(vcpus, vic.max_virqs, raise_irq, model, affinities)
        if machine.hypervisor.fatal == "stop":
            self.on_fatal = _stop


def _stop(_vcpu: int, what: str) -> None:
    raise HypervisorFatal(what)


def controller_of(vic: Vic | None) -> WiredGic | None:
    """The GIC of a VIC; None while it is not active."""
    if vic is None or vic.controller is None:
        return None
    assert isinstance(vic.controller, WiredGic)
    return vic.controller
