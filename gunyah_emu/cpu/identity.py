"""What the CPU says it is: ID registers that describe exactly what works, and debug and PMU registers that do no harm.

These replace the emulator's own.  Hidden is what would make a run depend on the host (random numbers, event counters
that read its clock), what is not kept per vCPU (SVE), what is not counted rightly (AArch32), and what is right but slow
(pointer authentication is hashed in software).
"""

from __future__ import annotations

from collections.abc import Callable

from gunyah_emu.cpu.libunicorn import Encoding
from gunyah_emu.cpu.sysreg import SystemRegister

_FIELDS: tuple[tuple[str, Encoding, int], ...] = (
    ("ID_AA64PFR0_EL1", (3, 0, 0, 4, 0), 0xF << 32 | 2 << 4 | 2),  # SVE; AArch32 at EL1 and EL0
    ("ID_AA64ZFR0_EL1", (3, 0, 0, 4, 4), (1 << 64) - 1),  # SVE, in detail
    ("ID_AA64ISAR0_EL1", (3, 0, 0, 6, 0), 0xF << 60),  # RNDR
    ("ID_AA64ISAR1_EL1", (3, 0, 0, 6, 1), 0xFF << 24 | 0xFF << 4),  # GPI, GPA, API, APA
)
"""ID registers (Arm ARM D19.2.58 and following), and the fields of them that read as zero."""

_PFR0_GIC = 1 << 24  # GICv3 system registers
_PFR0_AARCH64 = 0x11  # EL1 and EL0 are AArch64 alone
_RANDOM: tuple[tuple[str, Encoding], ...] = (("RNDR", (3, 3, 2, 4, 0)), ("RNDRRS", (3, 3, 2, 4, 1)))
_PMCR_WRITABLE, _PMCR_RESET_CYCLES = 0x69, 1 << 2  # LC, DP, D, E; C
_PMCR_IDENTITY = 0x41 << 24  # implementer Arm, no event counters (N = 0)
BREAKPOINTS, _WATCHPOINTS, _EVENT_COUNTERS = 6, 4, 4


class _Storage:
    """A register that keeps what is written and does nothing."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def read(self) -> int:
        return self.value

    def write(self, value: int) -> None:
        self.value = value


class _CycleCounter:
    """The PMU: a cycle counter of one cycle an instruction, and no event counters (Arm ARM D11)."""

    __slots__ = ("_control", "_now", "_stopped_at", "_zero")

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._control = 0
        self._zero = 0
        self._stopped_at: int | None = 0

    def read_control(self) -> int:
        return _PMCR_IDENTITY | self._control

    def write_control(self, value: int) -> None:
        count = self.read_cycles()
        self._control = value & _PMCR_WRITABLE
        self._stopped_at = None if value & 1 else count
        self.write_cycles(0 if value & _PMCR_RESET_CYCLES else count)

    def read_cycles(self) -> int:
        return (self._now() - self._zero) & (1 << 64) - 1 if self._stopped_at is None else self._stopped_at

    def write_cycles(self, value: int) -> None:
        if self._stopped_at is None:
            self._zero = self._now() - value
        else:
            self._stopped_at = value


def _ignored(value: int) -> None:
    """A write that changes nothing."""


def _zero() -> int:
    return 0


def identity_registers(
    read: Callable[[Encoding], int], now: Callable[[], int], *, is_max: bool, has_gic: bool
) -> list[SystemRegister]:
    """The registers of one vCPU that replace the emulator's own.

    Arguments:
        read: the emulator's own value of an ID register.
        now: virtual time, which the cycle counter shows.
        is_max: whether the CPU model is "max", which has more registers to hide.
        has_gic: whether the GIC's CPU interface is among the declared registers.
    """
    found = []
    for name, encoding, hidden in _FIELDS:
        value = read(encoding) & ~hidden
        if encoding == _FIELDS[0][1]:
            value |= _PFR0_AARCH64 | (_PFR0_GIC if has_gic else 0)
        found.append(SystemRegister(name, encoding, lambda value=value: value))  # type: ignore[misc]  # no inference
    if is_max:
        found += (SystemRegister(name, encoding, _zero) for name, encoding in _RANDOM)
    pmu = _CycleCounter(now)
    found.append(SystemRegister("PMCR_EL0", (3, 3, 9, 12, 0), pmu.read_control, pmu.write_control))
    found.append(SystemRegister("PMCCNTR_EL0", (3, 3, 9, 13, 0), pmu.read_cycles, pmu.write_cycles))
    found += (
        SystemRegister(name, (3, 3, 9, 13, op2), _zero, _ignored) for name, op2 in (("PMXEVTYPER", 1), ("PMXEVCNTR", 2))
    )
    for number in range(_EVENT_COUNTERS):
        found.append(SystemRegister(f"PMEVCNTR{number}_EL0", (3, 3, 14, 8, number), _zero, _ignored))
        found.append(SystemRegister(f"PMEVTYPER{number}_EL0", (3, 3, 14, 12, number), _zero, _ignored))
    for number in range(_WATCHPOINTS):
        for name, op2 in (("DBGWVR", 6), ("DBGWCR", 7)):
            kept = _Storage()
            found.append(SystemRegister(f"{name}{number}_EL1", (2, 0, 0, number, op2), kept.read, kept.write))
    return found
