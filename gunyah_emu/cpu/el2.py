"""What a hypervisor at EL2, and firmware at EL3, set up before a guest runs at EL1.

Unicorn resets its CPU into EL1 with EL2 and EL3 present but unconfigured; a guest would find HVC undefined and its page
tables read as AArch32's.  These are the values that make EL1 the EL1 of a virtual machine (Arm ARM D19.2: HCR_EL2,
SCR_EL3, CNTHCTL_EL2, VTCR_EL2).
"""

from __future__ import annotations

from gunyah_emu.cpu.libunicorn import Encoding

SCR_EL3: Encoding = (3, 6, 1, 1, 0)
HCR_EL2: Encoding = (3, 4, 1, 1, 0)
CPACR_EL1: Encoding = (3, 0, 1, 0, 2)
CNTHCTL_EL2: Encoding = (3, 4, 14, 1, 0)
VTTBR_EL2: Encoding = (3, 4, 2, 1, 0)
VTCR_EL2: Encoding = (3, 4, 2, 1, 2)
HPFAR_EL2: Encoding = (3, 4, 6, 0, 4)
VMPIDR_EL2: Encoding = (3, 4, 0, 0, 5)

_SCR_NS, _SCR_HCE, _SCR_RW, _SCR_PAUTH = 1 << 0, 1 << 8, 1 << 10, 3 << 16
_HCR_VM, _HCR_RW, _HCR_PAUTH = 1 << 0, 1 << 31, 3 << 40

SETUP: tuple[tuple[Encoding, int], ...] = (
    (SCR_EL3, _SCR_RW | _SCR_HCE | _SCR_NS | _SCR_PAUTH),
    (HCR_EL2, _HCR_RW | _HCR_PAUTH),
    (CNTHCTL_EL2, 3),  # EL1 reaches the physical counter and timer
    (CPACR_EL1, 0),  # Unicorn turns the FP registers on for its users; a guest must do that itself
)

IPA_BITS = 39
"""What VTCR below lets a guest address; an IPA above it faults at stage 2."""

# T0SZ = 64 - IPA_BITS; SL0 = 1: walks start at level 1; write-back, inner shareable walks; TG0 = 4 KiB; PS = 40 bits
VTCR = 64 - IPA_BITS | 1 << 6 | 1 << 8 | 1 << 10 | 3 << 12 | 2 << 16 | 1 << 31


def stage2_setup(tables: int) -> tuple[tuple[Encoding, int], ...]:
    """The registers that turn stage 2 on, with its tables at physical address `tables`."""
    return (VTTBR_EL2, tables), (VTCR_EL2, VTCR), (HCR_EL2, _HCR_RW | _HCR_PAUTH | _HCR_VM)
