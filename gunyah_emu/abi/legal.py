"""What a hypercall may answer, from its declaration: the errors that its documentation and its signature allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gunyah_emu.abi.declare import DECLARATIONS, Declaration
from gunyah_emu.abi.documentation import implied_errors, parse
from gunyah_emu.abi.errors import ERROR_CODES

NATIVE: Final = "native"
SMCCC: Final = "smccc"
ENCODINGS: Final = (NATIVE, SMCCC)

CAPABILITY_ERRORS: Final = (
    "ARGUMENT_INVALID",
    "CSPACE_CAP_NULL",
    "CSPACE_CAP_REVOKED",
    "CSPACE_WRONG_OBJECT_TYPE",
    "CSPACE_INSUFFICIENT_RIGHTS",
    "OBJECT_STATE",
)
"""What the look-up of a capability may answer."""

_ELSEWHERE: Final = {"capability errors": CAPABILITY_ERRORS}
"""What a name in parentheses stands for; else it is `errors of CALL`."""


def legal_errors(declaration: Declaration, types: Mapping[str, type], encoding: str = NATIVE) -> tuple[str, ...]:
    """The names of the errors that a call may answer, in the order of the checks, each once.

    Arguments:
        declaration: the call.
        types: object types by class name, as for `Declaration.arguments`.
        encoding: "native", or "smccc", in which reserved registers are not checked.
    """
    return tuple(dict.fromkeys(_names(declaration, types, encoding, ())))


def _names(
    declaration: Declaration, types: Mapping[str, type], encoding: str, callers: tuple[str, ...]
) -> Iterator[str]:
    if not declaration.error:
        return
    implied = list(implied_errors(declaration, types))
    if encoding == SMCCC and declaration.reserved is not None:
        implied = implied[1:]
    for condition in (*implied, *parse(declaration.doc).errors):
        for name in condition.names:
            if not name.startswith("("):
                if name in ERROR_CODES and name != "OK":
                    yield name
                continue
            inside = name.strip("()")
            yield from _ELSEWHERE.get(inside, ())
            other = DECLARATIONS.get(inside.removeprefix("errors of "))
            if other is not None and other.name not in callers:
                yield from _names(other, types, encoding, (*callers, declaration.name))
