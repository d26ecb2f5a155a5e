"""The hypercalls that advise the scheduler (API sections "Scheduler Management" and "Virtual CPU Management").

The machine runs one vCPU at a time, round robin: priority, time slice and core are checked and kept, and decide
nothing; only a vCPU without a core does not run by itself.
"""

from __future__ import annotations

from typing import Final

from gunyah_emu.abi.bitfields import SCHEDULER_YIELD_HINT, SchedulerYieldControl
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import ARGUMENT_INVALID, DENIED, OBJECT_STATE, OK
from gunyah_emu.abi.rights import ThreadRights
from gunyah_emu.abi.types import MINUS_ONE, CapId, CpuIndex, Nanoseconds, Priority, Results, URegister
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.object import ACTIVE, INIT
from gunyah_emu.hypervisor.thread import (
    CORES,
    MAX_PRIORITY,
    MAX_TIMESLICE,
    MIN_TIMESLICE,
    NO_CPU,
    OPTION_PINNED,
    Thread,
)

_YIELD: Final = SCHEDULER_YIELD_HINT.values["yield"]
_YIELD_TO: Final = SCHEDULER_YIELD_HINT.values["yield_to_thread"]
_IMPL_DEF: Final = 1 << 31


def _thread(caller: Thread, cap: int, rights: int, state: int | None) -> Thread | int:
    assert caller.cspace is not None
    found = caller.cspace.lookup(cap, Thread, rights, state)
    assert isinstance(found, int | Thread)
    return found


@hypercall(0x603B)
def scheduler_yield(caller: Thread, control: SchedulerYieldControl, arg1: URegister) -> Results:
    """Give up the rest of the caller's slice.

    Arguments:
        caller: the vCPU that gives up its slice.
        control: bits 15:0 the hint: 0: to anybody; 1: to the thread that `arg1` names.  Bit 31: an implementation's
            own hint.
        arg1: hint 1: a capability of an active thread with the right yield_to; ignored otherwise.

    Errors:
        ARGUMENT_INVALID: bit 31, or another hint, also 2 (yield_lower), which the API names (recorded).
        (capability errors): of `arg1` (recorded).

    Source: API "Scheduler Yield"; recorded.

    """
    if control & _IMPL_DEF:
        return ARGUMENT_INVALID
    hint = control & 0xFFFF
    if hint == _YIELD:
        caller.platform.yielded(caller, None)
        return OK
    if hint != _YIELD_TO:
        return ARGUMENT_INVALID
    target = _thread(caller, arg1, ThreadRights.YIELD_TO, ACTIVE)
    if isinstance(target, int):
        return target
    if target is not caller:
        caller.platform.yielded(caller, target)
    return OK


@hypercall(0x603D, reserved=MINUS_ONE)
def vcpu_set_affinity(caller: Thread, cap_id: CapId, affinity: CpuIndex) -> Results:
    """Choose the core that a vCPU runs on.

    Arguments:
        caller: whose cspace the capability is in.
        cap_id: a thread in state INIT or ACTIVE, with the right affinity.
        affinity: 0..7; 0xffff: none, which takes the right disable, too.

    Errors:
        (capability errors): of `cap_id`.
        OBJECT_STATE: neither INIT nor ACTIVE.
        DENIED: an active vCPU that is pinned to another core.

    Stops the hypervisor: any other core (recorded: a failed assertion, before the capability is looked at).

    Source: API "Set or Change the Physical CPU Affinity of a VCPU Thread"; success recorded, the order read.

    """
    if CORES <= affinity != NO_CPU:
        raise HypervisorFatal(f"vcpu_set_affinity was asked for core {affinity}, which does not exist")
    rights = ThreadRights.AFFINITY | (ThreadRights.DISABLE if affinity == NO_CPU else 0)
    vcpu = _thread(caller, cap_id, rights, None)
    if isinstance(vcpu, int):
        return vcpu
    if vcpu.state not in (INIT, ACTIVE):
        return OBJECT_STATE
    if vcpu.state == ACTIVE and vcpu.options & OPTION_PINNED and affinity != vcpu.affinity:
        return DENIED
    vcpu.affinity = affinity
    return OK


@hypercall(0x6046, reserved=MINUS_ONE)
def vcpu_set_priority(caller: Thread, cap_id: CapId, priority: Priority) -> Results:
    """Choose a vCPU's scheduling priority, before it is activated.

    Arguments:
        caller: whose cspace the capability is in.
        cap_id: a thread, with the right priority.
        priority: 0..62; higher runs first.

    Errors:
        (capability errors): of `cap_id`.
        DENIED: above 62 (recorded).
        OBJECT_STATE: not in state INIT (recorded).

    Source: API "Set Priority of a VCPU Thread"; recorded.

    """
    vcpu = _thread(caller, cap_id, ThreadRights.PRIORITY, None)
    if isinstance(vcpu, int):
        return vcpu
    if priority > MAX_PRIORITY:
        return DENIED
    if vcpu.state != INIT:
        return OBJECT_STATE
    vcpu.priority = priority
    return OK


@hypercall(0x6047, reserved=MINUS_ONE)
def vcpu_set_timeslice(caller: Thread, cap_id: CapId, timeslice: Nanoseconds) -> Results:
    """Choose a vCPU's time slice, before it is activated.

    Arguments:
        caller: whose cspace the capability is in.
        cap_id: a thread, with the right timeslice.
        timeslice: nanoseconds, 100 us to 100 ms.

    Errors:
        (capability errors): of `cap_id`.
        OBJECT_STATE: not in state INIT (recorded).
        ARGUMENT_INVALID: out of range.

    Source: API "Set Timeslice of a VCPU Thread"; OBJECT_STATE recorded, the rest read.

    """
    vcpu = _thread(caller, cap_id, ThreadRights.TIMESLICE, None)
    if isinstance(vcpu, int):
        return vcpu
    if vcpu.state != INIT:
        return OBJECT_STATE
    if not MIN_TIMESLICE <= timeslice <= MAX_TIMESLICE:
        return ARGUMENT_INVALID
    vcpu.timeslice = timeslice
    return OK
