"""Declarations become decoders: flat functions, generated once, that check and then call.

Generated source, because the alternatives pay per call what can be paid once: a loop over argument descriptions costs
more than the whole doorbell.  The success path is in line; every failure goes to `CSpace.refused`, which alone knows
the recorded order of the errors.

Native encoding: `entry(caller, x0, ...)` for `doorbell_send` becomes

```python
def doorbell_send(caller, x0, x1, x2):
    if x2 != 0: return 1
    c0 = caller.cspace.table[x0]
    if c0.live is not T0 or not c0.rights & 1:
        return caller.cspace.refused(x0, T0, 1, 1)
    return implementation(c0.object, x1)
```

SMCCC encoding (recorded): arguments from x1 on, no reserved check, every output register is written on an error too
(with 0), an error in x0 is sign-extended to 64 bits, other registers stay.  The entry takes the arguments without x0
and returns exactly the registers to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from gunyah_emu.abi.bitfields import Bitfield
from gunyah_emu.abi.declare import CapabilityType, Declaration
from gunyah_emu.abi.errors import ARGUMENT_INVALID
from gunyah_emu.abi.types import ACTIVE_STATE, Results

Entry = Callable[..., Results]
"""`entry(caller, x0, x1, ...)` with as many registers as the declaration takes."""

SmcccEntry = Callable[..., tuple[int, ...] | None]
"""`entry(caller, x1, x2, ...)`; the result is x0, x1, ... as far as they are written, `None` for a blocked caller."""


def native_source(declaration: Declaration, types: Mapping[str, type]) -> str:
    """The source of the native decoder; `types` as for `Declaration.arguments`."""
    count = len(declaration.argument_names)
    registers = [f"x{n}" for n in range(declaration.register_count)]
    lines = [f"def {declaration.name}({', '.join(['caller', *registers])}):"]
    if declaration.reserved is not None:
        lines.append(f"    if x{count} != {declaration.reserved.value}: return {ARGUMENT_INVALID}")
    lines += _body(declaration, types)
    return "\n".join(lines)


def smccc_source(declaration: Declaration, types: Mapping[str, type]) -> str:
    """The source of the decoder behind the SMCCC encoding; it takes x1, ... and returns like the native one."""
    registers = [f"x{n}" for n in range(len(declaration.argument_names))]
    return "\n".join([f"def {declaration.name}({', '.join(['caller', *registers])}):", *_body(declaration, types)])


def _body(declaration: Declaration, types: Mapping[str, type]) -> list[str]:
    arguments = declaration.arguments(types)
    values: dict[str, str] = {name: name for name in declaration.context}
    lookups: dict[str, list[str]] = {}
    for argument in arguments:
        name, register, kind = argument
        if isinstance(kind, CapabilityType):
            lookups[name] = _lookup(register, kind)
            values[name] = f"c{register}.object"
        elif kind.width < 64:
            values[name] = f"x{register} & {(1 << kind.width) - 1}"
        else:
            values[name] = f"x{register}"
    order = declaration.order or tuple(lookups)
    assert sorted(order) == sorted(lookups), f"{declaration.name}: order must name every capability argument"
    lines = [f"    if {test}: return {declaration.strict_error}" for test in _strict_tests(declaration, types)]
    lines += [line for name in order for line in lookups[name]]
    passed = ", ".join(values[name] for name in (*declaration.context, *declaration.argument_names))
    return [*lines, f"    return implementation({passed})"]


def _strict_tests(declaration: Declaration, types: Mapping[str, type]) -> list[str]:
    kinds = {name: (register, kind) for name, register, kind in declaration.arguments(types)}
    tests = []
    for name in declaration.strict:
        register, kind = kinds[name]
        assert isinstance(kind, Bitfield), f"{declaration.name}: {name} must be a bit field"
        tests.append(f"x{register} & {kind.reserved}")
    return tests


def _lookup(n: int, kind: CapabilityType) -> list[str]:
    any_type: bool = getattr(kind.cls, "ANY_TYPE", False)
    one = kind.rights & kind.rights - 1 == 0
    conditions = [f"not c{n}.rights & {kind.rights}" if one else f"c{n}.rights & {kind.rights} != {kind.rights}"]
    if kind.state is ACTIVE_STATE:
        conditions.insert(0, f"c{n}.live is not T{n}")
    else:
        if not any_type:
            conditions.insert(0, f"c{n}.kind is not T{n}")
        if kind.state.state is not None:
            conditions.append(f"c{n}.object.state != {kind.state.state}")
    return [
        f"    c{n} = caller.cspace.table[x{n}]",
        f"    if {' or '.join(conditions)}:",
        f"        return caller.cspace.refused(x{n}, T{n}, {kind.rights}, {kind.state.state})",
    ]


def _compile(source: str, declaration: Declaration, types: Mapping[str, type], hypervisor: object) -> Entry:
    names: dict[str, object] = {"implementation": declaration.function, "hypervisor": hypervisor}
    for argument in declaration.arguments(types):
        if isinstance(argument.type, CapabilityType):
            names[f"T{argument.register}"] = argument.type.cls
    exec(compile(source, f"<decoder of {declaration.name}>", "exec"), names)
    return cast("Entry", names[declaration.name])


def native_entry(declaration: Declaration, types: Mapping[str, type], hypervisor: object) -> Entry:
    """The native entry of a declaration, bound to one hypervisor."""
    return _compile(native_source(declaration, types), declaration, types, hypervisor)


def smccc_entry(declaration: Declaration, types: Mapping[str, type], hypervisor: object) -> SmcccEntry:
    """The SMCCC entry of a declaration, bound to one hypervisor."""
    inner = _compile(smccc_source(declaration, types), declaration, types, hypervisor)
    zeros = (0,) * len(declaration.outputs(types))
    count = len(zeros)
    is_error = declaration.error

    def entry(caller: object, *registers: int) -> tuple[int, ...] | None:
        results = inner(caller, *registers)
        if results is None:
            return None
        return smccc_results(results, zeros, count, is_error)

    return entry


def smccc_results(
    results: int | tuple[int, ...], zeros: tuple[int, ...], count: int, is_error: bool
) -> tuple[int, ...]:
    """Native results as the SMCCC encoding writes them: all `count` outputs, a negative error code in 64 bits."""
    values = (results,) if isinstance(results, int) else results
    if is_error and values[0] & 0x8000_0000:
        values = (values[0] | 0xFFFF_FFFF_0000_0000, *values[1:])
    return values + zeros[len(values) : count]
