"""What all of Gunyah's objects have in common: a partition, a state, rights, a life that ends with the last reference.

States and activation as in the API section "Object Management": INIT -> ACTIVE, or FAILED when activation fails
(recorded: such an object can only be deleted).  The capabilities of an object hold one reference together; every
other holder (a thread's cspace, a bound vIRQ's VIC) takes its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from gunyah_emu.abi.errors import OBJECT_STATE, OK
from gunyah_emu.abi.rights import Rights
from gunyah_emu.abi.types import STATE_ACTIVE, STATE_INIT

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.cspace import Capability
    from gunyah_emu.hypervisor.partition import Partition

INIT: Final = STATE_INIT
ACTIVE: Final = STATE_ACTIVE
FAILED: Final = 2
DESTROYED: Final = 3

STATE_NAMES: Final = {INIT: "init", ACTIVE: "active", FAILED: "failed", DESTROYED: "destroyed"}

OBJECT_TYPES: Final[dict[str, type[HypervisorObject]]] = {}
"""Every object type by class name; the declarations' annotations name them."""


class HypervisorObject:
    """The base of every object.

    Arguments:
        partition: what it is allocated from; `None` only for the root partition itself.
        label: a name for people, in events and messages.

    A subclass states its `RIGHTS` and the bytes of hypervisor memory it takes (`COST`), and overrides `on_activate`,
    `on_deactivate` (an ACTIVE object dies) and `on_destroy` (any object dies; after `on_deactivate`).

    """

    __slots__ = ("caps", "charged", "label", "partition", "references", "state")

    RIGHTS: ClassVar[type[Rights]] = Rights
    COST: ClassVar[int] = 512
    ANY_TYPE: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.ANY_TYPE = False
        OBJECT_TYPES[cls.__name__] = cls

    def __init__(self, partition: Partition | None, label: str = "") -> None:
        self.partition = partition
        self.label = label
        self.state = INIT
        self.references = 1
        self.caps: dict[Capability, None] = {}
        self.charged = 0
        if partition is not None:
            partition.charge(self, self.COST)

    @classmethod
    def type_name(cls) -> str:
        """The name of the type as the API writes it, for example `msgqueue`."""
        return cls.__name__.lower()

    @property
    def title(self) -> str:
        """What to call it: its label, where it has one."""
        return self.label or self.type_name()

    def activate(self) -> int:
        """INIT to ACTIVE.

        Errors: OBJECT_STATE: not INIT (nothing changes).  Others: of the type; the object is FAILED then.
        """
        if self.state != INIT:
            return OBJECT_STATE
        error = self.on_activate()
        self.state = FAILED if error else ACTIVE
        if not error:
            for capability in self.caps:
                capability.live = capability.kind
        return error

    def retain(self) -> None:
        """Take a reference."""
        self.references += 1

    def release(self) -> None:
        """Give a reference back; the last one ends the object's life."""
        self.references -= 1
        assert self.references >= 0
        if not self.references:
            was_active = self.state == ACTIVE
            self.state = DESTROYED
            assert self.partition is not None, "the root partition outlives everything"
            self.partition.bury(self, was_active)

    def on_activate(self) -> int:
        """Check the configuration and take resources; an error code."""
        return OK

    def on_deactivate(self) -> None:
        """Undo what activation and use did."""

    def on_destroy(self) -> None:
        """Give back what the object held in any state."""

    def __repr__(self) -> str:
        label = f" {self.label!r}" if self.label else ""
        return f"<{self.type_name()}{label} {STATE_NAMES[self.state]}>"


HypervisorObject.ANY_TYPE = True
OBJECT_TYPES["HypervisorObject"] = HypervisorObject


def activate(*objects: HypervisorObject) -> None:
    """Activate objects that were built from Python so that they must become active."""
    for target in objects:
        error = target.activate()
        assert not error, f"{target!r} must become active; error {error}"
