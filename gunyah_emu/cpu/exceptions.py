"""Exceptions as the architecture numbers them: syndromes for the guest, names for people.

Source: Arm ARM D17.2.37 (ESR_EL1), D1.3 (exception entry).
"""

from __future__ import annotations

# The emulator's numbers of what arrives in its interrupt hook.
UNDEFINED, SVC, INSTRUCTION_ABORT, DATA_ABORT, BREAKPOINT, HVC, SMC = 1, 2, 3, 4, 7, 11, 13

IL = 1 << 25
EC_UNKNOWN, EC_WFX, EC_FP, EC_ILLEGAL_STATE, EC_SVC, EC_SYSTEM_REGISTER = 0x00, 0x01, 0x07, 0x0E, 0x15, 0x18
EC_INSTRUCTION_ABORT, EC_PC_ALIGNMENT, EC_DATA_ABORT, EC_SP_ALIGNMENT = 0x20, 0x22, 0x24, 0x26
EC_HARDWARE_BREAKPOINT, EC_SOFTWARE_STEP, EC_BRK = 0x30, 0x32, 0x3C
SYNC_EXTERNAL, STATUS = 0x10, 0x3F
WNR = 1 << 6

_CLASSES = {
    EC_UNKNOWN: "undefined instruction",
    EC_WFX: "trapped WFI or WFE",
    EC_FP: "trapped floating-point access",
    EC_ILLEGAL_STATE: "illegal execution state",
    EC_SVC: "SVC",
    EC_SYSTEM_REGISTER: "trapped system register access",
    EC_INSTRUCTION_ABORT: "instruction abort from EL0",
    EC_INSTRUCTION_ABORT + 1: "instruction abort",
    EC_PC_ALIGNMENT: "misaligned PC",
    EC_DATA_ABORT: "data abort from EL0",
    EC_DATA_ABORT + 1: "data abort",
    EC_SP_ALIGNMENT: "misaligned SP",
    EC_HARDWARE_BREAKPOINT: "breakpoint from EL0",
    EC_HARDWARE_BREAKPOINT + 1: "breakpoint",
    EC_SOFTWARE_STEP: "software step from EL0",
    EC_SOFTWARE_STEP + 1: "software step",
    EC_BRK: "BRK",
}


def syndrome_name(esr: int) -> str:
    """What an ESR_EL1 says, in words."""
    return _CLASSES.get(esr >> 26, f"exception class 0x{esr >> 26:02x}")


class ExceptionLoop:
    """The exception that a vCPU cannot get out of: each one leads to the next, and nothing runs between.

    Attributes:
        description: its class in words.
        esr, elr, far: as the first exception set them.
    """

    __slots__ = ("description", "elr", "esr", "far")

    def __init__(self, esr: int, elr: int, far: int) -> None:
        self.description = syndrome_name(esr)
        self.esr = esr
        self.elr = elr
        self.far = far

    def __repr__(self) -> str:
        return f"ExceptionLoop({self.description}, ESR 0x{self.esr:x}, ELR 0x{self.elr:x}, FAR 0x{self.far:x})"
