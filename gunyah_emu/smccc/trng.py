"""True random number firmware interface (Arm DEN0098), version 1.0, as recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.smccc.function import (
    FAST,
    OWNER_STANDARD,
    RESERVED,
    SMC64,
    U64,
    UNKNOWN_FUNCTION_32,
    Function,
    owner,
)

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.hypervisor import Hypervisor
    from gunyah_emu.hypervisor.thread import Thread

VERSION: Final = 0x1_0000
UUID: Final = (0x4554_6E21, 0x92A1_433D, 0xA2EA_5FE2, 0x1639_7D4E)

NOT_SUPPORTED: Final = -1 & U64
INVALID_PARAMETERS: Final = -2 & U64

FIRST: Final = 0x8400_0050
LAST: Final = 0x8400_005F

_FEATURES_32: Final = (0x50, 0x51, 0x52, 0x53)
_FEATURES_64: Final = (0x53,)


def version(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """TRNG_VERSION; x1..x3 become 0."""
    return VERSION, 0, 0, 0


def features(_hypervisor: Hypervisor, _caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """TRNG_FEATURES: 0 for the four functions and for the 64-bit TRNG_RND, else NOT_SUPPORTED in 64 bits."""
    asked = arguments[0]
    if owner(asked) != OWNER_STANDARD or not asked & FAST or asked & RESERVED:
        return (NOT_SUPPORTED,)
    here = asked & 0xFFFF in (_FEATURES_64 if asked & SMC64 else _FEATURES_32)
    return (0 if here else NOT_SUPPORTED,)


def get_uuid(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """TRNG_GET_UUID."""
    return UUID


def _random(hypervisor: Hypervisor, bits: int, limit: int) -> tuple[int, ...]:
    """`bits` bits, right-aligned in x3, x2, x1; INVALID_PARAMETERS: 0 or more than `limit`."""
    if not 1 <= bits <= limit:
        return INVALID_PARAMETERS, 0, 0, 0
    width = limit // 3
    value = int.from_bytes(hypervisor.platform.entropy((bits + 7) // 8), "little") & (1 << bits) - 1
    word = (1 << width) - 1
    return 0, value >> 2 * width, value >> width & word, value & word


def rnd_32(hypervisor: Hypervisor, _caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """TRNG_RND of the 32-bit convention: 1..96 bits."""
    return _random(hypervisor, arguments[0], 96)


def rnd_64(hypervisor: Hypervisor, _caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """TRNG_RND of the 64-bit convention: 1..192 bits."""
    return _random(hypervisor, arguments[0], 192)


def unknown_32(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """An id of the TRNG's range without a function: NOT_SUPPORTED in 32 bits (read, not recorded)."""
    return (UNKNOWN_FUNCTION_32,)


FUNCTIONS: Final = {
    **{number: Function("TRNG_UNKNOWN", unknown_32, truncates=False) for number in range(FIRST, LAST + 1)},
    0x8400_0050: Function("TRNG_VERSION", version, truncates=False),
    0x8400_0051: Function("TRNG_FEATURES", features, truncates=False),
    0x8400_0052: Function("TRNG_GET_UUID", get_uuid, truncates=False),
    0x8400_0053: Function("TRNG_RND32", rnd_32, truncates=False),
    0xC400_0053: Function("TRNG_RND64", rnd_64, truncates=False),
}
