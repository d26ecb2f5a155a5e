"""Error codes of Gunyah's API, as they appear in x0 (API section "Error Code Enumeration", 12/2023 release).

They are plain integers: an `IntEnum` member costs a conversion wherever it meets a register.  Unsigned 32-bit values,
because the native encoding returns an error in w0: UNIMPLEMENTED is 0xffffffff there (recorded) and becomes a 64-bit
-1 only in the SMCCC encoding.
"""

from __future__ import annotations

from typing import Final

OK: Final = 0
UNIMPLEMENTED: Final = 0xFFFF_FFFF
RETRY: Final = 0xFFFF_FFFE
ARGUMENT_INVALID: Final = 1
ARGUMENT_SIZE: Final = 2
ARGUMENT_ALIGNMENT: Final = 3
NOMEM: Final = 10
NORESOURCES: Final = 11
ADDR_OVERFLOW: Final = 20
ADDR_UNDERFLOW: Final = 21
ADDR_INVALID: Final = 22
DENIED: Final = 30
BUSY: Final = 31
IDLE: Final = 32
OBJECT_STATE: Final = 33
OBJECT_CONFIG: Final = 34
OBJECT_CONFIGURED: Final = 35
FAILURE: Final = 36
VIRQ_BOUND: Final = 40
VIRQ_NOT_BOUND: Final = 41
CSPACE_CAP_NULL: Final = 50
CSPACE_CAP_REVOKED: Final = 51
CSPACE_WRONG_OBJECT_TYPE: Final = 52
CSPACE_INSUFFICIENT_RIGHTS: Final = 53
CSPACE_FULL: Final = 54
MSGQUEUE_EMPTY: Final = 60
MSGQUEUE_FULL: Final = 61
ALLOCATOR_RANGE_OVERLAPPING: Final = 100
ALLOCATOR_MEM_INUSE: Final = 101
MEMDB_EMPTY: Final = 110
MEMDB_NOT_OWNER: Final = 111
MEMEXTENT_MAPPINGS_FULL: Final = 120
MEMEXTENT_TYPE: Final = 121
EXISTING_MAPPING: Final = 200

ERROR_NAMES: Final[dict[int, str]] = {
    value: name for name, value in list(globals().items()) if name.isupper() and isinstance(value, int)
}
"""Error code to name, for people."""

ERROR_CODES: Final[dict[str, int]] = {name: value for value, name in ERROR_NAMES.items()}
"""Name to error code."""


def error_name(code: int) -> str:
    """The name of an error code, or the code itself in decimal where the API gives it no name."""
    return ERROR_NAMES.get(code & 0xFFFF_FFFF, str(code))
