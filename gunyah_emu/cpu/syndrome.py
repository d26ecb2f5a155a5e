"""Syndromes found out again, and exceptions entered by hand: what the portable way must do itself.

Unicorn's public API tells the number of an exception and no more, so what ESR_EL1 and FAR_EL1 must hold is derived from
the instruction at PC and the state that made it trap.

Source: Arm ARM D1.3.5 (exception entry), D17.2.37 (ESR_EL1).
"""

from __future__ import annotations

from collections.abc import Callable

from gunyah_emu.cpu import exceptions as e
from gunyah_emu.cpu.decode import Access, decode_access
from gunyah_emu.cpu.identity import BREAKPOINTS
from gunyah_emu.cpu.libunicorn import REG_PC, REG_PSTATE, REG_SP, Unicorn
from gunyah_emu.cpu.registers import PSTATE_EL1H_MASKED, SYSTEM, Registers
from gunyah_emu.cpu.sysreg import decode_system_access
from gunyah_emu.cpu.walk import DATA_READ, DATA_WRITE, FETCH, Fault, walk

_ALIGNMENT = 0x21
_DAIFSET_D, _DAIFSET_D_MASK = 0xD503_48DF, 0xFFFF_F8FF
DEBUG_EXCEPTION, _STEP_EXCLUSIVE, _STEP_VALID = 0x22, 1 << 6, 1 << 24
_MDSCR_SS, _MDSCR_KDE, _PSTATE_SS, _PSTATE_D = 1 << 0, 1 << 13, 1 << 21, 1 << 9
_PSTATE_PAN, _SCTLR_SPAN, _PSTATE_IL = 1 << 22, 1 << 23, 1 << 20
_SCTLR_NTWI = 1 << 16
_WFI = 0xD503_207F
_CONDITION = 1 << 24 | 0xE << 20  # CV = 1, COND = always
_FP_REGISTERS = ((3, 3, 4, 4, 0), (3, 3, 4, 4, 1))  # FPCR, FPSR

_TRAPPED_AT_EL0 = frozenset(
    (op0, 3, crn, crm)
    for op0, crn, crms in (
        (3, 0, (0,)),  # CTR_EL0, DCZID_EL0: SCTLR_EL1.UCT
        (3, 4, (2,)),  # DAIF: SCTLR_EL1.UMA
        (3, 9, (12, 13, 14)),  # PMU: PMUSERENR_EL0
        (3, 14, (0, 2, 3, *range(8, 16))),  # timers: CNTKCTL_EL1; PMU
        (1, 7, (4, 5, 10, 11, 12, 14)),  # DC and IC: SCTLR_EL1.DZE, UCI
    )
    for crm in crms
)
"""What EL1 may let EL0 access; a denied access traps with its encoding instead of being UNDEFINED."""
_READ_ONLY_AT_EL0 = ((3, 0, 0), (3, 14, 0))  # CTR_EL0, DCZID_EL0; CNTFRQ_EL0 and the counters


def is_floating_point(instruction: int) -> bool:
    """Whether an instruction needs the FP and SIMD registers (C4.1: op0 = x111, or a load or store with V set)."""
    if instruction >> 25 & 7 == 7 or (instruction >> 25 & 5 == 4 and instruction >> 26 & 1):
        return True
    access = decode_system_access(instruction)
    return access is not None and access[0] in _FP_REGISTERS


def undefined(instruction: int | None, pc: int, pstate: int, sctlr: int, cpacr: int) -> int:
    """The syndrome of an exception that arrived as UNDEFINED.

    Arguments:
        instruction: at `pc`; None when it cannot be fetched.
        pc: where.
        pstate: of the vCPU.
        sctlr: SCTLR_EL1, which traps WFI at EL0 (a WFE never waits here, so it need not trap).
        cpacr: CPACR_EL1, which traps FP and SIMD.
    """
    el = pstate >> 2 & 3
    if pc & 3:
        return e.EC_PC_ALIGNMENT << 26 | e.IL
    if pstate & _PSTATE_IL:
        return e.EC_ILLEGAL_STATE << 26 | e.IL
    if instruction is None:
        return e.IL
    enabled = cpacr >> 20 & 3
    if is_floating_point(instruction) and (enabled != 3 if el == 0 else enabled in (0, 2)):
        return e.EC_FP << 26 | e.IL | _CONDITION
    if el == 0:
        if instruction == _WFI and not sctlr & _SCTLR_NTWI:
            return e.EC_WFX << 26 | e.IL | _CONDITION
        return _system_at_el0(instruction)
    return e.IL


def software_step(pstate: int, mdscr: int, previous: int | None) -> int | None:
    """The syndrome of a software step exception (Arm ARM D2.12); None when stepping is off or an instruction trapped.

    It is 0 when the step has masked debug exceptions: the emulator raises one nevertheless.

    Arguments:
        pstate: of the vCPU; PSTATE.SS is clear once the step is made.
        mdscr: MDSCR_EL1, which turns stepping on.
        previous: the instruction that the step has executed; None when it executed none.
    """
    el = pstate >> 2 & 3
    if not mdscr & _MDSCR_SS or pstate & _PSTATE_SS:
        return None
    if el and (not mdscr & _MDSCR_KDE or pstate & _PSTATE_D):
        return 0 if previous is not None and previous & _DAIFSET_D_MASK == _DAIFSET_D else None
    iss = DEBUG_EXCEPTION
    if previous is not None:
        iss |= _STEP_VALID | (_STEP_EXCLUSIVE if previous & 0x3FC0_0000 == 0x0840_0000 else 0)
    return e.EC_SOFTWARE_STEP + (1 if el else 0) << 26 | e.IL | iss


