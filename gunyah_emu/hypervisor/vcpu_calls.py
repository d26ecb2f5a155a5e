"""The hypercalls that configure vCPUs and turn them on and off (API section "VCPU Management")."""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.bitfields import (
    VCPU_VIRQ_TYPE,
    VcpuOptionFlags,
    VcpuPoweroffFlags,
    VcpuPoweronFlags,
    VcpuRegisterSet,
    VcpuVirqType,
)
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import ARGUMENT_INVALID, BUSY, OBJECT_STATE, OK
from gunyah_emu.abi.rights import ACTIVATE, ThreadRights, VicRights
from gunyah_emu.abi.types import ANY_STATE, Index, Results, URegister, Virq
from gunyah_emu.hypervisor.thread import BLOCK_OFF, REGISTER_PC, REGISTER_SP_EL, REGISTER_X, Thread
from gunyah_emu.hypervisor.vic import Vic

_PRESERVE_ENTRY_POINT: Final = 1 << 0
_PRESERVE_CONTEXT: Final = 1 << 1
_LAST_VCPU: Final = 1 << 0

_HALT: Final = VCPU_VIRQ_TYPE.values["halt"]
_RUN_WAKEUP: Final = VCPU_VIRQ_TYPE.values["vcpu_run_wakeup"]


@hypercall(0x6034, strict=("vcpu_options",))
def vcpu_configure(cap_id: Annotated[Thread, ACTIVATE], vcpu_options: VcpuOptionFlags) -> Results:
    """Choose a vCPU's options, before it is activated; they are checked then.

    Arguments:
        cap_id: a thread in state INIT.
        vcpu_options: bit 0 pinned to its affinity, 8 critical (the system stops when it is killed), 9 run only by
            `vcpu_run`, 63 HLOS VM; bits 1..5 are accepted and have no effect here.

    Errors:
        ARGUMENT_INVALID: unknown bits in `vcpu_options` (before the capability).

    Source: API "Configure a VCPU Thread"; success and OBJECT_STATE recorded.

    """
    cap_id.options = vcpu_options
    return OK


@hypercall(0x6038, reserved=None, strict=("flags",))
def vcpu_poweron(
    cap_id: Annotated[Thread, ThreadRights.POWER], entry_point: URegister, context: URegister, flags: VcpuPoweronFlags
) -> Results:
    """Start a vCPU that is off: at EL1, MMU off, interrupts masked.

    Arguments:
        cap_id: an active thread.
        entry_point: the IPA that it starts at.
        context: what it finds in x0.
        flags: bit 0: keep the entry point, bit 1: keep the context that `vcpu_register_write` set.

    Errors:
        ARGUMENT_INVALID: unknown bits in `flags` (before the capability; recorded).
        BUSY: it is not off, or was killed while it was on (recorded).
        FAILURE: it was killed while it was off.

    Source: API "Power on a VCPU Thread"; the marked errors recorded, the order read.

    """
    entry = None if flags & _PRESERVE_ENTRY_POINT else entry_point
    return cap_id.power_on(entry, None if flags & _PRESERVE_CONTEXT else context)


@hypercall(0x6039, reserved=None, strict=("flags",))
def vcpu_poweroff(caller: Thread, cap_id: Annotated[Thread, ThreadRights.POWER], flags: VcpuPoweroffFlags) -> Results:
    """Turn the calling vCPU off; it does not return from this call, and starts anew when it is powered on.

    Arguments:
        caller: the vCPU that turns itself off.
        cap_id: the calling vCPU itself.
        flags: bit 0 last_vcpu: it is the last vCPU of its VM that is on.

    Errors:
        ARGUMENT_INVALID: unknown bits in `flags` (before the capability).
        ARGUMENT_INVALID: another vCPU than the caller.
        DENIED: last_vcpu is clear for the last vCPU that is on, or set for another; a vCPU without a group is always
            the last.

    Source: API "Power off a VCPU Thread"; capability errors recorded, the rest read.

    """
    if cap_id is not caller:
        return ARGUMENT_INVALID
    return caller.power_off(last=bool(flags & _LAST_VCPU)) or None


