"""Proxy scheduling: a VM executes the vCPUs of another, and answers what they cannot go on from (API "vcpu_run").

`vcpu_run` blocks its caller while the machine executes the vCPU; the vCPU's own state changes
(`Thread._return_to_proxy`) or the end of its time complete it.
"""

from __future__ import annotations

from typing import Annotated

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import BUSY, DENIED, OK
from gunyah_emu.abi.rights import ThreadRights
from gunyah_emu.abi.types import Register, Results
from gunyah_emu.hypervisor.run_state import (
    BLOCK_PROXY,
    BLOCK_VMMIO,
    RUN_BLOCKED,
    RUN_VMMIO_READ,
    RUN_VMMIO_WRITE,
    run_state,
)
from gunyah_emu.hypervisor.thread import OPTION_PINNED, Thread


@hypercall(0x6065)
def vcpu_run(
    caller: Thread,
    cap_id: Annotated[Thread, ThreadRights.AFFINITY | ThreadRights.YIELD_TO],
    resume_data_0: Register,
    resume_data_1: Register,
    resume_data_2: Register,
) -> Annotated[
    Results,
    "vcpu_state: vcpu_run_state",
    "state_data_0: register_t",
    "state_data_1: register_t",
    "state_data_2: register_t",
]:
    """Execute a proxy-scheduled vCPU until it cannot go on or the caller's time is up.

    | x1 | state | x2, x3, x4 |
    |---|---|---|
    | 0 | ready: time is up | |
    | 1 | expects_wakeup: waits for an interrupt | power state, 0 for WFI; 1 WFI, 2 CPU_SUSPEND |
    | 2 | powered_off | 1: killed |
    | 3 | blocked | |
    | 4 | addrspace_vmmio_read | IPA, size |
    | 5 | addrspace_vmmio_write | IPA, size, value |
    | 6 | fault | |
    | 0x100 | psci_system_reset | type, cookie |

    Arguments:
        caller: the vCPU whose time is given.
        cap_id: an active thread with the rights affinity and yield_to.
        resume_data_0: after addrspace_vmmio_read: the value read; ignored otherwise.
        resume_data_1: ignored.
        resume_data_2: ignored.

    Errors:
        BUSY: the vCPU is not proxy-scheduled, or executes by another caller's `vcpu_run` (recorded).
        DENIED: it is pinned to another core than the caller's.

    Source: API "Run a Proxy-Scheduled VCPU thread"; BUSY recorded, the rest read.

    """
    del resume_data_1, resume_data_2
    vcpu = cap_id
    if not vcpu.blocks & BLOCK_PROXY:
        return BUSY
    _resume(vcpu, resume_data_0)
    if not vcpu.exited and vcpu.blocks == BLOCK_PROXY:
        if vcpu.affinity != caller.affinity and vcpu.options & OPTION_PINNED:
            return DENIED
        vcpu.affinity = caller.affinity
        vcpu.blocks = 0
        vcpu.proxy = caller
        if caller.platform.run_proxied(caller, vcpu):
            return None
        vcpu.proxy = None
    vcpu.blocks &= ~BLOCK_PROXY
    return OK, *vcpu.end_run()


def _resume(vcpu: Thread, answer: int) -> None:
    access = vcpu.vmmio
    if access is None or vcpu.last_run_state not in (RUN_VMMIO_READ, RUN_VMMIO_WRITE):
        return
    vcpu.vmmio_answer = answer & ((1 << 8 * access.size) - 1) if access.value is None else 0
    vcpu.vmmio = None
    vcpu.blocks &= ~BLOCK_VMMIO


@hypercall(0x6068)
def vcpu_run_check(
    cap_id: Annotated[Thread, ThreadRights.BIND_VIRQ | ThreadRights.STATE],
) -> Annotated[
    Results,
    "vcpu_state: vcpu_run_state",
    "state_data_0: register_t",
    "state_data_1: register_t",
    "state_data_2: register_t",
]:
    """Ask why a vCPU does not execute; it need not be proxy-scheduled.

    Arguments:
        cap_id: an active thread with the rights bind_virq and state.

    Errors:
        BUSY: it may execute; or nothing but its proxy scheduler keeps it from that (x1 = 3 then).

    The results are those of `vcpu_run`.

    Source: API "Check the State of a Halted VCPU"; read, not recorded.

    """
    if cap_id.runnable:
        return BUSY
    state = run_state(cap_id)
    return BUSY if state[0] == RUN_BLOCKED else OK, *state
