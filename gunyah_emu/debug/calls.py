"""What a call is to people: one number for a hypercall, whichever way it is made."""

from __future__ import annotations

from gunyah_emu.abi.declare import FIRST_IMMEDIATE, TABLE_SIZE

SMCCC_BASE = 0xC600_8000
"""SMCCC function ID of hypercall 0: fast, 64-bit, vendor-specific hypervisor service."""


def call_number(immediate: int, x0: int) -> int:
    """The number of a call that is about to be made.

    Arguments:
        immediate: of the HVC or SMC.
        x0: the register.

    Returns: 0x60nn for a hypercall by either encoding; the function ID of another SMCCC call; else the immediate.
    """
    if immediate:
        return immediate
    function = x0 & 0xFFFF_FFFF
    if 0 <= function - SMCCC_BASE < TABLE_SIZE:
        return FIRST_IMMEDIATE + function - SMCCC_BASE
    return function