def is_breakpoint(uc: Unicorn, pc: int) -> bool:
    """Whether a hardware breakpoint of the guest's is at PC (Arm ARM D2.9), told by the emulator's registers."""
    return any(
        uc.read_system((2, 0, 0, number, 5)) & 1 and uc.read_system((2, 0, 0, number, 4)) & -4 == pc
        for number in range(BREAKPOINTS)
    )


def _system_at_el0(instruction: int) -> int:
    if instruction & 0xFFC0_0000 != 0xD500_0000:
        return e.IL
    op0, op1, crn, crm = instruction >> 19 & 3, instruction >> 16 & 7, instruction >> 12 & 15, instruction >> 8 & 15
    op2, target, is_read = instruction >> 5 & 7, instruction & 31, instruction >> 21 & 1
    if op0 == 0 and crn == 4 and op1 == 3:  # MSR DAIFSet and DAIFClr, trapped by SCTLR_EL1.UMA
        return e.EC_SYSTEM_REGISTER << 26 | e.IL | _iss(op0, op1, crn, crm, op2, 31, 0)
    if op0 < 1 or (op0, op1, crn, crm) not in _TRAPPED_AT_EL0:
        return e.IL
    if not is_read and (op0, crn, crm) in _READ_ONLY_AT_EL0:
        return e.IL
    return e.EC_SYSTEM_REGISTER << 26 | e.IL | _iss(op0, op1, crn, crm, op2, target, is_read)


def _iss(op0: int, op1: int, crn: int, crm: int, op2: int, target: int, is_read: int) -> int:
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | target << 5 | crm << 1 | is_read


def data_access(instruction: int | None, registers: Registers, pc: int) -> Access | None:
    """The access that the instruction at `pc` makes."""
    if instruction is None:
        return None
    return decode_access(instruction, registers.x, registers.sp, pc)


def data_abort(
    access: Access | None, registers: Registers, read_word: Callable[[int], int | None], el: int
) -> tuple[int, int]:
    """(ESR_EL1, FAR_EL1) of a stage 1 data abort: the first byte that the tables refuse, or a misaligned access."""
    ec = e.EC_DATA_ABORT + (1 if el else 0)
    if access is None:  # an access that we cannot decode: say what is certain
        return ec << 26 | e.IL, 0
    accessing = 0 if access.unprivileged else el
    boundary = (access.address + access.size - 1) & ~4095
    addresses = [access.address] + ([boundary] if boundary > access.address else [])
    for address in addresses:
        for kind, wanted in ((DATA_READ, access.is_read), (DATA_WRITE, access.is_write)):
            if wanted:
                found = walk(registers, read_word, address, kind, accessing)
                if isinstance(found, Fault):
                    return ec << 26 | e.IL | (e.WNR if kind == DATA_WRITE else 0) | found.status, address
    return ec << 26 | e.IL | (0 if access.is_read else e.WNR) | _ALIGNMENT, access.address


def instruction_abort(registers: Registers, read_word: Callable[[int], int | None], pc: int, el: int) -> int:
    """ESR_EL1 of a stage 1 instruction abort; FAR_EL1 is PC."""
    found = walk(registers, read_word, pc, FETCH, el)
    status = found.status if isinstance(found, Fault) else e.SYNC_EXTERNAL
    return e.EC_INSTRUCTION_ABORT + (1 if el else 0) << 26 | e.IL | status


def enter_exception(uc: Unicorn, pc: int, esr: int | None, far: int | None = None, *, has_pan: bool = False) -> int:
    """Take an exception to EL1 (D1.3.5); returns the vector's address.

    Arguments:
        uc: the emulator, with the vCPU in it.
        pc: the preferred return address.
        esr: the syndrome; None for an IRQ, which has none.
        far: the faulting address, for aborts.
        has_pan: whether the CPU has PSTATE.PAN.
    """
    pstate = uc.read(REG_PSTATE)
    vector = uc.read_system(SYSTEM["VBAR_EL1"])
    if pstate >> 2 & 3 == 0:
        vector += 0x400
    elif pstate & 1:
        vector += 0x200
    if esr is None:
        vector += 0x80
    else:
        uc.write_system(SYSTEM["ESR_EL1"], esr)
    if far is not None:
        uc.write_system(SYSTEM["FAR_EL1"], far)
    if not (pstate & 1 and pstate & 0xC):  # SP_EL0 was in use; the vector runs on SP_EL1
        uc.write_system(SYSTEM["SP_EL0"], uc.read(REG_SP))
        uc.write(REG_SP, uc.read_system(SYSTEM["SP_EL1"]))
    entered = PSTATE_EL1H_MASKED | pstate & _PSTATE_PAN
    if has_pan and not uc.read_system(SYSTEM["SCTLR_EL1"]) & _SCTLR_SPAN:
        entered |= _PSTATE_PAN
    uc.write_system(SYSTEM["ELR_EL1"], pc)
    uc.write(REG_PSTATE, entered)
    # The write of a system register is what makes Unicorn derive its translation state from the new PSTATE.
    uc.write_system(SYSTEM["SPSR_EL1"], pstate)
    uc.write(REG_PC, vector)
    return vector
