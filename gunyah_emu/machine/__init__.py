"""A machine file becomes VMs: configuration, build, memory, clock, scheduler."""

from gunyah_emu.machine.machine import Machine
from gunyah_emu.machine.outcome import Outcome
from gunyah_emu.machine.scheduler import Reason

__all__ = ["Machine", "Outcome", "Reason"]
