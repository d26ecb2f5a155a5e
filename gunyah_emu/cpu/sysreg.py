"""System registers that are answered outside the emulator.

A `SystemRegister` is declared by whoever owns the state behind it (the GIC's CPU interface, the timer) and lives per
vCPU.  Those that Unicorn lacks trap; those that it has are replaced.  Which of the two a register is must be known
without asking the emulator,
because the portable way cannot ask: it is what `REPLACED` says.
"""

from __future__ import annotations

from collections.abc import Callable

from gunyah_emu.cpu.libunicorn import Encoding

Reader = Callable[[], int | None]
Writer = Callable[[int], bool | None]


class SystemRegister:
    """One system register of one vCPU.

    Arguments:
        name: as in the Arm ARM.
        encoding: (op0, op1, CRn, CRm, op2).
        read: returns its value, or None for: UNDEFINED now.  Absent: reading is UNDEFINED.
        write: takes the 64-bit value; returns False for: UNDEFINED now.  Absent: writing is UNDEFINED.
        el0: whether EL0 may access it (for a register that the emulator lacks; op1 must be 3).
    """

    __slots__ = ("el0", "encoding", "name", "read", "write")

    def __init__(
        self,
        name: str,
        encoding: Encoding,
        read: Reader | None = None,
        write: Writer | None = None,
        *,
        el0: bool = False,
    ) -> None:
        assert not el0 or encoding[1] == 3, f"{name}: op1 must be 3 for EL0 access, not {encoding[1]}"
        self.name = name
        self.encoding = encoding
        self.read = read
        self.write = write
        self.el0 = el0

    def __repr__(self) -> str:
        return f"SystemRegister({self.name}, {encoding_name(self.encoding)})"


def encoding_name(encoding: Encoding) -> str:
    """The generic name that an assembler takes: S3_0_C12_C12_0."""
    op0, op1, crn, crm, op2 = encoding
    return f"S{op0}_{op1}_C{crn}_C{crm}_{op2}"


def trap_key(encoding: Encoding) -> int:
    """The encoding as the accelerator indexes it: 15 bits, op0 being 2 or 3."""
    op0, op1, crn, crm, op2 = encoding
    assert op0 in (2, 3), f"op0 must be 2 or 3, not {op0}"
    return (op0 & 1) << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def decode_system_access(instruction: int) -> tuple[Encoding, bool, int] | None:
    """(encoding, is a read, Rt) of an MRS or MSR (register), Arm ARM C6.2.228 and C6.2.230; None for others."""
    if instruction & 0xFFD0_0000 != 0xD510_0000:
        return None
    op0 = 2 + (instruction >> 19 & 1)
    op1, crn, crm, op2 = instruction >> 16 & 7, instruction >> 12 & 15, instruction >> 8 & 15, instruction >> 5 & 7
    return (op0, op1, crn, crm, op2), bool(instruction >> 21 & 1), instruction & 31


_COUNTERS_AT_EL0 = {1: 1 << 0, 2: 1 << 1}  # CNTKCTL_EL1.EL0PCTEN, EL0VCTEN by op2 of the counters
_TIMERS_AT_EL0 = {2: 1 << 9, 3: 1 << 8}  # EL0PTEN, EL0VTEN by CRm of the timers


def may_access_at_el0(encoding: Encoding, cntkctl: int, pmuserenr: int) -> bool:
    """Whether EL1 lets EL0 access one of the replaced registers (CNTKCTL_EL1, D19.12.16; PMUSERENR_EL0, D19.5.18)."""
    op0, op1, crn, crm, op2 = encoding
    if (op0, op1) != (3, 3):
        return False
    if crn == 14 and crm == 0:
        return bool(cntkctl & _COUNTERS_AT_EL0.get(op2, 0))
    if crn == 14 and crm in _TIMERS_AT_EL0:
        return bool(cntkctl & _TIMERS_AT_EL0[crm])
    return bool(pmuserenr & 1)
