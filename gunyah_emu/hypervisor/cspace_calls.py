"""The hypercalls on capability spaces (API section "Capability Management")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    CSPACE_CAP_NULL,
    CSPACE_INSUFFICIENT_RIGHTS,
    OBJECT_STATE,
    OK,
    UNIMPLEMENTED,
)
from gunyah_emu.abi.rights import ACTIVATE, CSpaceRights
from gunyah_emu.abi.types import ANY_STATE, CapId, CapRights, Count, Results
from gunyah_emu.hypervisor.cspace import MAX_CAPS, NULL, Capability, CSpace
from gunyah_emu.hypervisor.object import INIT, HypervisorObject

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.thread import Thread


@hypercall(0x6022)
def cspace_delete_cap_from(cspace: Annotated[CSpace, CSpaceRights.CAP_DELETE], cap: CapId) -> Results:
    """Delete a capability from a cspace; the object dies with its last capability.

    No right on the object is needed, and a revoked capability can be deleted (recorded).  The id may come back for
    another capability: slots are reused, lowest first.

    Arguments:
        cspace: where the capability is.
        cap: its id in that cspace.

    Errors:
        ARGUMENT_INVALID: `cap` does not decode in that cspace.
        CSPACE_CAP_NULL: there is no capability in that slot.

    Unspecified: when an id is used again, and whether a revoked capability can be deleted.

    Source: API "Delete a Capability from a CSpace"; recorded.

    """
    if cspace.table.ids.decode(cap) is None:
        return ARGUMENT_INVALID
    capability = cspace.table[cap]
    if capability is NULL:
        return CSPACE_CAP_NULL
    cspace.remove(capability)
    return OK


@hypercall(0x6023)
def cspace_copy_cap_from(
    src_cspace: Annotated[CSpace, CSpaceRights.CAP_COPY],
    src_cap: CapId,
    dest_cspace: Annotated[CSpace, CSpaceRights.CAP_CREATE],
    rights_mask: CapRights,
) -> Annotated[Results, "new_cap: cap_id_t"]:
    """Copy a capability, with the rights that it has and the mask allows.

    Bits of the mask that the source lacks are dropped without a word; objects in state INIT can be copied
    (recorded).  The copy is never a master capability.

    Arguments:
        src_cspace: where the source is.
        src_cap: the source's id in that cspace.
        dest_cspace: where the copy goes.
        rights_mask: which rights the copy may have.

    Errors:
        CSPACE_FULL: the destination holds as many capabilities as it was configured for.
        NOMEM: no memory for another table of slots.
        ARGUMENT_INVALID: `src_cap` does not decode in the source cspace.
        CSPACE_CAP_NULL: there is no capability in that slot.
        CSPACE_CAP_REVOKED: the source was revoked.
        CSPACE_INSUFFICIENT_RIGHTS: no right is left for the copy.

    Unspecified: what becomes of mask bits that the source lacks, and the order of the checks.

    Source: API "Copy a Capability from a specific CSpace"; recorded.

    """
    error = dest_cspace.slot_error() or src_cspace.refusal(src_cap, HypervisorObject, 0, None)
    if error:
        return error
    source = src_cspace.table[src_cap]
    rights = source.rights & rights_mask
    if not rights:
        return CSPACE_INSUFFICIENT_RIGHTS
    assert source.object is not None
    copy = dest_cspace.allocate(source.object, rights, master=False)
    assert isinstance(copy, Capability)
    return OK, copy.id


@hypercall(0x6024)
def cspace_revoke_cap_from(src_cspace: CapId, src_cap: CapId) -> Results:
    """Revoke one capability: unimplemented in the recorded build, which looks at neither capability.

    Arguments:
        src_cspace: ignored.
        src_cap: ignored.

    Errors:
        UNIMPLEMENTED: always.

    Source: recorded.

    """
    del src_cspace, src_cap
    return UNIMPLEMENTED


@hypercall(0x6059)
def cspace_revoke_caps_from(src_cspace: Annotated[CSpace, CSpaceRights.CAP_REVOKE], master_cap: CapId) -> Results:
    """Revoke every other capability of an object, in whichever cspace.

    A revoked capability keeps its slot until it is deleted; every use of it is CSPACE_CAP_REVOKED (recorded).

    Arguments:
        src_cspace: where the master capability is.
        master_cap: the capability that the object's creator got.

    Errors:
        ARGUMENT_INVALID: `master_cap` does not decode in that cspace.
        CSPACE_CAP_NULL: there is no capability in that slot.
        CSPACE_CAP_REVOKED: it was revoked itself.
        CSPACE_INSUFFICIENT_RIGHTS: it is not a master capability.

    Unspecified: whether revoked capabilities keep their slots, and which capability is a master.

    Source: API "Revoke Children Capabilities from a master capability in a CSpace"; recorded.

    """
    error = src_cspace.refusal(master_cap, HypervisorObject, 0, None)
    if error:
        return error
    master = src_cspace.table[master_cap]
    if not master.master:
        return CSPACE_INSUFFICIENT_RIGHTS
    assert master.object is not None
    for capability in list(master.object.caps):
        if capability is not master:
            del master.object.caps[capability]
            capability.revoke()
    return OK


@hypercall(0x6025)
def cspace_configure(cspace: Annotated[CSpace, ACTIVATE], max_caps: Count) -> Results:
    """Say how many capabilities a cspace may hold, before it is activated.

    0 is accepted, and makes the activation fail with OBJECT_CONFIG (recorded).

    Arguments:
        cspace: a cspace in state INIT.
        max_caps: how many.

    Errors:
        ARGUMENT_INVALID: `max_caps` is above 13888 (the limit is computed, not recorded).

    Unspecified: the largest number, and what 0 means.

    Source: API "Configure a CSpace"; recorded.

    """
    if max_caps > MAX_CAPS:
        return ARGUMENT_INVALID
    cspace.max_caps = max_caps
    return OK


@hypercall(0x603E, order=("thread", "cspace"))
def cspace_attach_thread(
    cspace: Annotated[CSpace, CSpaceRights.ATTACH], thread: Annotated[Thread, ACTIVATE, ANY_STATE]
) -> Results:
    """Give a thread its cspace, before the thread is activated; one that it had before is let go.

    Arguments:
        cspace: an active cspace.
        thread: a thread in state INIT.

    Errors:
        OBJECT_STATE: the thread is not in state INIT.

    Source: API "CSpace to Thread Attachment"; success recorded, the order read: the thread is looked up first.

    """
    if thread.state != INIT:
        return OBJECT_STATE
    cspace.retain()
    if thread.cspace is not None:
        thread.cspace.release()
    thread.cspace = cspace
    return OK
