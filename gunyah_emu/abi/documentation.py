"""What a declaration's docstring says, as data, and what the declaration itself implies.

A hypercall's docstring has a summary, paragraphs, and the sections "Arguments:", "Errors:" (in the order of the
checks), "Unspecified:" (what the API document leaves open), "Differs:" (where it says otherwise than what the real
hypervisor does) and "Source:".  Errors of the reserved register and of capability look-ups are never written there:
they follow from the declaration, in front of the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from gunyah_emu.abi.declare import CapabilityType, Declaration
from gunyah_emu.abi.errors import error_name
from gunyah_emu.abi.rights import ACTIVATE

_SECTIONS: Final = ("Arguments", "Errors", "Unspecified", "Differs", "Source")
_ENTRY: Final = re.compile(r"([A-Za-z0-9_]+(?:, [A-Za-z0-9_]+)*|\([a-z_ ]+\)): (.*)")


class ErrorCondition(NamedTuple):
    """Error codes and when they are answered; a name in parentheses stands for errors that are listed elsewhere."""

    names: tuple[str, ...]
    condition: str


class Documentation(NamedTuple):
    """A docstring in its parts.

    Arguments:
        summary: the first line.
        body: further paragraphs.
        arguments: meaning by name.
        errors: conditions in the order of the checks.
        unspecified: what the API document leaves open.
        differs: where the API document says otherwise.
        source: where the behaviour is known from.

    """

    summary: str
    body: tuple[str, ...]
    arguments: dict[str, str]
    errors: tuple[ErrorCondition, ...]
    unspecified: str
    differs: str
    source: str


def parse(docstring: str) -> Documentation:
    """Take a hypercall's docstring apart."""
    paragraphs = [part.rstrip() for part in re.split(r"\n\s*\n", docstring) if part.strip()]
    body: list[str] = []
    sections: dict[str, str] = {}
    for paragraph in paragraphs:
        name, _, rest = paragraph.strip().partition(":")
        if name in _SECTIONS:
            sections[name] = rest
        else:
            body.append(" ".join(paragraph.split()))
    errors = tuple(
        ErrorCondition(tuple(names.split(", ")), condition) for names, condition in _entries(sections.get("Errors", ""))
    )
    arguments = dict(_entries(sections.get("Arguments", "")))
    unspecified, differs, source = (
        " ".join(sections.get(name, "").split()) for name in ("Unspecified", "Differs", "Source")
    )
    return Documentation(body[0], tuple(body[1:]), arguments, errors, unspecified, differs, source)


def _entries(section: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in section.splitlines() if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    entry: tuple[str, str] | None = None
    for line in lines:
        match = _ENTRY.fullmatch(line.strip())
        if match and len(line) - len(line.lstrip()) == margin:
            if entry:
                yield entry
            entry = (match[1], match[2])
        else:
            assert entry is not None, f"a section must begin with an entry, not with {line!r}"
            entry = (entry[0], f"{entry[1]} {line.strip()}")
    if entry:
        yield entry


def implied_errors(declaration: Declaration, types: Mapping[str, type]) -> Iterator[ErrorCondition]:
    """The errors that a declaration implies, in the order of the checks; `types` as for `Declaration.arguments`."""
    if declaration.reserved is not None:
        register = len(declaration.argument_names)
        must = "0" if declaration.reserved.value == 0 else "-1"
        yield ErrorCondition(("ARGUMENT_INVALID",), f"x{register} is not {must} (not checked in the SMCCC encoding)")
    for name in declaration.strict:
        yield ErrorCondition((error_name(declaration.strict_error),), f"unknown bits in `{name}`")
    arguments = {argument.name: argument.type for argument in declaration.arguments(types)}
    for name in declaration.order or tuple(arguments):
        kind = arguments[name]
        if isinstance(kind, CapabilityType):
            yield from _lookup_errors(name, kind)


def _lookup_errors(name: str, kind: CapabilityType) -> Iterator[ErrorCondition]:
    rights = right_names(kind)
    wrong_type = ErrorCondition(("CSPACE_WRONG_OBJECT_TYPE",), f"`{name}` is not a {type_name(kind)}")
    no_right = ErrorCondition(("CSPACE_INSUFFICIENT_RIGHTS",), f"`{name}` lacks the right {rights}")
    yield ErrorCondition(("ARGUMENT_INVALID",), f"`{name}` does not decode as an id of the caller's cspace")
    yield ErrorCondition(("CSPACE_CAP_NULL",), f"`{name}` names an empty slot")
    yield ErrorCondition(("CSPACE_CAP_REVOKED",), f"`{name}` was revoked")
    if getattr(kind.cls, "ANY_TYPE", False):
        yield no_right
    elif kind.rights & ACTIVATE:
        yield from (no_right, wrong_type)
    else:
        yield from (wrong_type, no_right)
    if kind.state.state is not None:
        yield ErrorCondition(("OBJECT_STATE",), f"`{name}` is not in state {kind.state.name.upper()}")


def type_name(kind: CapabilityType) -> str:
    """The API's name of the object type a capability argument asks for."""
    name: str = getattr(kind.cls, "type_name", lambda: kind.cls.__name__.lower())()
    return name


def right_names(kind: CapabilityType) -> str:
    """The rights that a capability argument asks for, in words."""
    known: dict[int, str] = getattr(getattr(kind.cls, "RIGHTS", None), "NAMES", {ACTIVATE: "activate"})
    return ", ".join(name for bit, name in known.items() if kind.rights & bit)
