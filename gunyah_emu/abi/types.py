"""The scalar types of hypercall arguments (API types; their widths decide what of a register counts).

An argument narrower than 64 bits is truncated without a word: bits 63:32 of a `virq_t` are ignored (recorded).  The
names are those of Gunyah's API without `_t`.  For mypy each is an `int`.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple


class Scalar(NamedTuple):
    """A scalar type: its name in the API, and how many low bits of the register carry it."""

    name: str
    width: int


class Reserved(NamedTuple):
    """What a reserved register must hold in the native encoding."""

    value: int


ZERO: Final = Reserved(0)
MINUS_ONE: Final = Reserved(0xFFFF_FFFF_FFFF_FFFF)


class StateRequirement(NamedTuple):
    """The object state that a capability argument asks for; `None` where the call decides for itself."""

    state: int | None
    name: str


STATE_INIT: Final = 0
STATE_ACTIVE: Final = 1

ANY_STATE: Final = StateRequirement(None, "any")
INIT_STATE: Final = StateRequirement(STATE_INIT, "init")
ACTIVE_STATE: Final = StateRequirement(STATE_ACTIVE, "active")

Results = int | tuple[int, ...] | None
"""What a hypercall returns: x0 alone, or x0, x1, ...; `None` when the caller is blocked and the results come later."""

CapId = Annotated[int, Scalar("cap_id_t", 64)]
URegister = Annotated[int, Scalar("uregister", 64)]
Register = Annotated[int, Scalar("register_t", 64)]
U64 = Annotated[int, Scalar("uint64", 64)]
Size = Annotated[int, Scalar("size", 64)]
UserPtr = Annotated[int, Scalar("user_ptr_t", 64)]
VmAddr = Annotated[int, Scalar("vmaddr_t", 64)]
PhysAddr = Annotated[int, Scalar("paddr_t", 64)]
Nanoseconds = Annotated[int, Scalar("nanoseconds_t", 64)]
Ticks = Annotated[int, Scalar("ticks_t", 64)]
U32 = Annotated[int, Scalar("uint32", 32)]
Count = Annotated[int, Scalar("count_t", 32)]
Index = Annotated[int, Scalar("index_t", 32)]
Virq = Annotated[int, Scalar("virq_t", 32)]
Priority = Annotated[int, Scalar("priority_t", 32)]
CapRights = Annotated[int, Scalar("cap_rights_t", 32)]
CpuIndex = Annotated[int, Scalar("cpu_index_t", 16)]
Vmid = Annotated[int, Scalar("vmid_t", 16)]
Bool = Annotated[int, Scalar("bool", 1)]
