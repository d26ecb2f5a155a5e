"""The objects of a machine by the way that leads to them, so that two machines of one configuration can be compared.

A machine that was just built has the same objects, reached by the same steps, in every process.  Of a machine that has
run, those objects are found again by the same steps; what else it has was made since.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from gunyah_emu.machine.memento import MISSING, OURS, is_ours, read_slot, slots_of

Step = tuple[str, Any]
"""How to get from an object to one of its parts: what kind of part, and which."""

_ATOMS: Final = (int, str, bytes, float, bool, type(None), type, range, ModuleType, memoryview, bytearray, array)


_CHANGING: Final = ("turn", "key", "value")
"""Steps that may lead elsewhere in a machine that has run."""


def parts(found: object) -> Iterator[tuple[Step, object]]:
    """The parts of an object that may be objects of a machine, in an order that does not depend on the process."""
    kind = type(found)
    if isinstance(found, (list, tuple)):
        yield from ((("item", n), part) for n, part in enumerate(found))
    elif isinstance(found, deque):
        yield from ((("turn", n), part) for n, part in enumerate(found))
    elif isinstance(found, dict):
        yield from ((("of", key), part) for key, part in found.items() if isinstance(key, _ATOMS))
        yield from ((("key", n), part) for n, part in enumerate(found) if not isinstance(part, _ATOMS))
        yield from ((("value", n), found[key]) for n, key in enumerate(found) if not isinstance(key, _ATOMS))
    elif isinstance(found, partial):
        yield ("field", "func"), found.func
        yield ("field", "args"), found.args
    elif isinstance(found, MethodType):
        yield ("field", "__self__"), found.__self__
    elif isinstance(found, FunctionType) and (found.__module__ or "").startswith(OURS):
        yield from ((("cell", n), cell.cell_contents) for n, cell in enumerate(found.__closure__ or ()))
    if not is_ours(kind):
        return
    if hasattr(kind, "rewind"):
        yield ("field", "walked"), getattr(found, "walked", ())
        return
    for slot in slots_of(kind):
        yield ("slot", slot.__name__), read_slot(slot, found)
    yield from ((("field", name), part) for name, part in getattr(found, "__dict__", {}).items())


def _part(found: Any, step: Step, opened: dict[int, tuple[list[object], list[object]]]) -> object:
    """The part that a step leads to; MISSING when there is none."""
    kind, which = step
    try:
        if kind in ("item", "turn", "of"):
            return found[which]
        if kind == "cell":
            return found.__closure__[which].cell_contents
        if kind in ("key", "value"):
            if id(found) not in opened:
                opened[id(found)] = list(found), list(found.values())
            return opened[id(found)][kind == "value"][which]
        return getattr(found, which)
    except (AttributeError, IndexError, KeyError, TypeError):
        return MISSING


class Graph:
    """Everything that can be reached from a machine that was just built.

    Arguments:
        root: the machine.

    Attributes:
        objects: in an order that is the same in every process.  What can only be reached by its turn in a queue or
            among keys that are objects comes last: turns change while a machine runs.
    """

    def __init__(self, root: object) -> None:
        self.objects: list[object] = [root]
        self._ways: list[tuple[int, Step]] = [(0, ("", None))]
        seen = {id(root)}
        waiting = deque([0])
        later: deque[tuple[int, Step, object]] = deque()
        while waiting or later:
            if waiting:
                number = waiting.popleft()
                reached = [(number, step, part) for step, part in parts(self.objects[number])]
                later.extend(way for way in reached if way[1][0] in _CHANGING)
                reached = [way for way in reached if way[1][0] not in _CHANGING]
            else:
                reached = [later.popleft()]
            for number, step, part in reached:
                if isinstance(part, (*_ATOMS, BuiltinFunctionType)) or part is MISSING or id(part) in seen:
                    continue
                seen.add(id(part))
                waiting.append(len(self.objects))
                self.objects.append(part)
                self._ways.append((number, step))

    def find_in(self, root: object) -> list[object]:
        """The objects of another machine that correspond to these, by number; MISSING where there is none."""
        others: list[object] = [root]
        opened: dict[int, tuple[list[object], list[object]]] = {}  # dictionaries, by position
        found = {id(root)}
        for number in range(1, len(self.objects)):
            origin, step = self._ways[number]
            part = MISSING if others[origin] is MISSING else _part(others[origin], step, opened)
            if type(part) is not type(self.objects[number]) or id(part) in found:
                part = MISSING
            else:
                found.add(id(part))
            others.append(part)
        return others
