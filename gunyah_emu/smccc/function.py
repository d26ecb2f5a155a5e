"""What a function behind `hvc #0` is, and how function ids are made (SMCCC, DEN0028, section 2.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.hypervisor.thread import Thread

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.hypervisor import Hypervisor

FAST: Final = 1 << 31
SMC64: Final = 1 << 30
SVE_HINT: Final = 1 << 16
RESERVED: Final = 0x00FE_0000

OWNER_ARCH: Final = 0
OWNER_STANDARD: Final = 4
OWNER_STANDARD_HYP: Final = 5
OWNER_VENDOR_HYP: Final = 6

UNKNOWN_FUNCTION_64: Final = 0xFFFF_FFFF_FFFF_FFFF
UNKNOWN_FUNCTION_32: Final = 0xFFFF_FFFF

U32: Final = 0xFFFF_FFFF
U64: Final = 0xFFFF_FFFF_FFFF_FFFF

BLOCKED: Final[tuple[int, ...]] = ()
"""The result of a call that does not return now: the vCPU is off, suspended or gone."""

Handler = Callable[["Hypervisor", Thread, list[int]], tuple[int, ...] | None]
"""`handler(hypervisor, caller, arguments)`: x0, x1, ... as far as they are written; `None`: unknown to this caller.

The arguments are x1..x6, cut to 32 bits for a function of the 32-bit convention.
"""


class Function(NamedTuple):
    """One function id.

    Arguments:
        name: as its specification writes it.
        handler: what it does.
        features: what PSCI_FEATURES or SMCCC_ARCH_FEATURES says of it.
        truncates: results of the 32-bit convention cut x1..x3 to 32 bits, written or not (read in the real
            hypervisor's source).

    """

    name: str
    handler: Handler
    features: int = 0
    truncates: bool = True


def owner(function_id: int) -> int:
    """The service that a function id belongs to."""
    return function_id >> 24 & 0x3F