@hypercall(0x603A)
def vcpu_kill(caller: Thread, cap_id: Annotated[Thread, ThreadRights.LIFECYCLE]) -> Results:
    """End a vCPU for good; a vCPU that kills itself does not return from this call.  One that was killed already: OK.

    Arguments:
        caller: the calling vCPU.
        cap_id: an active thread.

    Stops the hypervisor: a critical vCPU, such as the root VM's.

    Source: API "Kill a VCPU thread"; recorded.

    """
    cap_id.kill()
    return None if cap_id is caller else OK


@hypercall(0x605C)
def vcpu_bind_virq(
    caller: Thread,
    vcpu: Annotated[Thread, ThreadRights.BIND_VIRQ],
    vic: Annotated[Vic, VicRights.BIND_SOURCE],
    virq: Virq,
    virq_type: VcpuVirqType,
) -> Results:
    """Bind one of a vCPU's interrupt sources to a vIRQ.

    Binding the wake-up source makes the vCPU one that only `vcpu_run` executes, for good.

    Arguments:
        caller: the calling vCPU.
        vcpu: an active thread.
        vic: an active VIC.
        virq: an SPI's INTID, 32..1019.
        virq_type: 0: it halted; 1: `vcpu_run` has something to do.

    Errors:
        BUSY: type 1 and the vCPU is the caller, which executes now.
        VIRQ_BOUND: the source is bound already.
        ARGUMENT_INVALID: not an SPI, or beyond the VIC's number of vIRQs; an unknown type.
        BUSY: another source has the vIRQ.

    Source: API "VCPU vIRQ Bind"; read, not recorded.

    """
    if virq_type == _HALT:
        return vcpu.halt_virq.bind(vic, virq)
    if virq_type != _RUN_WAKEUP:
        return ARGUMENT_INVALID
    if vcpu is caller:
        return BUSY
    error = vcpu.wakeup_virq.bind(vic, virq)
    if not error:
        vcpu.enable_proxy()
    return error


@hypercall(0x605D)
def vcpu_unbind_virq(vcpu: Annotated[Thread, ThreadRights.BIND_VIRQ], virq_type: VcpuVirqType) -> Results:
    """Unbind one of a vCPU's interrupt sources; unbound already: OK.  A proxy-scheduled vCPU stays one.

    Arguments:
        vcpu: an active thread.
        virq_type: as for `vcpu_bind_virq`.

    Errors:
        ARGUMENT_INVALID: an unknown type.

    Source: API "VCPU vIRQ Unbind"; read, not recorded.

    """
    if virq_type not in (_HALT, _RUN_WAKEUP):
        return ARGUMENT_INVALID
    (vcpu.halt_virq if virq_type == _HALT else vcpu.wakeup_virq).unbind()
    return OK


@hypercall(0x6064)
def vcpu_register_write(
    vcpu: Annotated[Thread, ThreadRights.WRITE_CONTEXT, ANY_STATE],
    register_set: VcpuRegisterSet,
    register_index: Index,
    value: URegister,
) -> Results:
    """Set a register of a vCPU that is off, for when it is powered on.

    Arguments:
        vcpu: a thread in any state.
        register_set: 0: X, 1: PC, 2: SP_EL.
        register_index: X: 0..30; PC: 0; SP_EL: 0 for SP_EL0, 1 for SP_EL1.
        value: the register's value; a multiple of 4 for PC, of 16 for SP_EL.

    Errors:
        OBJECT_STATE: it was killed.
        BUSY: it is not off.
        ARGUMENT_INVALID: no such register, or a value that it cannot hold.

    Source: read, not recorded.

    """
    if vcpu.exited:
        return OBJECT_STATE
    if not vcpu.blocks & BLOCK_OFF:
        return BUSY
    if not _is_register_value(register_set, register_index, value):
        return ARGUMENT_INVALID
    vcpu.registers[register_set, register_index] = value
    return OK


def _is_register_value(register_set: int, index: int, value: int) -> bool:
    if register_set == REGISTER_X:
        return index <= 30
    if register_set == REGISTER_PC:
        return index == 0 and not value % 4
    return register_set == REGISTER_SP_EL and index <= 1 and not value % 16
