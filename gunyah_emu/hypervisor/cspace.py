"""Capability spaces: the only way a guest can name an object (API section "Capability Management").

A look-up that succeeds is in line in the decoder: one dictionary look-up and two tests of a `Capability`.
What is revoked or absent has a kind and rights that nothing matches, so that no success path has to ask.  What fails
asks `CSpace.refused`, which knows the recorded order
of the errors: undecodable (1) > null (50) or revoked (51) > type (52) > rights (53) > state (33).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

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
)
from gunyah_emu.abi.rights import ACTIVATE, CSpaceRights
from gunyah_emu.hypervisor.capability_ids import SLOTS_PER_TABLE, TABLES, CapabilityIds
from gunyah_emu.hypervisor.object import ACTIVE, HypervisorObject
from gunyah_emu.hypervisor.partition import Partition

if TYPE_CHECKING:
    pass

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


NULL: Final = Capability(None, -1, 0, None, 0, master=False)


class CapabilityTable(dict[int, Capability]):
    """Capabilities by id; any other id gives what the slot that it decodes to holds (decoding is lossy), or null."""

    __slots__ = ("ids", "slots")

    def __init__(self, ids: CapabilityIds) -> None:
        super().__init__()
        self.ids = ids

    def __missing__(self, cap_id: int) -> Capability:
        slot = self.ids.decode(cap_id)
        if slot is None:
            return NULL
        return self.get(self.ids.encode(slot), NULL)


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
            self.remove(capability)

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
        error = self.slot_error()
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

    def slot_error(self) -> int:
        """Why there can be no further capability: CSPACE_FULL, NOMEM, or 0."""
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

    def remove(self, capability: Capability) -> None:
        """Empty the slot of one of its capabilities; the object dies with its last one."""
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

    def refused(self, cap_id: int, kind: type, rights: int, state: int | None) -> int:
        """The error of a look-up that a decoder found wanting; parameters as for `refusal`."""
        error = self.refusal(cap_id, kind, rights, state)
        assert error, "a decoder and the cspace must agree on what they accept"
        return error

    def lookup(self, cap_id: int, kind: type, rights: int, state: int | None) -> HypervisorObject | int:
        """The object that an id names, or the error; parameters as for `refusal`."""
        error = self.refusal(cap_id, kind, rights, state)
        if error:
            return error
        target = self.table[cap_id].object
        assert target is not None
        return target
