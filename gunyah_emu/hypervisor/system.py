"""Calls that belong to no object: identification, random numbers, trace flags, and activation of any object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import ARGUMENT_ALIGNMENT, ARGUMENT_SIZE, BUSY, OK, UNIMPLEMENTED
from gunyah_emu.abi.rights import ACTIVATE, CSpaceRights
from gunyah_emu.abi.types import CapId, Count, Results, URegister
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.object import HypervisorObject
from gunyah_emu.hypervisor.thread import Thread

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.hypervisor import Hypervisor

API_INFO: Final = 0x5100_0000_0000_8001
"""Variant Qualcomm, 64-bit, little endian, API version 1 (recorded)."""

API_FLAGS: Final = (0x1000_0EFF, 0, 0)
"""Everything but the watchdog; scheduler FPRR (recorded)."""

TRACE_FLAGS: Final = 0x3_00E5
"""Trace classes on at boot (recorded in the production build)."""

TRACE_PRIVATE_FLAGS: Final = 1 << 0 | 1 << 5
"""Classes that a guest cannot change: ERROR and LOG_BUFFER."""

_ENTROPY_WINDOW_NS: Final = 33_000_000
_ENTROPY_READS: Final = 4
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF


@hypercall(0x6000, reserved=None, error=False)
def hypervisor_identify() -> Annotated[
    Results,
    "hyp_api_info: hyp_api_info",
    "api_flags_0: hyp_api_flags0",
    "api_flags_1: hyp_api_flags1",
    "api_flags_2: hyp_api_flags2",
]:
    """Tell which hypervisor this is and what it can do; needs no right and never fails.

    Source: API "Hypervisor API Version and Features"; recorded.
    """
    return API_INFO, *API_FLAGS


@hypercall(0x600C)
def object_activate(cap: Annotated[HypervisorObject, ACTIVATE]) -> Results:
    """Activate an object of any type; one whose activation fails is FAILED and can only be deleted.

    Arguments:
        cap: the object.

    Errors:
        OBJECT_STATE: the object is not in state INIT.
        OBJECT_CONFIG: the object lacks configuration (message queue, cspace, thread, memory extent, virtio device).
        DENIED: a vCPU whose place in its VPM group is taken; a basic memory extent that cuts a mapping of its parent.
        ADDR_INVALID, MEMDB_NOT_OWNER: a memory extent whose range its partition or parent does not own.
        BUSY: an address space without a VMID; a vCPU whose place is taken.
        NOMEM: no memory for what the object needs when it is active.

    Unspecified: what a failed activation leaves behind: an object that can only be deleted (recorded).

    Source: API "Activate an Object"; recorded.

    """
    return cap.activate()


@hypercall(0x600D)
def object_activate_from(cspace: Annotated[CSpace, CSpaceRights.CAP_CREATE], cap: CapId) -> Results:
    """Activate an object that another cspace names.

    Arguments:
        cspace: where the capability is.
        cap: the object's id in that cspace.

    Errors:
        ARGUMENT_INVALID: `cap` does not decode in that cspace.
        CSPACE_CAP_NULL: there is no capability in that slot.
        CSPACE_CAP_REVOKED: the capability was revoked.
        CSPACE_INSUFFICIENT_RIGHTS: the capability has no activate right.
        OBJECT_STATE: the object is not in state INIT.
        OBJECT_CONFIG: the object lacks configuration.
        DENIED: a vCPU whose place in its VPM group is taken; a basic memory extent that cuts a mapping of its parent.
        ADDR_INVALID, MEMDB_NOT_OWNER: a memory extent whose range its partition or parent does not own.
        BUSY: an address space without a VMID; a vCPU whose place is taken.
        NOMEM: no memory for what the object needs when it is active.

    Source: API "Activate an Object from a CSpace"; recorded.

    """
    target = cspace.lookup(cap, HypervisorObject, ACTIVATE, None)
    return target if isinstance(target, int) else target.activate()


@hypercall(0x600E)
def object_reset(cap: CapId) -> Results:
    """Reset an object: unimplemented in the recorded build, which does not look at the capability.

    Arguments:
        cap: ignored.

    Errors:
        UNIMPLEMENTED: always.

    Source: API "Reset an Object"; recorded.

    """
    del cap
    return UNIMPLEMENTED


@hypercall(0x600F)
def object_reset_from(cspace: CapId, cap: CapId) -> Results:
    """Reset an object of another cspace: unimplemented in the recorded build, which looks at neither capability.

    Arguments:
        cspace: ignored.
        cap: ignored.

    Errors:
        UNIMPLEMENTED: always.

    Source: API "Reset an Object from a CSpace"; recorded.

    """
    del cspace, cap
    return UNIMPLEMENTED


@hypercall(0x603F)
def trace_update_class_flags(
    hypervisor: Hypervisor, set_flags: URegister, clear_flags: URegister
) -> Annotated[Results, "flags: uregister"]:
    """Switch classes of the hypervisor's own trace on and off.

    ERROR and LOG_BUFFER cannot be changed.  Here the flags are kept and mean nothing more.

    Arguments:
        hypervisor: whose flags they are.
        set_flags: classes to switch on, by bit.
        clear_flags: classes to switch off; `set_flags` wins.

    Unspecified: which classes exist, and which bits are internal.

    Source: API "Update trace class flags"; the read is recorded, the update is read.

    """
    public = ~TRACE_PRIVATE_FLAGS
    flags = hypervisor.trace_flags & ~(clear_flags & public) | set_flags & public & _U64
    hypervisor.trace_flags = flags
    return OK, flags


@hypercall(0x6057)
def prng_get_entropy(
    hypervisor: Hypervisor, caller: Thread, num_bytes: Count
) -> Annotated[Results, "data0: uint32", "data1: uint32", "data2: uint32", "data3: uint32"]:
    """Get random bytes, 4 a register.

    At most 4 calls in 33 ms of one thread succeed; the window begins with the first of them (recorded).

    Arguments:
        hypervisor: whose platform gives the bytes and the time.
        caller: whose window counts.
        num_bytes: 4, 8, 12 or 16.

    Errors:
        ARGUMENT_SIZE: 0 or above 16; checked first.
        ARGUMENT_ALIGNMENT: not a multiple of 4.
        BUSY: the thread had its 4 calls.

    Unspecified: the length of the window and how many reads it holds; whether a size must be a multiple of 4.

    Source: API "PRNG Get Entropy"; recorded.

    """
    if not 1 <= num_bytes <= 16:
        return ARGUMENT_SIZE
    if num_bytes % 4:
        return ARGUMENT_ALIGNMENT
    now = hypervisor.platform.nanoseconds()
    window = caller.entropy_window
    if window is None or now - window[0] >= _ENTROPY_WINDOW_NS:
        window = now, 0
    start, reads = window
    if reads == _ENTROPY_READS:
        return BUSY
    caller.entropy_window = start, reads + 1
    data = hypervisor.platform.entropy(num_bytes)
    return OK, *(int.from_bytes(data[at : at + 4], "little") for at in range(0, num_bytes, 4))
