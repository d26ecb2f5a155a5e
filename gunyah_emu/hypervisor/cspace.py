"""Capability spaces: the only way a guest can name an object (API section "Capability Management").

A look-up that succeeds is in line in the decoder: one dictionary look-up and two tests of a `Capability`.
What is revoked or absent has a kind and rights that nothing matches, so that no success path has to ask.  What fails
asks `CSpace.refusal`, which knows the recorded order
of the errors: undecodable (1) > null (50) or revoked (51) > type (52) > rights (53) > state (33).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Annotated, Final

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    CSPACE_CAP_NULL,
    CSPACE_CAP_REVOKED,
    CSPACE_FULL,
    CSPACE_INSUFFICIENT_RIGHTS,
    CSPACE_WRONG_OBJECT_TYPE,
    NOMEM,
    OBJECT_CONFIG,
    OBJECT_STATE,
    OK,
    UNIMPLEMENTED,
)
from gunyah_emu.abi.rights import ACTIVATE, CSpaceRights
from gunyah_emu.abi.types import ANY_STATE, CapId, CapRights, Count, Results
from gunyah_emu.hypervisor.capability_ids import SLOTS_PER_TABLE, TABLES, CapabilityIds
from gunyah_emu.hypervisor.object import ACTIVE, INIT, HypervisorObject
from gunyah_emu.hypervisor.partition import Partition

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.thread import Thread

MAX_CAPS: Final = TABLES * SLOTS_PER_TABLE
"""What cspace_configure accepts at most: computed from the real structures, not recorded (4 is accepted, 65537 not)."""

_TABLE_COST: Final = 2048


class _Null:
    """The kind of an empty slot's capability: no object has it."""


class _Revoked:
    """The kind of a revoked capability: no object has it."""


class Capability:
    """An object and the rights that its holder has on it, in one slot of one cspace."""

    __slots__ = ("cspace", "id", "kind", "live", "master", "object", "rights", "slot")

    def __init__(
        self,
        cspace: CSpace | None,
        slot: int,
        cap_id: int,
        target: HypervisorObject | None,
        rights: int,
        master: bool,
    ) -> None:
        self.cspace = cspace
        self.slot = slot
        self.id = cap_id
        self.object = target
        self.kind: type = _Null if target is None else type(target)
        #: its kind while the object is ACTIVE: what most look-ups compare
        self.live: type | None = self.kind if target is not None and target.state == ACTIVE else None
        self.rights = rights
        self.master = master

    def revoke(self) -> None:
        """Leave the slot taken, and nothing in it that a look-up could accept."""
        self.object = None
        self.kind = _Revoked
        self.live = None
        self.rights = 0
        self.master = False


_NULL: Final = Capability(None, -1, 0, None, 0, master=False)


class CapabilityTable(dict[int, Capability]):
    """Capabilities by id; any other id gives what the slot that it decodes to holds (decoding is lossy), or null."""

    __slots__ = ("ids", "slots")

    def __init__(self, ids: CapabilityIds) -> None:
        super().__init__()
        self.ids = ids

    def __missing__(self, cap_id: int) -> Capability:
        slot = self.ids.decode(cap_id)
        if slot is None:
            return _NULL
        return self.get(self.ids.encode(slot), _NULL)


