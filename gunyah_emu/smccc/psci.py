"""PSCI 1.1 (Arm DEN0022) as recorded: only for vCPUs of a vpm_group.

A vCPU without one (the root VM's) finds no PSCI: every function is unknown to it, and PSCI_FEATURES says so.  Errors
have the width of the calling convention (recorded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.errors import FAILURE, OK, RETRY
from gunyah_emu.hypervisor.thread import BLOCK_OFF
from gunyah_emu.hypervisor.vic import MAX_VCPUS
from gunyah_emu.smccc.arch import SMCCC_VERSION
from gunyah_emu.smccc.function import (
    BLOCKED,
    FAST,
    OWNER_STANDARD,
    RESERVED,
    SMC64,
    SVE_HINT,
    U32,
    U64,
    UNKNOWN_FUNCTION_32,
    Function,
    Handler,
    owner,
)

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.hypervisor import Hypervisor
    from gunyah_emu.hypervisor.thread import Thread

VERSION: Final = 0x1_0001

SUCCESS: Final = 0
NOT_SUPPORTED: Final = -1
INVALID_PARAMETERS: Final = -2
DENIED: Final = -3
ALREADY_ON: Final = -4
INTERNAL_FAILURE: Final = -6

AFFINITY_ON: Final = 0
AFFINITY_OFF: Final = 1

_DEEPEST_STATE: Final = 1 << 16 | 1
_REQUEST_RESET: Final = 1 << 63
_REQUEST_RESET2_64: Final = 1 << 62
_EXTENDED_STATE_ID: Final = 2
_AFFINITY: Final = 0xFF_00FF_FFFF


def _for_groups(handler: Handler) -> Handler:
    """PSCI is absent for a vCPU without a vpm_group."""

    def grouped(hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...] | None:
        return None if caller.vpm_group is None else handler(hypervisor, caller, arguments)

    return grouped


def version(_hypervisor: Hypervisor, _caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """PSCI_VERSION."""
    return (VERSION,)


def features(_hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """PSCI_FEATURES: what is here, 32-bit -1 for everything else; SMCCC_VERSION is here for all (recorded)."""
    asked = arguments[0] & ~SVE_HINT
    if not asked & FAST or asked & RESERVED:
        return (UNKNOWN_FUNCTION_32,)
    if asked == SMCCC_VERSION:
        return (SUCCESS,)
    known = FUNCTIONS.get(asked) if caller.vpm_group is not None and owner(asked) == OWNER_STANDARD else None
    return (UNKNOWN_FUNCTION_32 if known is None else known.features,)


def _vcpu_of(caller: Thread, affinity: int) -> Thread | None:
    group = caller.vpm_group
    assert group is not None
    wanted = affinity & _AFFINITY
    return next((vcpu for vcpu in group.vcpus.values() if vcpu.mpidr & _AFFINITY == wanted), None)


def cpu_on(_hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """CPU_ON: target affinity, entry point, context.

    Errors: INVALID_PARAMETERS: no vCPU could have that affinity.  INTERNAL_FAILURE: none has.  ALREADY_ON.
    """
    affinity, entry, context = arguments[:3]
    target = _vcpu_of(caller, affinity)
    if target is not None:
        if not target.blocks & BLOCK_OFF:
            return (ALREADY_ON,)
        error = target.power_on(entry, context)
        return ({OK: SUCCESS, FAILURE: INTERNAL_FAILURE, RETRY: ALREADY_ON}.get(error, INVALID_PARAMETERS),)
    if caller.vic is None:
        return (INVALID_PARAMETERS,)
    index = caller.vic.mpidr_mapping.index_of(affinity)
    return (INVALID_PARAMETERS if index is None or index > MAX_VCPUS else INTERNAL_FAILURE,)


def cpu_off(_hypervisor: Hypervisor, caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """CPU_OFF: does not return, unless DENIED: the last vCPU of its group that is on cannot go off (recorded)."""
    return (DENIED,) if caller.power_off() else BLOCKED


def affinity_info(_hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """AFFINITY_INFO: target affinity, lowest affinity level.

    Errors: INVALID_PARAMETERS: no vCPU of the group has that affinity, or the level is not 0.
    """
    target = _vcpu_of(caller, arguments[0])
    if target is None or arguments[1] & U32:
        return (INVALID_PARAMETERS,)
    return (AFFINITY_OFF if target.blocks & BLOCK_OFF else AFFINITY_ON,)


def cpu_suspend(_hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """CPU_SUSPEND: power state (original format), entry point, context.

    Every state is accepted.  Standby returns SUCCESS when an interrupt wakes the vCPU; power-down continues at the
    entry point then.  With an interrupt pending it returns SUCCESS at once.
    """
    state, entry, context = arguments[:3]
    return BLOCKED if caller.suspend(state & U32, entry, context) else (SUCCESS,)


def cpu_default_suspend(hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """CPU_DEFAULT_SUSPEND: entry point, context; the deepest state, a power-down."""
    return cpu_suspend(hypervisor, caller, [_DEEPEST_STATE, *arguments])


def system_off(hypervisor: Hypervisor, caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """SYSTEM_OFF: does not return."""
    if not hypervisor.platform.system_off(caller):
        _stop_vm(caller)
    return BLOCKED


def system_reset(hypervisor: Hypervisor, caller: Thread, _arguments: list[int]) -> tuple[int, ...]:
    """SYSTEM_RESET: does not return."""
    if not hypervisor.platform.system_reset(caller, 0, 0):
        caller.reset_request = (_REQUEST_RESET, 0)
        _stop_vm(caller)
    return BLOCKED


def system_reset2_32(hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """SYSTEM_RESET2: reset type, cookie; does not return."""
    return _reset2(hypervisor, caller, arguments, 0)


def system_reset2_64(hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """SYSTEM_RESET2 of the 64-bit convention: a proxy scheduler is told which one it was."""
    return _reset2(hypervisor, caller, arguments, _REQUEST_RESET2_64)


def _reset2(hypervisor: Hypervisor, caller: Thread, arguments: list[int], request: int) -> tuple[int, ...]:
    reset_type, cookie = arguments[0] & U32, arguments[1]
    if not hypervisor.platform.system_reset(caller, reset_type, cookie):
        caller.reset_request = (reset_type | request, cookie)
        _stop_vm(caller)
    return BLOCKED


def _stop_vm(caller: Thread) -> None:
    """A VM that the machine does not own: its other vCPUs are killed, the caller goes off."""
    group = caller.vpm_group
    assert group is not None
    for vcpu in list(group.vcpus.values()):
        if vcpu is not caller:
            vcpu.kill()
    caller.power_off(force=True)


def set_suspend_mode(_hypervisor: Hypervisor, _caller: Thread, arguments: list[int]) -> tuple[int, ...]:
    """PSCI_SET_SUSPEND_MODE: only 0, platform-coordinated; else INVALID_PARAMETERS (recorded)."""
    return (INVALID_PARAMETERS if arguments[0] else SUCCESS,)


def _sized(handler: Handler, width: int) -> Handler:
    """Results in the width of the calling convention."""

    def sized(hypervisor: Hypervisor, caller: Thread, arguments: list[int]) -> tuple[int, ...] | None:
        results = handler(hypervisor, caller, arguments)
        return results and tuple(result & width for result in results)

    return sized


def _functions() -> dict[int, Function]:
    both = [
        (0x01, "CPU_SUSPEND", cpu_suspend, _EXTENDED_STATE_ID),
        (0x03, "CPU_ON", cpu_on, SUCCESS),
        (0x04, "AFFINITY_INFO", affinity_info, SUCCESS),
        (0x0C, "CPU_DEFAULT_SUSPEND", cpu_default_suspend, SUCCESS),
    ]
    only_32 = [
        (0x00, "PSCI_VERSION", version, SUCCESS),
        (0x02, "CPU_OFF", cpu_off, SUCCESS),
        (0x08, "SYSTEM_OFF", system_off, SUCCESS),
        (0x09, "SYSTEM_RESET", system_reset, SUCCESS),
        (0x0F, "SET_SUSPEND_MODE", set_suspend_mode, SUCCESS),
        (0x12, "SYSTEM_RESET2", system_reset2_32, SUCCESS),
    ]
    only_64 = [(0x12, "SYSTEM_RESET2", system_reset2_64, SUCCESS)]
    base = FAST | OWNER_STANDARD << 24
    functions = {base | 0x0A: Function("PSCI_FEATURES", features)}
    for number, name, handler, feature in both + only_32:
        functions[base | number] = Function(name, _sized(_for_groups(handler), U32), feature)
    for number, name, handler, feature in both + only_64:
        functions[base | SMC64 | number] = Function(name, _sized(_for_groups(handler), U64), feature)
    return functions


FUNCTIONS: Final = _functions()
