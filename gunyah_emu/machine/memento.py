"""The state of a graph of Python objects, taken and brought back in place.

A machine is some thousand small objects that know each other, and native code holds on to methods of many of them.  So
a state is brought back into the very objects that it was taken from: whoever holds one of them still holds the right
one.  What belongs to a state is found by walking, not by a method in each class: a field that somebody adds tomorrow is
part of it already.

An object that holds on to something outside Python says how its state is taken: it has `mark() -> object` and
`rewind(mark)`, and nothing behind it is walked but what its `walked` names.
"""

from __future__ import annotations

import enum
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final

OURS: Final = "gunyah_emu."
CONSTANT: Final = ("gunyah_emu.abi.", "gunyah_emu.boot.", "gunyah_emu.machine.config")
"""Modules whose objects do not change once a machine is built."""

OUTSIDE: Final = ("gunyah_emu.cli.", "gunyah_emu.debug.", "gunyah_emu.testing.")
"""Modules whose objects watch machines and are no part of them, but for classes that say `part_of_machine = True`: a
test's machine, and its VMs."""

_ATOMS: Final = frozenset({int, str, bytes, float, bool, type(None), type, range, ModuleType, memoryview})

_Restore = Callable[[], object]
_Taker = Callable[[Any, list[object], list[_Restore]], None]

MISSING: Final = object()


def is_ours(kind: type) -> bool:
    """Whether objects of a type are a machine's own, and can change."""
    module = f"{kind.__module__}."
    if not module.startswith(OURS) or module.startswith(CONSTANT) or issubclass(kind, (enum.Enum, type)):
        return False
    return not module.startswith(OUTSIDE) or getattr(kind, "part_of_machine", False)


class Memento:
    """The state of everything that can be reached from some objects, as it is now.

    Arguments:
        roots: where to begin.
    """

    __slots__ = ("_restores", "objects")

    def __init__(self, roots: Iterable[object]) -> None:
        self._restores: list[_Restore] = []
        #: how many objects were looked at
        self.objects = 0
        self._walk(list(roots))

    def restore(self) -> None:
        """Bring the state back, into the same objects; may be done again and again."""
        for restore in self._restores:
            restore()

    def _walk(self, waiting: list[object]) -> None:
        seen: set[int] = set()
        kept: list[object] = []  # so that no number of `seen` is given to another object meanwhile
        restores = self._restores
        while waiting:
            found = waiting.pop()
            kind = type(found)
            if kind in _ATOMS or id(found) in seen:
                continue
            seen.add(id(found))
            kept.append(found)
            taker = _TAKERS.get(kind)
            if taker is None:
                taker = _TAKERS[kind] = _taker_of(kind)
            taker(found, waiting, restores)
        self.objects = len(kept)


def _interesting(values: Iterable[object]) -> Iterator[object]:
    return (value for value in values if type(value) not in _ATOMS)


def _take_nothing(_found: object, _waiting: list[object], _restores: list[_Restore]) -> None:
    """It cannot change, or is none of ours."""


def _take_sequence(found: Any, waiting: list[object], restores: list[_Restore]) -> None:
    restores.append(partial(_put_sequence, found, tuple(found)))
    waiting.extend(_interesting(found))


def _put_sequence(target: Any, values: tuple[object, ...]) -> None:
    target[:] = values


def _take_bytes(found: Any, _waiting: list[object], restores: list[_Restore]) -> None:
    restores.append(partial(_put_bytes, found, found[:]))


def _put_bytes(target: Any, values: object) -> None:
    target[:] = values


def _take_deque(found: deque[object], waiting: list[object], restores: list[_Restore]) -> None:
    restores.append(partial(_put_all, found, found.extend, tuple(found)))
    waiting.extend(_interesting(found))


def _take_set(found: set[object], waiting: list[object], restores: list[_Restore]) -> None:
    restores.append(partial(_put_all, found, found.update, tuple(found)))
    waiting.extend(_interesting(found))


def _take_dict(found: dict[object, object], waiting: list[object], restores: list[_Restore]) -> None:
    restores.append(partial(_put_all, found, found.update, tuple(found.items())))
    waiting.extend(_interesting(found))
    waiting.extend(_interesting(found.values()))


def _put_all(target: Any, put: Callable[[Any], None], values: tuple[object, ...]) -> None:
    target.clear()
    put(values)


def _take_parts(found: Iterable[object], waiting: list[object], _restores: list[_Restore]) -> None:
    waiting.extend(_interesting(found))


def _take_partial(found: partial[object], waiting: list[object], _restores: list[_Restore]) -> None:
    waiting += (found.func, found.args, found.keywords)


def _take_method(found: MethodType, waiting: list[object], _restores: list[_Restore]) -> None:
    waiting.append(found.__self__)


def _take_function(found: FunctionType, waiting: list[object], _restores: list[_Restore]) -> None:
    for cell in (found.__closure__ or ()) if (found.__module__ or "").startswith(OURS) else ():
        try:
            waiting.append(cell.cell_contents)
        except ValueError:  # not yet bound
            continue


def _take_marked(found: Any, waiting: list[object], restores: list[_Restore]) -> None:
    restores.append(partial(found.rewind, found.mark()))
    waiting.extend(_interesting(getattr(found, "walked", ())))


def _put_slots(target: object, slots: tuple[Any, ...], values: tuple[object, ...]) -> None:
    for slot, value in zip(slots, values, strict=True):
        if value is not MISSING:
            slot.__set__(target, value)
        elif read_slot(slot, target) is not MISSING:
            slot.__delete__(target)


def read_slot(slot: Any, found: object) -> object:
    """What an instance keeps in a slot; MISSING where that is empty."""
    try:
        return slot.__get__(found, type(found))
    except AttributeError:
        return MISSING


def slots_of(kind: type) -> tuple[Any, ...]:
    """The descriptors of everything that instances keep in slots."""
    return tuple(
        descriptor
        for base in kind.__mro__
        if base.__module__.startswith(OURS)
        for name, descriptor in vars(base).items()
        if isinstance(descriptor, MemberDescriptorType) and name != "__weakref__"
    )


def _object_taker(kind: type) -> _Taker:
    slots = slots_of(kind)
    contents = next((_TAKERS[base] for base in kind.__mro__ if base in _TAKERS), None)

    def take(found: Any, waiting: list[object], restores: list[_Restore]) -> None:
        if contents is not None:
            contents(found, waiting, restores)
        if slots:
            values = tuple([read_slot(slot, found) for slot in slots])
            restores.append(partial(_put_slots, found, slots, values))
            waiting.extend(_interesting(values))
        if (fields := getattr(found, "__dict__", None)) is not None:
            restores.append(partial(_put_all, fields, fields.update, tuple(fields.items())))
            waiting.extend(_interesting(fields.values()))

    return take


_TAKERS: dict[type, _Taker] = {
    list: _take_sequence,
    bytearray: _take_bytes,
    array: _take_bytes,
    deque: _take_deque,
    set: _take_set,
    dict: _take_dict,
    OrderedDict: _take_dict,
    tuple: _take_parts,
    frozenset: _take_parts,
    partial: _take_partial,
    MethodType: _take_method,
    FunctionType: _take_function,
    BuiltinFunctionType: _take_nothing,
}
"""How the state of each kind of object is taken; kinds are added when they are met."""


def _taker_of(kind: type) -> _Taker:
    if not is_ours(kind):
        return _take_nothing
    if hasattr(kind, "rewind"):
        return _take_marked
    if issubclass(kind, tuple):
        return _take_parts
    return _object_taker(kind)