class CSpace(HypervisorObject):
    """A capability space.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.
        max_caps: how many capabilities it may hold; 0: to be configured.

    """

    __slots__ = ("_free", "_top", "_used", "max_caps", "table")

    RIGHTS = CSpaceRights
    COST = 2048

    def __init__(self, partition: Partition, label: str = "", max_caps: int = 0) -> None:
        super().__init__(partition, label)
        self.table = CapabilityTable(partition.hypervisor.new_capability_ids())
        self.max_caps = max_caps
        self._free: list[int] = []
        self._top = 0
        self._used: dict[int, int] = {}

    def on_activate(self) -> int:
        """OBJECT_CONFIG: never configured, or configured for no capability at all."""
        return OK if self.max_caps else OBJECT_CONFIG

    def on_destroy(self) -> None:
        """All capabilities go, and with the last one of an object the object."""
        for capability in list(self.table.values()):
            self._remove(capability)

    def insert(self, target: HypervisorObject, rights: int | None = None) -> int:
        """Give a capability from Python, without a caller; its id.

        Arguments:
            target: the object.
            rights: a rights mask; `None`: a master capability with all rights of the type.

        """
        given = self.allocate(target, target.RIGHTS.ALL if rights is None else rights, master=rights is None)
        assert isinstance(given, Capability), "a cspace that the machine fills must be large enough"
        return given.id

    def allocate(self, target: HypervisorObject, rights: int, *, master: bool) -> Capability | int:
        """A new capability in the lowest free slot, or an error.

        Errors: CSPACE_FULL: as many capabilities as configured.  NOMEM: the partition has no room for another table.
        """
        error = self._slot_error()
        if error:
            return error
        slot = self._next_slot()
        if self._free:
            heappop(self._free)
        else:
            self._top += 1
        self._count(slot, 1)
        cap_id = self.table.ids.encode(slot)
        capability = Capability(self, slot, cap_id, target, rights, master)
        self.table[cap_id] = capability
        target.caps[capability] = None
        return capability

    def _next_slot(self) -> int:
        return self._free[0] if self._free else self._top

    def _slot_error(self) -> int:
        if len(self.table) >= self.max_caps:
            return CSPACE_FULL
        grows = self._next_slot() // SLOTS_PER_TABLE not in self._used
        assert self.partition is not None
        return NOMEM if grows and not self.partition.has_room(_TABLE_COST) else OK

    def _count(self, slot: int, change: int) -> None:
        """A slot is taken or freed; the memory of its table comes with the first and goes with the last."""
        table = slot // SLOTS_PER_TABLE
        before = self._used.get(table, 0)
        after = before + change
        assert self.partition is not None
        if not before:
            self.partition.charge(self, _TABLE_COST)
        if after:
            self._used[table] = after
        else:
            del self._used[table]
            self.partition.charge(self, -_TABLE_COST)

    def _remove(self, capability: Capability) -> None:
        del self.table[capability.id]
        heappush(self._free, capability.slot)
        self._count(capability.slot, -1)
        target = capability.object
        if target is not None:
            capability.object = None
            del target.caps[capability]
            if not target.caps:
                target.release()

    def refusal(self, cap_id: int, kind: type, rights: int, state: int | None) -> int:
        """Why a look-up fails: the error in the recorded order.

        Arguments:
            cap_id: what the guest gave.
            kind: the object type asked for; a type with `ANY_TYPE` accepts all.
            rights: the rights asked for; with ACTIVATE they are checked before the type (configure calls).
            state: the object state asked for, or `None`.

        Returns 0 when nothing is wrong.

        """
        if self.table.ids.decode(cap_id) is None:
            return ARGUMENT_INVALID
        capability = self.table[cap_id]
        if capability.kind is _Null:
            return CSPACE_CAP_NULL
        if capability.kind is _Revoked:
            return CSPACE_CAP_REVOKED
        right_type = capability.kind is kind or bool(getattr(kind, "ANY_TYPE", False))
        if not right_type and not rights & ACTIVATE:
            return CSPACE_WRONG_OBJECT_TYPE
        if capability.rights & rights != rights:
            return CSPACE_INSUFFICIENT_RIGHTS
        if not right_type:
            return CSPACE_WRONG_OBJECT_TYPE
        target = capability.object
        assert target is not None
        return OK if state is None or target.state == state else OBJECT_STATE

    def lookup(self, cap_id: int, kind: type, rights: int, state: int | None) -> HypervisorObject | int:
        """The object that an id names, or the error; parameters as for `refusal`."""
        error = self.refusal(cap_id, kind, rights, state)
        if error:
            return error
        target = self.table[cap_id].object
        assert target is not None
        return target


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
    if capability is _NULL:
        return CSPACE_CAP_NULL
    cspace._remove(capability)  # noqa: SLF001 - its own module
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
    error = dest_cspace._slot_error() or src_cspace.refusal(src_cap, HypervisorObject, 0, None)  # noqa: SLF001
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
