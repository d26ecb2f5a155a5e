"""What callbacks may return, checked: the portable way's twin of the accelerator's conversions, with its messages."""

from __future__ import annotations

_MASK64 = (1 << 64) - 1


def unsigned(value: object, what: str) -> int:
    """An unsigned 64-bit integer.

    Errors: TypeError for another type, OverflowError for one that does not fit.
    """
    if not isinstance(value, int):
        raise TypeError(f"{what} must be an int or None, not {value!r:.100}")
    if not 0 <= value <= _MASK64:
        raise OverflowError(f"{what} must fit into 64 bits, not {value}")
    return int(value)


def hypercall_results(results: object, most: int) -> list[int]:
    """The results of an entry, one or a tuple of them, filled up with zeros to `most`.

    Errors: those of `unsigned`; ValueError for too many.
    """
    found = results if isinstance(results, tuple) else (results,)
    if len(found) > most:
        raise ValueError(f"a hypercall may return {most} results at most, not {len(found)}")
    return [unsigned(value, "a hypercall's result") for value in found] + [0] * (most - len(found))


def register_written(result: object) -> bool:
    """What a system register's writer returned: False means UNDEFINED.

    Errors: TypeError for anything but a bool or None.
    """
    if result is not None and result is not True and result is not False:
        raise TypeError(f"a system register's writer must return a bool or None, not {result!r:.100}")
    return result is not False
