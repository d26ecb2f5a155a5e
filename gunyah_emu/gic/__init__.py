"""An emulated GICv3, pure Python: distributor, redistributors and CPU interfaces.

It knows neither the CPU nor the hypervisor.

Sources assert, registers are read and written, and `raise_irq(vcpu, level)` says what becomes of the IRQ lines.
`observer.GicObserver` is the shape of a recorder, `why.Reason` what `Gic.why_not` answers.
"""

from gunyah_emu.gic.controller import Gic
from gunyah_emu.gic.model import ARCHITECTURAL, GUNYAH, MODELS, Model
from gunyah_emu.gic.registers import CPU_INTERFACE_REGISTERS, CpuInterfaceRegister, registers

__all__ = [
    "ARCHITECTURAL",
    "CPU_INTERFACE_REGISTERS",
    "GUNYAH",
    "MODELS",
    "CpuInterfaceRegister",
    "Gic",
    "Model",
    "registers",
]
