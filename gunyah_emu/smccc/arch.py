"""Arm architecture calls and the hypervisor's own identification (SMCCC, DEN0028, sections 7 and 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.hypervisor.system import API_INFO
from gunyah_emu.smccc.function import (
    FAST,
    OWNER_ARCH,
    OWNER_STANDARD_HYP,
    RESERVED,
    SVE_HINT,
    UNKNOWN_FUNCTION_32,
    Function,
    owner,
)

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.hypervisor import Hypervisor
    from gunyah_emu.hypervisor.thread import Thread

SMCCC_VERSION: Final = 0x8000_0000

VERSION: Final = 0x1_0003
"""SMCCC 1.3 (recorded)."""

UID: Final = (0xCD8F_D5C1, 0xDB5F_53A4, 0x36CE_6592, 0x145F_3D67)
"""Gunyah's UID (recorded)."""


def version(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """SMCCC_VERSION."""
    return (VERSION,)


def arch_features(_hypervisor: Hypervisor, _caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """SMCCC_ARCH_FEATURES: 0 for what is here, 32-bit -1 for everything else (recorded)."""
    asked = arguments[0]
    known = FUNCTIONS.get(asked & ~SVE_HINT) if asked & FAST and not asked & RESERVED else None
    if known is None or owner(asked) not in (OWNER_ARCH, OWNER_STANDARD_HYP):
        return (UNKNOWN_FUNCTION_32,)
    return (known.features,)


def call_uid(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """CALL_UID: which hypervisor this is."""
    return UID


def standard_revision(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """REVISION of the standard hypervisor service: 1.0 (read, not recorded)."""
    return 1, 0


def vendor_revision(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """REVISION of the vendor-hypervisor service: the API information of hypervisor_identify in x0 alone (recorded)."""
    return (API_INFO,)


FUNCTIONS: Final = {
    SMCCC_VERSION: Function("SMCCC_VERSION", version),
    0x8000_0001: Function("SMCCC_ARCH_FEATURES", arch_features),
    0x8500_FF01: Function("STANDARD_HYP_CALL_UID", call_uid),
    0x8500_FF03: Function("STANDARD_HYP_REVISION", standard_revision),
}

VENDOR_SERVICES: Final = {
    0x3F01: Function("VENDOR_HYP_CALL_UID", call_uid, truncates=False),
    0x3F03: Function("VENDOR_HYP_REVISION", vendor_revision, truncates=False),
}
"""By the low 14 bits of the id; CALL_COUNT (0x3f00) is deprecated and unknown (recorded)."""
