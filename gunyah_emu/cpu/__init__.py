"""The CPU: Unicorn behind a seam that speaks of vCPUs, buses and calls.  The only room that knows Unicorn."""

from __future__ import annotations

from gunyah_emu.cpu.engine import Engine
from gunyah_emu.cpu.exceptions import ExceptionLoop
from gunyah_emu.cpu.libunicorn import Encoding
from gunyah_emu.cpu.opening import open_engine
from gunyah_emu.cpu.registers import Registers
from gunyah_emu.cpu.seam import CallTable, Device, ExitHandler, Stop
from gunyah_emu.cpu.sysreg import SystemRegister, encoding_name
from gunyah_emu.cpu.timer import FREQUENCY, INSTRUCTIONS_PER_TICK, GenericTimer

__all__ = [
    "FREQUENCY",
    "INSTRUCTIONS_PER_TICK",
    "CallTable",
    "Device",
    "Encoding",
    "Engine",
    "ExceptionLoop",
    "ExitHandler",
    "GenericTimer",
    "Registers",
    "Stop",
    "SystemRegister",
    "encoding_name",
    "open_engine",
]
