"""Which function id is whose: the way of every `hvc #0` and `smc #0`.

Recorded rules: both conduits are alike; what is unknown leaves a 64-bit -1 in x0 and all other registers alone; bits
63:32 of x0 and bit 16 (the SVE hint) are ignored, bits 23:17 must be 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.declare import TABLE_SIZE
from gunyah_emu.smccc import arch, psci, trng
from gunyah_emu.smccc.function import (
    FAST,
    OWNER_VENDOR_HYP,
    RESERVED,
    SMC64,
    SVE_HINT,
    U32,
    UNKNOWN_FUNCTION_64,
    Function,
    owner,
)

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.hypervisor import Hypervisor
    from gunyah_emu.hypervisor.thread import Thread

FUNCTIONS: Final[dict[int, Function]] = {**arch.FUNCTIONS, **psci.FUNCTIONS, **trng.FUNCTIONS}
"""Every function but Gunyah's own, by id."""

_CLASS_HYPERCALL: Final = 2
_CLASS_SERVICE: Final = 3
_ARGUMENTS: Final = slice(1, 7)


class Smccc:
    """The services of one hypervisor.

    Arguments:
        hypervisor: whose.

    """

    __slots__ = ("hypervisor",)

    def __init__(self, hypervisor: Hypervisor) -> None:
        self.hypervisor = hypervisor

    def call(self, caller: Thread, x: list[int]) -> bool:
        """Perform `hvc #0` or `smc #0`.

        Arguments:
            caller: the calling vCPU.
            x: x0..x7 at least; results are written into it.

        Returns:
            Whether the caller goes on after its HVC now.  Otherwise it is blocked, off or gone, and nothing was
            written.

        """
        function_id = x[0] & U32
        if function_id & RESERVED:
            x[0] = UNKNOWN_FUNCTION_64
            return True
        if owner(function_id) == OWNER_VENDOR_HYP:
            return self._vendor(caller, function_id, x)
        function = FUNCTIONS.get(function_id & ~SVE_HINT)
        if function is None:
            x[0] = UNKNOWN_FUNCTION_64
            return True
        return self._perform(function, caller, function_id, x)

    def _perform(self, function: Function, caller: Thread, function_id: int, x: list[int]) -> bool:
        arguments = x[_ARGUMENTS]
        if not function_id & SMC64:
            arguments = [argument & U32 for argument in arguments]
        observer = self.hypervisor.observer
        if observer is not None:
            observer.service(caller, function.name, tuple(arguments))
        results = function.handler(self.hypervisor, caller, arguments)
        if results is None:
            x[0] = UNKNOWN_FUNCTION_64
            return True
        if not results:
            return False
        if function.truncates and not function_id & SMC64:
            x[1:4] = arguments[:3]
        x[: len(results)] = results
        return True

    def _vendor(self, caller: Thread, function_id: int, x: list[int]) -> bool:
        call_class, number = function_id >> 14 & 3, function_id & 0x3FFF
        if call_class == _CLASS_HYPERCALL and function_id & FAST and function_id & SMC64:
            entry = self.hypervisor.smccc_calls[number] if number < TABLE_SIZE else None
            if entry is not None:
                results = entry(caller, *x[1 : 1 + self.hypervisor.smccc_argument_counts[number]])
                if results is None:
                    return False
                x[: len(results)] = results
                return True
        elif call_class == _CLASS_SERVICE and function_id & FAST and not function_id & SMC64:
            service = arch.VENDOR_SERVICES.get(number)
            if service is not None:
                return self._perform(service, caller, function_id, x)
        x[0] = UNKNOWN_FUNCTION_64
        return True
