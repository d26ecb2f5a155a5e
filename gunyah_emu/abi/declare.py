"""`@hypercall`: a signature becomes a declaration.

```python
@hypercall(0x6012)
def doorbell_send(
    doorbell: Annotated[Doorbell, DoorbellRights.SEND], new_flags: U64
) -> Annotated[Results, "old_flags: uint64"]: ...
```

A function is declared when its module is imported, so that must cost next to nothing: only its number is noted.
Annotations stay strings until something asks for the arguments (the decoder on the first call of that number,
documentation, traces). `inspect.signature` and `typing.get_type_hints` were rejected: 100 calls of either cost more
than the rest of the start-up.

The annotation of a parameter says what becomes of its register:

* a scalar or bit field of `abi.types` / `abi.bitfields`: truncated to its width;
* `Annotated[ObjectType, right]`: a capability of the caller's cspace.  The function receives the object.  Type,
  rights and state ACTIVE are checked in the recorded order.  With the right ACTIVATE (configure calls) the rights
  come before the type, and the state must be INIT;
* a third item (`ANY_STATE`, `INIT_STATE`, `ACTIVE_STATE`) asks for another state.

Two leading parameters are not registers: `hypervisor` and `caller` (the calling thread).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from gunyah_emu.abi.bitfields import Bitfield, Enumeration
from gunyah_emu.abi.errors import ARGUMENT_INVALID
from gunyah_emu.abi.rights import ACTIVATE
from gunyah_emu.abi.types import ACTIVE_STATE, ANY_STATE, INIT_STATE, ZERO, Reserved, Results, Scalar, StateRequirement

FIRST_IMMEDIATE: Final = 0x6000
TABLE_SIZE: Final = 0x70
SMCCC_HYPERCALL: Final = 0xC600_8000

_CONTEXT: Final = ("hypervisor", "caller")


class CapabilityType(NamedTuple):
    """A capability argument: the object's class, the rights asked for, the state asked for."""

    cls: type
    rights: int
    state: StateRequirement

    @property
    def name(self) -> str:
        """The API's name of the register's type."""
        return "cap_id_t"


class Argument(NamedTuple):
    """One argument: its name, its register in the native encoding (one more in the SMCCC encoding), its type."""

    name: str
    register: int
    type: Scalar | Bitfield | Enumeration | CapabilityType


class Output(NamedTuple):
    """One result: its name, its register (the error is x0), the API's name of its type."""

    name: str
    register: int
    type: str


class Declaration:
    """One hypercall, as declared.

    Arguments:
        number: the HVC immediate, 0x6000..0x606f; `None` for a call that this build has no number for.
        function: what it does.
        reserved: what the register after the last argument must hold; `None` when there is no such register.
        order: names of capability arguments in the order of their look-up, where that is not the order of the
            registers.
        absent: the API names the call, the recorded build does not have it (x0 = 64-bit -1).
        error: whether x0 is an error code.
        strict: names of bit field arguments whose bits outside of every field must be zero; checked before any
            capability.
        strict_error: the error where they are not.

    """

    __slots__ = (
        "_arguments",
        "_outputs",
        "absent",
        "argument_names",
        "error",
        "function",
        "name",
        "number",
        "order",
        "reserved",
        "strict",
        "strict_error",
    )

    def __init__(
        self,
        number: int | None,
        function: Callable[..., Results],
        reserved: Reserved | None,
        order: tuple[str, ...],
        absent: bool,
        error: bool,
        strict: tuple[str, ...],
        strict_error: int,
    ) -> None:
        self.number = number
        self.function = function
        self.name: str = function.__name__
        self.reserved = reserved
        self.order = order
        self.absent = absent
        self.error = error
        self.strict = strict
        self.strict_error = strict_error
        code = function.__code__
        #: the names of the arguments in the order of their registers, known without looking at their types
        self.argument_names = tuple(name for name in code.co_varnames[: code.co_argcount] if name not in _CONTEXT)
        self._arguments: tuple[Argument, ...] | None = None
        self._outputs: tuple[Output, ...] | None = None

    @property
    def context(self) -> tuple[str, ...]:
        """The leading parameters that are not registers, in order."""
        code = self.function.__code__
        return tuple(name for name in code.co_varnames[: code.co_argcount] if name in _CONTEXT)

    @property
    def register_count(self) -> int:
        """How many registers the native encoding takes, the reserved one included."""
        return len(self.argument_names) + (self.reserved is not None)

    @property
    def smccc_id(self) -> int | None:
        """The function id of the SMCCC encoding."""
        return None if self.number is None else SMCCC_HYPERCALL | (self.number - FIRST_IMMEDIATE)

    @property
    def doc(self) -> str:
        """The docstring as written."""
        return self.function.__doc__ or ""

    def arguments(self, types: Mapping[str, type]) -> tuple[Argument, ...]:
        """The arguments with their types; `types`: object types by class name, for names that the module lacks."""
        if self._arguments is None:
            self._resolve(types)
            assert self._arguments is not None
        return self._arguments

    def outputs(self, types: Mapping[str, type]) -> tuple[Output, ...]:
        """The results in the order of their registers, from x0; `types` as for `arguments`."""
        if self._outputs is None:
            self._resolve(types)
            assert self._outputs is not None
        return self._outputs

    def _resolve(self, types: Mapping[str, type]) -> None:
        function = self.function
        annotations: Mapping[str, str] = function.__annotations__
        names = {**types, **function.__globals__}
        self._arguments = tuple(
            Argument(name, register, _argument_type(eval(annotations[name], names)))
            for register, name in enumerate(self.argument_names)
        )
        returned = eval(annotations["return"], names)
        outputs = [tuple(part.split(": ")) for part in getattr(returned, "__metadata__", ())]
        if self.error:
            outputs.insert(0, ("error", "error"))
        self._outputs = tuple(Output(name, register, kind) for register, (name, kind) in enumerate(outputs))


def _argument_type(annotation: object) -> Scalar | Bitfield | Enumeration | CapabilityType:
    origin: object = getattr(annotation, "__origin__", None)
    metadata: tuple[object, ...] = getattr(annotation, "__metadata__", ())
    if isinstance(origin, type) and metadata:
        first = metadata[0]
        if isinstance(first, Scalar | Bitfield | Enumeration):
            return first
        if isinstance(first, int):
            state = metadata[1] if len(metadata) > 1 else INIT_STATE if first == ACTIVATE else ACTIVE_STATE
            assert isinstance(state, StateRequirement)
            if getattr(origin, "ANY_TYPE", False):
                state = ANY_STATE
            return CapabilityType(origin, first, state)
    raise AssertionError(f"a hypercall's parameter must be Annotated with a type or a right, not {annotation!r}")


DECLARATIONS: Final[dict[str, Declaration]] = {}
"""Every declared call by name, in the order of the imports."""

_Function = TypeVar("_Function", bound=Callable[..., Results])


def hypercall(
    number: int | None,
    *,
    reserved: Reserved | None = ZERO,
    order: tuple[str, ...] = (),
    absent: bool = False,
    error: bool = True,
    strict: tuple[str, ...] = (),
    strict_error: int = ARGUMENT_INVALID,
) -> Callable[[_Function], _Function]:
    """Declare the function, unchanged, as the hypercall `number`; the parameters are those of `Declaration`."""

    def declare(function: _Function) -> _Function:
        declaration = Declaration(number, function, reserved, order, absent, error, strict, strict_error)
        assert declaration.name not in DECLARATIONS, f"{declaration.name} is declared twice"
        DECLARATIONS[declaration.name] = declaration
        return function

    return declare
